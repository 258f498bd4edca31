"""Applications of others, trained with what `pip install` and one override give them."""

import pytest
import yaml

from tests.commands import Done, Run
from tests.foreign.planning import APPLICATIONS, ROOT

README = ROOT / "README.md"


class TestSideBySide:
    """Two presets in an application with callbacks of its own, options and values overridden."""

    @pytest.fixture
    def done(self, run: Run) -> Done:
        """What becomes of it."""
        return run(
            "minimal",
            "python train.py '+callbacks=[gram_teacher,gram_student]'"
            " gram/samples@callbacks.gram_student=small"
            " callbacks.gram_teacher.log_every_n_steps='${trainer.log_every_n_steps}'",
        )

    def test_each_logs_at_its_own_steps_with_its_own_rows(self, done: Done) -> None:
        assert done.output
        # 40 rows a batch for the teacher, 80 for the student.
        assert done.logged() == [
            ("student_cls_token", 100, 32),
            ("teacher_cls_token", 50, 40),
            ("teacher_cls_token", 100, 40),
        ]

    def test_pictures_lie_below_the_output_directory_of_hydra(self, done: Done) -> None:
        (output_dir,) = done.directory.glob("outputs/*/*")

        assert sorted(path.name for path in output_dir.glob("gram/*/*.png")) == [
            "step_00000050.png",
            "step_00000100.png",
            "step_00000100.png",
        ]

    def test_the_callbacks_of_the_application_are_still_there(self, done: Done) -> None:
        assert "callbacks: ['EarlyStopping', 'Timer', 'GramMatrixCallback', 'Gram" in done.output

    def test_each_sums_up(self, done: Done) -> None:
        assert "summary: teacher_cls_token: 2 logged, 0 skipped" in done.output
        assert "summary: student_cls_token: 1 logged, 0 skipped" in done.output


def test_null_switches_off_tilde_removes_and_colorlog_colours(run: Run) -> None:
    done = run(
        "minimal",
        "python train.py '+callbacks=[gram,gram_teacher,gram_student]'"
        " callbacks.gram=null '~callbacks.gram_student'"
        " hydra/job_logging=colorlog hydra/hydra_logging=colorlog",
    )

    assert "['EarlyStopping', 'Timer', 'GramMatrixCallback']" in done.output
    assert done.logged() == [("teacher_cls_token", 100, 40)]
    assert "[\x1b[34mgramscope.callbacks." in done.output


def test_an_experiment_adds_a_preset_with_one_line(run: Run) -> None:
    done = run("minimal", "python train.py experiment=watched")

    assert "['EarlyStopping', 'Timer', 'GramMatrixCallback']" in done.output
    assert done.logged() == [("teacher_cls_token", 100, 16)]


def test_the_template_instantiates_a_preset_itself(run: Run) -> None:
    """Its trainer is one of lightning.pytorch, its LightningModule returns the features."""
    done = run("template", "python src/train.py 'callbacks=[default,gram_teacher]'")

    assert "callbacks: ['EarlyStopping', 'RichModelSummary', 'GramMatrixCallback']" in done.output
    assert done.logged("logs/train/runs") == [("teacher_cls_token", 100, 24)]
    assert list(done.directory.glob("logs/train/runs/*/csv/version_0/metrics.csv"))


def test_the_template_searches_with_an_experiment_that_overrides_the_group(run: Run) -> None:
    done = run("template", "python src/train.py -m hparams_search=random_optuna experiment=watched")
    (sweep,) = done.directory.glob("logs/train/multiruns/*")

    assert done.output.count("callbacks: ['EarlyStopping', 'RichModelSummary', 'Gram") == 2
    for job in ("0", "1"):
        assert done.logged(f"{sweep}/{job}") == [
            ("student_cls_token", 100, 16),
            ("teacher_cls_token", 100, 24),
        ]
    assert yaml.safe_load((sweep / "optimization_results.yaml").read_text())["name"] == "optuna"


def test_the_compose_api(run: Run) -> None:
    done = run("compose", "python notebook.py")

    assert "callbacks: ['Timer', 'GramMatrixCallback', 'GramMatrixCallback']" in done.output
    assert done.logged("run") == [
        ("student_cls_token", 100, 80),
        ("teacher_cls_token", 100, 40),
    ]


def test_lightning_cli_with_the_yaml_of_the_readme(run: Run) -> None:
    done = run("cli", "python train_cli.py fit --config gram.yaml")

    assert "callbacks: ['GramMatrixCallback', 'SaveConfigCallback'" in done.output
    assert done.logged() == [("embedding", 100, 20)]
    assert (APPLICATIONS / "cli" / "gram.yaml").read_text() in README.read_text()


def test_hydra_zen_with_a_preset_and_with_a_config_of_its_own_making(run: Run) -> None:
    done = run(
        "zen",
        "python train_zen.py '+callbacks=[gram_teacher,own_gram]'"
        " callbacks.own_gram.max_samples=10",
    )

    assert "callbacks: ['Timer', 'GramMatrixCallback', 'GramMatrixCallback']" in done.output
    assert done.logged() == [("student_cls_token", 100, 10), ("teacher_cls_token", 100, 40)]


def test_callbacks_in_a_list_with_named_and_nested_entries(run: Run) -> None:
    done = run("list", "python train_list.py")

    assert (
        "callbacks: ['Timer', 'GramMatrixCallback', 'GramMatrixCallback', 'EarlyStopping']"
        in done.output
    )
    assert done.logged() == [("student_cls_token", 100, 80), ("teacher_cls_token", 100, 40)]


class TestWhoeverMakesTheCallbacks:
    """What was asked for is in the Trainer, though the application never reads it."""

    def test_in_code(self, run: Run) -> None:
        done = run("code", "python train_code.py +callbacks=gram_teacher")

        assert "callbacks: ['Timer', 'GramMatrixCallback']" in done.output
        assert "gramscope: callbacks.gram_teacher asks for feature_key='teacher_cls_token'" in (
            done.output
        )
        assert done.logged() == [("teacher_cls_token", 100, 40)]

    def test_unasked_there_is_none(self, run: Run) -> None:
        done = run("code", "python train_code.py")

        assert "callbacks: ['Timer']" in done.output
        assert "gram" not in done.output

    def test_where_the_callbacks_are_a_list(self, run: Run) -> None:
        done = run("list", "python train_list.py +gramscope@watch=teacher_backbone")

        assert done.output.count("GramMatrixCallback'") == 3
        assert ("teacher_cls_token_backbone", 100, 40) in done.logged()

    def test_in_the_template_once(self, run: Run) -> None:
        done = run("template", "python src/train.py '+callbacks@_global_=gram_teacher'")

        assert "['EarlyStopping', 'RichModelSummary', 'GramMatrixCallback']" in done.output
        assert "asks for" not in done.output
        assert "Adding" not in done.output

    def test_in_each_job_of_a_sweep(self, run: Run) -> None:
        done = run("code", "python train_code.py -m +callbacks=gram_teacher,gram_student")

        assert done.output.count("callbacks: ['Timer', 'GramMatrixCallback']") == 2

    def test_without_hydra(self, run: Run) -> None:
        done = run("plain", "GRAMSCOPE='gram_teacher max_samples=9' python train_plain.py")

        assert "callbacks: ['GramMatrixCallback']" in done.output
        assert done.logged() == [("teacher_cls_token", 100, 9)]


class TestOnlyComposing:
    """An application that never trains, and has the packages `conf`, `project` and `tests`."""

    @pytest.fixture
    def done(self, run: Run) -> Done:
        """What becomes of it."""
        return run(
            "packaged",
            "python show.py '+callbacks=[gram_teacher,gram]' gram/feature=student_backbone"
            " gram/samples=large gram/frequency=every_step"
            " gram/frequency@callbacks.gram_teacher=rare",
        )

    def test_it_pays_for_no_torch(self, done: Done) -> None:
        assert "imported: []" in done.output

    def test_its_packages_stay_its_own(self, done: Done) -> None:
        ours = "['The configs, as a package.', 'The application.', 'Tests of its own.']"
        assert ours in done.output

    def test_a_bare_start_says_nothing_of_ours(self, run: Run) -> None:
        done = run("packaged", "python show.py")

        assert "gram" not in done.output.lower()
        assert done.result.stderr == ""

    def test_presets_become_callbacks(self, run: Run) -> None:
        done = run("packaged", "python show.py '+callbacks=[gram_teacher,gram_student]' make=true")

        made = done.output.partition("made:")[2]
        assert made.count("<gramscope.callbacks.") == 2

    def test_sub_groups_reach_the_preset_they_are_for(self, done: Done) -> None:
        callbacks = yaml.safe_load(done.output.partition("imported:")[0])["callbacks"]

        assert list(callbacks) == ["timer", "gram_teacher", "gram"]
        parameters = ("feature_key", "max_samples", "log_every_n_steps")
        assert [[callbacks[preset][p] for p in parameters] for preset in list(callbacks)[1:]] == [
            ["teacher_cls_token", 128, 1000],
            ["student_cls_token_backbone", 512, 1],
        ]


def test_an_experiment_adds_where_the_defaults_select_the_group(run: Run) -> None:
    done = run("template", "python src/train.py experiment=added --cfg job --package callbacks")

    assert list(yaml.safe_load(done.output)) == ["early_stopping", "model_summary", "gram_teacher"]
