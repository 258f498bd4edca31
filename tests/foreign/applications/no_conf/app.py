"""Everything in code; what is to be watched comes from the command line."""

import hydra
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path=None)
def main(cfg: DictConfig) -> None:
    import pytorch_lightning as pl
    from tiny import SelfDistillation

    callbacks = [hydra.utils.instantiate(node) for node in cfg.get("callbacks", {}).values()]
    trainer = pl.Trainer(
        default_root_dir=hydra.core.hydra_config.HydraConfig.get().runtime.output_dir,
        accelerator="cpu",
        max_steps=100,
        callbacks=[*callbacks, pl.callbacks.Timer("00:00:10:00")],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(SelfDistillation())
    print("callbacks:", [type(callback).__name__ for callback in trainer.callbacks])


if __name__ == "__main__":
    main()
