"""An application without YAML: its configs are made by hydra-zen."""

import pytorch_lightning as pl
from hydra_zen import builds, make_config, store, zen
from pytorch_lightning.callbacks import Timer
from tiny import SelfDistillation

from gramscope.callbacks import GramMatrixCallback

TrainerConfig = builds(
    pl.Trainer,
    default_root_dir="${hydra:runtime.output_dir}",
    accelerator="cpu",
    max_steps=100,
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    zen_partial=True,
)
Config = make_config(
    seed=1,
    model=builds(SelfDistillation, populate_full_signature=True),
    trainer=TrainerConfig,
    callbacks={"timer": builds(Timer)},
)
store(Config, name="train_zen")
store(
    builds(GramMatrixCallback, feature_key="student_cls_token", populate_full_signature=True),
    group="callbacks",
    name="own_gram",
    package="callbacks.own_gram",
)


def train(seed, model, trainer, callbacks) -> None:
    pl.seed_everything(seed)
    fitted = trainer(callbacks=list(callbacks.values()))
    fitted.fit(model)
    print("callbacks:", [type(callback).__name__ for callback in fitted.callbacks])


if __name__ == "__main__":
    store.add_to_hydra_store()
    zen(train).hydra_main(config_name="train_zen", version_base="1.3", config_path=None)
