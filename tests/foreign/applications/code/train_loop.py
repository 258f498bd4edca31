"""An application with the loop that templates had until 2022, which takes no null."""

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig


@hydra.main(version_base="1.3", config_path="conf", config_name="train_code")
def main(cfg: DictConfig) -> None:
    callbacks = []
    for node in cfg.callbacks.values():
        if "_target_" in node:
            callbacks.append(instantiate(node))
    print("callbacks:", [type(callback).__name__ for callback in callbacks])


if __name__ == "__main__":
    main()
