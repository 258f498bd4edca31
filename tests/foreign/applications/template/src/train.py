"""Trains a model from its config; all of it is chosen in configs/."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

sys.path.insert(0, str(Path(__file__).parents[1]))

from src.utils.instantiators import instantiate_all


def train(cfg: DictConfig) -> dict[str, float]:
    import lightning

    lightning.seed_everything(cfg.seed, workers=True)
    data = hydra.utils.instantiate(cfg.data)
    model = hydra.utils.instantiate(cfg.model)
    callbacks = instantiate_all(cfg.get("callbacks"))
    loggers = instantiate_all(cfg.get("logger"))
    trainer = hydra.utils.instantiate(cfg.trainer, callbacks=callbacks, logger=loggers)
    trainer.fit(model, datamodule=data)
    print("callbacks:", [type(callback).__name__ for callback in trainer.callbacks])
    return trainer.callback_metrics


@hydra.main(version_base="1.3", config_path="../configs", config_name="train.yaml")
def main(cfg: DictConfig) -> float | None:
    metrics = train(cfg)
    name = cfg.get("optimized_metric")
    return float(metrics[name]) if name else None


if __name__ == "__main__":
    main()
