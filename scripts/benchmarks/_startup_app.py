"""A Hydra application that does nothing; prints how long Hydra took to import our plugin."""

import hydra
from hydra.core.plugins import Plugins


@hydra.main(version_base="1.3", config_path=None)
def _main(_: object) -> None:
    stats = Plugins.instance().get_stats()
    assert stats is not None
    print(stats.modules_import_time.get("hydra_plugins.hydra_gramscope", "nan"))


if __name__ == "__main__":
    _main()
