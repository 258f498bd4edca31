"""An application whose callbacks are a list."""

import hydra
from omegaconf import DictConfig

from gramscope import instantiate_callbacks


@hydra.main(version_base="1.3", config_path="conf_list", config_name="train_list")
def main(cfg: DictConfig) -> None:
    trainer = hydra.utils.instantiate(
        cfg.trainer,
        callbacks=instantiate_callbacks(cfg.callbacks),
        logger=hydra.utils.instantiate(cfg.logger),
    )
    trainer.fit(hydra.utils.instantiate(cfg.model))
    print("callbacks:", [type(callback).__name__ for callback in trainer.callbacks])


if __name__ == "__main__":
    main()
