"""From a composed config to callbacks."""

import subprocess
import sys
from typing import Any

import pytest
from omegaconf import OmegaConf

from gramscope import instantiate_callbacks
from gramscope.config.instantiate import ConfigError

GRAM = {
    "_target_": "gramscope.callbacks.GramMatrixCallback",
    "log_every_n_steps": 5,
    "feature_key": "student_cls_token",
    "max_samples": 9,
}
BAR = {"_target_": "gramscope.callbacks.MonitorProgressBar"}


@pytest.mark.parametrize("convert", [OmegaConf.create, lambda c: c], ids=["omegaconf", "plain"])
@pytest.mark.parametrize(
    "cfg",
    [
        {"gram": GRAM, "bar": BAR},
        [GRAM, BAR],
        {"watch": {"gram": GRAM}, "show": [BAR]},
        [[GRAM], None, {"bar": BAR}],
        {"gram": GRAM, "off": None, "bar": BAR, "none": {}},
    ],
    ids=["dict", "list", "nested dict", "nested list", "null entries"],
)
def test_every_container_gives_its_callbacks_in_order(cfg: Any, convert: Any) -> None:
    from gramscope.callbacks import GramMatrixCallback, MonitorProgressBar

    gram, bar = instantiate_callbacks(convert(cfg))

    assert isinstance(gram, GramMatrixCallback)
    assert isinstance(bar, MonitorProgressBar)
    assert (gram.log_every_n_steps, gram.feature_key) == (5, "student_cls_token")


@pytest.mark.parametrize("cfg", [None, {}, [], OmegaConf.create({}), OmegaConf.create([])])
def test_nothing_gives_nothing(cfg: Any) -> None:
    assert instantiate_callbacks(cfg) == []


@pytest.mark.parametrize(
    ("cfg", "said"),
    [
        ("gram_teacher", ["`callbacks`", "`+callbacks=gram_teacher`", "pip install"]),
        (["gram_student"], ["`callbacks.0`", "`+callbacks=gram_student`", "pip install"]),
        ({"gram": "gram_global"}, ["`callbacks.gram`", "`- /callbacks/gram_global`"]),
        ("gram_techer", ["'gram_techer'", "`+callbacks=gram_teacher`"]),
        ({"gram_student": {"max_samples": 3}}, ["`callbacks.gram_student`", "no `_target_`"]),
        ({"a": 3}, ["`callbacks.a`", "got 3"]),
        ({"a": {"_target_": None}}, ["`callbacks.a`", "`_target_`"]),
    ],
)
def test_what_is_no_callback_is_refused_saying_what_to_write(cfg: Any, said: list[str]) -> None:
    with pytest.raises(ConfigError) as caught:
        instantiate_callbacks(OmegaConf.create({"callbacks": cfg}).callbacks)

    assert [part for part in said if part not in str(caught.value)] == []


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("log_every_n_steps", 0),
        ("log_every_n_steps", -10),
        ("max_samples", 0),
        ("max_pending", 0),
        ("save_limit_mb", 0.0),
        ("timeout_s", -1.0),
        ("feature_key", ""),
    ],
)
def test_a_refused_value_is_named_with_its_key(parameter: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        instantiate_callbacks({"gram": {**GRAM, parameter: value}})

    message = str(caught.value)
    assert "`callbacks.gram`" in message
    assert parameter in message
    assert repr(value) in message


def test_two_gram_callbacks_of_one_feature_and_key_are_refused_saying_what_to_write() -> None:
    with pytest.raises(ConfigError) as caught:
        instantiate_callbacks({"gram": GRAM, "bar": BAR, "again": GRAM})

    message = str(caught.value)
    for part in ("`callbacks.gram`", "`callbacks.again`", "`callbacks.again.name=…`"):
        assert part in message


@pytest.mark.parametrize(
    "other", [{"log_key": "late"}, {"name": "late"}, {"feature_key": "teacher_cls_token"}]
)
def test_another_key_or_feature_is_enough_to_tell_them_apart(other: dict[str, str]) -> None:
    assert len(instantiate_callbacks([GRAM, {**GRAM, **other}])) == 2


def test_an_unknown_argument_is_named() -> None:
    with pytest.raises(ConfigError, match="max_sampels"):
        instantiate_callbacks([{**GRAM, "max_sampels": 3}])


def test_the_package_and_the_plugin_import_no_torch() -> None:
    """Every Hydra application on the machine pays for what they import."""
    code = (
        "import sys, gramscope, gramscope.cli, hydra_plugins.hydra_gramscope;"
        "from hydra.core.plugins import Plugins; Plugins.instance();"
        "sys.exit(sorted({'torch', 'pytorch_lightning', 'lightning', 'numpy'} & set(sys.modules))"
        " or 0)"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_an_unknown_name_of_the_package_is_an_attribute_error() -> None:
    import gramscope

    with pytest.raises(AttributeError, match="instantiate_callback'"):
        gramscope.instantiate_callback  # noqa: B018
