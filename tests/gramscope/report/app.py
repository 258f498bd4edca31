"""An application that others might have: trains a tiny model with the callbacks of its config."""

import hydra
from omegaconf import DictConfig

from gramscope import instantiate_callbacks
from tests.support import TinySSL, trainer


@hydra.main(version_base="1.3", config_path=None)
def main(cfg: DictConfig) -> None:
    """Train for some steps."""
    callbacks = instantiate_callbacks(cfg.callbacks)
    trainer(cfg.get("directory", "."), callbacks, max_steps=cfg.max_steps).fit(TinySSL())


if __name__ == "__main__":
    main()
