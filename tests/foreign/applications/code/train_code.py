"""An application that makes its callbacks in code, whatever its config says."""

import hydra
import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from tiny import SelfDistillation


@hydra.main(version_base="1.3", config_path="conf", config_name="train_code")
def main(cfg: DictConfig) -> None:
    settings = OmegaConf.to_container(cfg.trainer)
    directory = HydraConfig.get().runtime.output_dir
    settings |= {"callbacks": [pl.callbacks.Timer()], "default_root_dir": directory}
    trainer = pl.Trainer(**settings)
    trainer.fit(SelfDistillation())
    print("callbacks:", [type(callback).__name__ for callback in trainer.callbacks])


if __name__ == "__main__":
    main()
