"""Only composes, or makes its callbacks; the packages beside it have the names that ours have."""

import sys

import hydra
from omegaconf import DictConfig, OmegaConf

import conf
import project
import tests


@hydra.main(version_base="1.3", config_path="conf", config_name="config")
def main(cfg: DictConfig) -> None:
    print(OmegaConf.to_yaml(cfg, resolve=True))
    heavy = {"torch", "pytorch_lightning", "lightning", "numpy", "matplotlib", "wandb"}
    print("imported:", sorted(heavy & sys.modules.keys()))
    print([package.__doc__ for package in (conf, project, tests)])
    if cfg.make:
        print("made:", hydra.utils.instantiate(cfg.callbacks))


if __name__ == "__main__":
    main()
