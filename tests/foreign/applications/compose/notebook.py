# %% A notebook, exported as a script
import hydra
from hydra.utils import instantiate

with hydra.initialize(version_base="1.3", config_path="conf"):
    cfg = hydra.compose(
        "config", overrides=["+callbacks=[gram_teacher,gram_student]", "model.lr=0.02"]
    )

# %%
callbacks = list(instantiate(cfg.callbacks).values())
trainer = instantiate(cfg.trainer, callbacks=callbacks)

# %%
trainer.fit(instantiate(cfg.model))
print("callbacks:", [type(callback).__name__ for callback in trainer.callbacks])
