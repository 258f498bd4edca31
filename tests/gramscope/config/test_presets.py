"""What the presets compose to, in an application that has nothing to do with ours."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import ConfigCompositionException, MissingConfigException
from omegaconf import OmegaConf

from gramscope.config.callbacks import GramMatrixConfig
from gramscope.config.presets import OF_OWN_FEATURES, PRESETS, SUB_GROUPS
from tests import composing

DEFAULTS = {**vars(GramMatrixConfig()), "panels": [], "stop_on": []}  # YAML has no tuples


@pytest.fixture(autouse=True)
def application(tmp_path: Path) -> Iterator[None]:
    """An application with callbacks, and an experiment, of its own."""
    (tmp_path / "app.yaml").write_text(
        "defaults: [callbacks/own, _self_, {experiment: null}]\ntrainer: {log_every_n_steps: 7}\n"
    )
    for group, name, text in [
        ("callbacks", "own", "early_stopping: {_target_: somewhere.EarlyStopping}"),
        (
            "experiment",
            "watched",
            "# @package _global_\n"
            "defaults: [/callbacks/gram_teacher, _self_]\n"
            "callbacks: {gram_teacher: {max_samples: 9}}\n",
        ),
    ]:
        (tmp_path / group).mkdir()
        (tmp_path / group / f"{name}.yaml").write_text(text)
    with composing.application(tmp_path):
        yield
    HydraConfig.instance().cfg = None


def callbacks(*overrides: str, directory: str | None = None) -> dict[str, Any]:
    """Compose, check that the application's own callback is there, and return the others.

    Args:
        overrides: As on the command line.
        directory: What a running application would have as its output directory.
    """
    composed = compose("app", overrides=list(overrides), return_hydra_config=True)
    if directory is not None:
        composed.hydra.runtime.output_dir = directory
        HydraConfig.instance().set_config(composed)
    config = OmegaConf.to_container(composed.callbacks, resolve=True)
    assert isinstance(config, dict)
    assert config.pop("early_stopping") == {"_target_": "somewhere.EarlyStopping"}
    return config


@pytest.mark.parametrize(
    ("preset", "feature_key"),
    [
        ("gram", "teacher_cls_token"),
        ("gram_teacher", "teacher_cls_token"),
        ("gram_student", "student_cls_token"),
        ("gram_global", "student_glob_cls_token"),
    ],
)
def test_a_preset_adds_one_node_with_the_defaults_of_the_contract(
    preset: str, feature_key: str
) -> None:
    assert callbacks(f"+callbacks={preset}") == {preset: {**DEFAULTS, "feature_key": feature_key}}


@pytest.mark.parametrize("preset", sorted(OF_OWN_FEATURES))
def test_a_preset_of_features_of_its_own_has_the_defaults_of_its_parameters(preset: str) -> None:
    config = OF_OWN_FEATURES[preset]
    values = {**vars(config()), "_target_": config._target_}

    composed = callbacks(f"+callbacks={preset}")[preset]

    assert composed == {k: [] if v == () else v for k, v in values.items()}


def test_fixed_samples_are_watched_as_often_as_asked_and_kept_where_asked() -> None:
    composed = callbacks(
        "+callbacks=[gram_probe,gram_patch]",
        "gram/frequency@callbacks.gram_probe=often",
        "gram/files@callbacks.gram_patch=run",
        "callbacks.gram_patch.patch=[3,4,5]",
        directory="out",
    )

    assert composed["gram_probe"]["log_every_n_steps"] == 10
    assert composed["gram_patch"]["save_dir"] == "out/gram"
    assert composed["gram_patch"]["patch"] == [3, 4, 5]


def test_several_presets_stand_side_by_side() -> None:
    composed = callbacks("+callbacks=[gram_teacher,gram_student]")

    assert {name: node["feature_key"] for name, node in composed.items()} == {
        "gram_teacher": "teacher_cls_token",
        "gram_student": "student_cls_token",
    }


def test_sub_groups_of_gram_need_no_package() -> None:
    composed = callbacks(
        "+callbacks=gram", "gram/feature=student", "gram/samples=small", "gram/frequency=often"
    )

    assert composed["gram"] == {
        **DEFAULTS,
        "feature_key": "student_cls_token",
        "max_samples": 32,
        "log_every_n_steps": 10,
    }


@pytest.mark.parametrize("preset", sorted(set(PRESETS) - {"gram"}))
@pytest.mark.parametrize(
    ("group", "option"), [(g, o) for g, sub in SUB_GROUPS.items() for o in sub.options]
)
def test_every_option_composes_into_every_preset(preset: str, group: str, option: str) -> None:
    parameter, options, _ = SUB_GROUPS[group]

    composed = callbacks(
        f"+callbacks={preset}", f"{group}@callbacks.{preset}={option}", directory="out"
    )

    # The application has no `gram_dir`.
    resolved = {("gram/files", "run"): "out/gram", ("gram/files", "default"): None}
    assert composed[preset][parameter] == resolved.get((group, option), options[option])


def test_an_application_says_once_where_all_presets_keep_their_files() -> None:
    composed = callbacks(
        "+callbacks=[gram,gram_student]", "+gram_dir=here", "gram/files@callbacks.gram_student=none"
    )

    assert [node["save_dir"] for node in composed.values()] == ["here", None]


def test_a_sub_group_is_overridden_for_one_of_several_presets() -> None:
    composed = callbacks(
        "+callbacks=[gram_teacher,gram_student]", "gram/samples@callbacks.gram_student=small"
    )

    assert [composed[name]["max_samples"] for name in ("gram_teacher", "gram_student")] == [128, 32]


def test_values_are_overridden_and_interpolated() -> None:
    composed = callbacks(
        "+callbacks=gram_teacher",
        "callbacks.gram_teacher.log_every_n_steps=${trainer.log_every_n_steps}",
        "callbacks.gram_teacher.capture=forward_hook",
        "callbacks.gram_teacher.module=model.head",
    )

    assert composed["gram_teacher"] == {
        **DEFAULTS,
        "log_every_n_steps": 7,
        "capture": "forward_hook",
        "module": "model.head",
    }


def test_null_switches_off_and_tilde_removes() -> None:
    assert callbacks("+callbacks=gram", "callbacks.gram=null") == {"gram": None}
    assert callbacks("+callbacks=gram", "~callbacks.gram") == {}


def test_an_experiment_adds_a_preset_with_one_line() -> None:
    composed = callbacks("experiment=watched")

    assert composed == {"gram_teacher": {**DEFAULTS, "max_samples": 9}}


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["+callbacks=gram_techer"], "gram_teacher"),
        (["+callbacks=gram", "gram/samples=tiny"], "small"),
    ],
    ids=["preset", "option"],
)
def test_a_misspelt_name_is_answered_with_the_names_there_are(
    overrides: list[str], said: str
) -> None:
    with pytest.raises(MissingConfigException, match=said):
        callbacks(*overrides)


@pytest.mark.parametrize(
    ("overrides", "instead"),
    [
        (["+callbacks=gram", "gram/samples=64"], "callbacks.gram.max_samples=64;"),
        (["gram/samples=64"], "callbacks.gram.max_samples=64;"),
        (["+callbacks=gram", "+gram/frequency=50"], "callbacks.gram.log_every_n_steps=50;"),
        (["+callbacks=gram", "gram/files=null"], "callbacks.gram.save_dir=null;"),
        (
            ["+callbacks=gram_teacher", "gram/samples@callbacks.gram_teacher=64"],
            "callbacks.gram_teacher.max_samples=64.",
        ),
        (["+gramscope@watch=teacher", "gram/samples@watch=6.5"], "watch.max_samples=6.5."),
    ],
)
def test_a_value_in_the_place_of_an_option_is_answered_with_its_parameter(
    overrides: list[str], instead: str
) -> None:
    said = rf"to be one of 'default', .* Another value is written {re.escape(instead)}"
    with pytest.raises(ConfigCompositionException, match=said):
        callbacks(*overrides)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("callbacks.gram.max_sample=3", "Key 'max_sample' is not in struct"),
        ("callbacks.gram.max_samples=many", "'many' .* could not be converted to Integer"),
        ("callbacks.gram.max_samples=null", "not Optional|Incompatible value 'None'"),
        (
            "callbacks.gram.capture=hook",
            "`capture` to be one of 'auto', 'outputs', 'forward_hook', 'extra_forward', "
            "but got 'hook'",
        ),
        ("callbacks.gram.max_samples=0", "`max_samples` to be at least 1, but got 0"),
        ("callbacks.gram.timeout_s=-1", "`timeout_s` to be a finite number of seconds above 0"),
        ("callbacks.gram.save_limit_mb=0", "`save_limit_mb` to be a finite number of megabytes"),
    ],
    ids=["unknown key", "wrong type", "null", "no such choice", "out of range", "no time", "no MB"],
)
def test_unknown_keys_and_wrong_values_fail_while_composing(override: str, said: str) -> None:
    with pytest.raises(ConfigCompositionException) as caught:
        callbacks("+callbacks=gram", override)

    # Hydra prints the cause below its own line.
    assert re.search(said, f"{caught.value}\n{caught.value.__cause__}")


@pytest.mark.parametrize(("written", "limit"), [("null", None), ("500", 500.0)])
def test_what_may_be_nothing_or_a_number(written: str, limit: float | None) -> None:
    composed = callbacks("+callbacks=gram", f"callbacks.gram.save_limit_mb={written}")

    assert composed["gram"]["save_limit_mb"] == limit


@pytest.mark.parametrize("feature", SUB_GROUPS["gram/feature"].options)
def test_the_flat_spelling_is_the_node_itself(feature: str) -> None:
    composed = callbacks(f"+gramscope={feature}", "callbacks.gramscope.max_samples=7")

    feature_key = SUB_GROUPS["gram/feature"].options[feature]
    assert composed["gramscope"] == {**DEFAULTS, "feature_key": feature_key, "max_samples": 7}


@pytest.mark.parametrize("override", ["max_samples=0", "max_samples=many", "max_sample=3"])
def test_the_flat_spelling_is_checked_alike(override: str) -> None:
    with pytest.raises(ConfigCompositionException):
        callbacks("+gramscope=teacher", f"callbacks.gramscope.{override}")


def test_the_flat_spelling_goes_anywhere_with_options_of_its_own() -> None:
    composed = compose(
        "app",
        [
            "+gramscope@trainer.callbacks.mon=student",
            "+gramscope@callbacks.a=teacher",
            "+gramscope@callbacks.b=teacher",
            "gram/samples@callbacks.b=small",
            "trainer.callbacks.mon.log_every_n_steps=3",
        ],
    )

    assert composed.trainer.callbacks.mon.feature_key == "student_cls_token"
    assert composed.trainer.callbacks.mon.log_every_n_steps == 3
    assert [composed.callbacks[name].max_samples for name in ("a", "b")] == [128, 32]
