"""Applications of others, trained with what `pip install` and one override give them."""

import pytest
import yaml

from tests.foreign.running import Done, after, run

pytestmark = pytest.mark.slow


@after(
    run(
        "minimal",
        "python train.py '+callbacks=[gram_teacher,gram_student]'"
        " gram/samples@callbacks.gram_student=small"
        " callbacks.gram_teacher.log_every_n_steps='${trainer.log_every_n_steps}'",
    )
)
class TestSideBySide:
    """Two presets in an application with callbacks of its own, options and values overridden."""

    def test_each_logs_at_its_own_steps_with_its_own_rows(self, done: Done) -> None:
        assert done.output
        # 40 rows a batch for the teacher, 80 for the student.
        assert done.logged() == [
            ("student_cls_token", 100, 32),
            ("teacher_cls_token", 50, 40),
            ("teacher_cls_token", 100, 40),
        ]

    def test_pictures_lie_below_the_output_directory_of_hydra(self, done: Done) -> None:
        (output_dir,) = done.directory.glob("minimal/outputs/*/*")

        assert sorted(path.name for path in output_dir.glob("gram/*/*.png")) == [
            "step_00000050.png",
            "step_00000100.png",
            "step_00000100.png",
        ]

    def test_the_callbacks_of_the_application_are_still_there(self, done: Done) -> None:
        assert (
            "callbacks: ['EarlyStopping', 'Timer', 'GramMatrixCallback', 'GramMatrixCallback']"
            in done.output
        )

    def test_each_sums_up(self, done: Done) -> None:
        assert "summary: teacher_cls_token: 2 logged, 0 skipped" in done.output
        assert "summary: student_cls_token: 1 logged, 0 skipped" in done.output


@after(
    run(
        "minimal",
        "python train.py '+callbacks=[gram,gram_teacher,gram_student]'"
        " callbacks.gram=null '~callbacks.gram_student'"
        " hydra/job_logging=colorlog hydra/hydra_logging=colorlog",
    )
)
def test_null_switches_off_tilde_removes_and_colorlog_colours(done: Done) -> None:
    assert "['EarlyStopping', 'Timer', 'GramMatrixCallback']" in done.output
    assert done.logged() == [("teacher_cls_token", 100, 40)]
    assert "[\x1b[34mproject.callbacks.gram\x1b[0m]" in done.output


@after(run("minimal", "python train.py experiment=watched"))
def test_an_experiment_adds_a_preset_with_one_line(done: Done) -> None:
    assert "['EarlyStopping', 'Timer', 'GramMatrixCallback']" in done.output
    assert done.logged() == [("teacher_cls_token", 100, 16)]


@after(run("template", "python src/train.py 'callbacks=[default,gram_teacher]'"))
def test_the_template_instantiates_a_preset_itself(done: Done) -> None:
    """Its trainer is one of lightning.pytorch, its LightningModule returns the features."""
    assert "callbacks: ['EarlyStopping', 'RichModelSummary', 'GramMatrixCallback']" in done.output
    assert done.logged("template/logs/train/runs") == [("teacher_cls_token", 100, 24)]
    assert list(done.directory.glob("template/logs/train/runs/*/csv/version_0/metrics.csv"))


@after(run("template", "python src/train.py hparams_search=random_optuna experiment=watched"))
def test_the_template_searches_with_an_experiment_that_overrides_the_group(done: Done) -> None:
    (sweep,) = done.directory.glob("template/logs/train/multiruns/*")

    assert done.output.count("callbacks: ['EarlyStopping', 'RichModelSummary', 'Gram") == 2
    for job in ("0", "1"):
        assert done.logged(f"{sweep}/{job}") == [
            ("student_cls_token", 100, 16),
            ("teacher_cls_token", 100, 24),
        ]
    assert yaml.safe_load((sweep / "optimization_results.yaml").read_text())["name"] == "optuna"


@after(run("no_conf", "python app.py +callbacks=gram_teacher"))
def test_an_application_without_conf(done: Done) -> None:
    assert "callbacks: ['GramMatrixCallback', 'Timer']" in done.output
    assert done.logged("no_conf/outputs") == [("teacher_cls_token", 100, 40)]


@after(run("compose", "python notebook.py"))
def test_the_compose_api(done: Done) -> None:
    assert "callbacks: ['Timer', 'GramMatrixCallback', 'GramMatrixCallback']" in done.output
    assert done.logged("compose/run") == [
        ("student_cls_token", 100, 80),
        ("teacher_cls_token", 100, 40),
    ]


@after(
    run(
        "zen",
        "python train_zen.py '+callbacks=[gram_teacher,own_gram]'"
        " callbacks.own_gram.max_samples=10",
    )
)
def test_hydra_zen_with_a_preset_and_with_a_config_of_its_own_making(done: Done) -> None:
    assert "callbacks: ['Timer', 'GramMatrixCallback', 'GramMatrixCallback']" in done.output
    assert done.logged() == [("student_cls_token", 100, 10), ("teacher_cls_token", 100, 40)]


@after(run("list", "python train_list.py"))
def test_callbacks_in_a_list_with_named_and_nested_entries(done: Done) -> None:
    assert (
        "callbacks: ['Timer', 'GramMatrixCallback', 'GramMatrixCallback', 'EarlyStopping']"
        in done.output
    )
    assert done.logged() == [("student_cls_token", 100, 80), ("teacher_cls_token", 100, 40)]


@after(
    run(
        "packaged",
        "python show.py '+callbacks=[gram_teacher,gram]' gram/feature=student_backbone"
        " gram/samples=large gram/frequency=every_step"
        " gram/frequency@callbacks.gram_teacher=rare",
    )
)
class TestOnlyComposing:
    """An application that never trains, and whose own `conf` is a package."""

    def test_it_pays_for_no_torch(self, done: Done) -> None:
        assert "imported: []" in done.output

    def test_its_package_conf_stays_its_own(self, done: Done) -> None:
        assert "conf: A package of the application's own" in done.output

    def test_sub_groups_reach_the_preset_they_are_for(self, done: Done) -> None:
        callbacks = yaml.safe_load(done.output.partition("imported:")[0])["callbacks"]

        assert list(callbacks) == ["timer", "gram_teacher", "gram"]
        parameters = ("feature_key", "max_samples", "log_every_n_steps")
        assert [[callbacks[preset][p] for p in parameters] for preset in list(callbacks)[1:]] == [
            ["teacher_cls_token", 128, 1000],
            ["student_cls_token_backbone", 512, 1],
        ]


@after(run("template", "python src/train.py experiment=added --cfg job --package callbacks"))
def test_an_experiment_adds_where_the_defaults_select_the_group(done: Done) -> None:
    assert list(yaml.safe_load(done.output)) == ["early_stopping", "model_summary", "gram_teacher"]
