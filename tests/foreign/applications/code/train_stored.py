"""An application that has stored something of its own under the name of a preset."""

import hydra
from hydra.core.config_store import ConfigStore
from hydra.utils import instantiate
from omegaconf import DictConfig

OWN = {"callbacks": {"gram": {"_target_": "pytorch_lightning.callbacks.Timer"}}}
ConfigStore.instance().store("gram", OWN, "callbacks", "_global_")


@hydra.main(version_base="1.3", config_path=None)
def main(cfg: DictConfig) -> None:
    callbacks = instantiate(cfg.callbacks)
    print("callbacks:", [type(callback).__name__ for callback in callbacks.values()])


if __name__ == "__main__":
    main()
