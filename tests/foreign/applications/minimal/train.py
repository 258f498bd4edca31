"""Self-distillation on random vectors, composed by Hydra.

python train.py trainer.max_steps=200
"""

import logging

import hydra
from omegaconf import DictConfig

import gramscope

log = logging.getLogger(__name__)


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
def main(cfg: DictConfig) -> float | None:
    from lightning_fabric import seed_everything

    seed_everything(cfg.seed)
    callbacks = gramscope.instantiate_callbacks(cfg.callbacks)
    trainer = hydra.utils.instantiate(cfg.trainer, callbacks=callbacks)
    model = hydra.utils.instantiate(cfg.model)
    log.info("callbacks: %s", [type(callback).__name__ for callback in callbacks])

    trainer.fit(model)

    for callback in callbacks:
        if hasattr(callback, "summary"):
            log.info("summary: %s", callback.summary)
    return gramscope.objective(trainer, cfg.objective)


if __name__ == "__main__":
    main()
