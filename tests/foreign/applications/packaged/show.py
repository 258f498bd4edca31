"""Only composes."""

import sys

import hydra
from omegaconf import DictConfig, OmegaConf

import conf


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    print(OmegaConf.to_yaml(cfg, resolve=True))
    heavy = {"torch", "pytorch_lightning", "lightning", "numpy", "matplotlib", "wandb"}
    print("imported:", sorted(heavy & sys.modules.keys()))
    print("conf:", conf.__doc__)


if __name__ == "__main__":
    main()
