"""An application of Hydra 1.4 that allows what is its own to be instantiated, and no more."""

import hydra
from hydra.utils import instantiate
from omegaconf import DictConfig


@hydra.main(config_path="conf", config_name="train_code", execution_whitelist=("tiny.*",))
def main(cfg: DictConfig) -> None:
    print("callbacks:", [type(instantiate(node)).__name__ for node in cfg.callbacks.values()])


if __name__ == "__main__":
    main()
