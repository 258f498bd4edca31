"""An application in whose environment we are installed composes what it composed before."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra import compose
from hydra.core.config_store import ConfigStore
from omegaconf import OmegaConf

from tests.composing import application


def outcome(directory: Path, override: str) -> str:
    """What an application becomes, or how Hydra refuses."""
    with application(directory):
        try:
            return OmegaConf.to_yaml(compose("app", [override]))
        except Exception as error:
            return f"{type(error).__name__}: {error} {error.__cause__}"


def test_a_name_that_an_application_has_stored_is_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    repo = dict(ConfigStore.instance().repo)
    monkeypatch.setattr(ConfigStore.instance(), "repo", repo)
    (tmp_path / "app.yaml").write_text("lr: 0.1")
    outcome(tmp_path, "+callbacks=gram_teacher")
    ConfigStore.instance().store("gram", {"gram": {"_target_": "some.Gram"}}, "callbacks")

    assert "some.Gram" in outcome(tmp_path, "+callbacks=gram")
    assert caplog.text.count("preset 'callbacks/gram' of hydra-gramscope is hidden by") == 1
    assert "GramMatrixCallback" in outcome(tmp_path, "+callbacks=gram_teacher")


def test_off_means_that_there_is_no_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAMSCOPE", "off")
    (tmp_path / "app.yaml").write_text("lr: 0.1")

    assert outcome(tmp_path, "+callbacks=gram_teacher") == "lr: 0.1\ncallbacks: gram_teacher\n"
    assert "Could not override" in outcome(tmp_path, "gram/samples=small")


@pytest.mark.parametrize("how", ["pickle", "torch", "cloudpickle", "yaml"])
def test_a_config_with_presets_is_read_where_we_are_not(tmp_path: Path, how: str) -> None:
    (tmp_path / "app.yaml").write_text("model: {width: 3}")
    with application(tmp_path):
        overrides = ["+callbacks=[gram,monitor_progress_bar]", "+gramscope@here=teacher"]
        cfg = compose("app", overrides)
    file = tmp_path / "saved"
    writers: dict[str, Any] = {
        "pickle": "import pickle; data = pickle.dumps(cfg.model)",
        "torch": "import io, torch; torch.save(cfg.model, b := io.BytesIO()); data = b.getvalue()",
        "cloudpickle": "import cloudpickle; data = cloudpickle.dumps(cfg)",
        "yaml": "import yaml; data = yaml.safe_dump(OmegaConf.to_container(cfg)).encode()",
    }
    scope: dict[str, Any] = {"cfg": cfg, "OmegaConf": OmegaConf}
    exec(writers[how], scope)
    file.write_bytes(scope["data"])
    reader = {
        "torch": "import torch; cfg = torch.load(f, weights_only=False)._get_root()",
        "yaml": "import omegaconf; cfg = omegaconf.OmegaConf.load(f)",
    }.get(how, "import pickle; cfg = pickle.load(f)._get_root()")
    program = (
        "import sys; sys.modules['gramscope'] = None\n"
        f"f = open({str(file)!r}, 'rb'); {reader}\n"
        "print(cfg.callbacks.gram.capture, cfg.here.max_samples, type(cfg.callbacks.gram).__name__)"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ}
    )

    assert done.stdout == "auto 128 DictConfig\n", done.stderr
