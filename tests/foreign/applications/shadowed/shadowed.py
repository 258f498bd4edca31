"""An application that hides the plugins of others without knowing."""

import hydra
from omegaconf import DictConfig

from gramscope import instantiate_callbacks


@hydra.main(version_base="1.3", config_path=".", config_name="config")
def main(cfg: DictConfig) -> None:
    print(instantiate_callbacks(cfg.get("callbacks")))


if __name__ == "__main__":
    main()
