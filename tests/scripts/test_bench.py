"""`scripts/bench`: what it offers, what it says of goals, and that each benchmark measures."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.browser import needs_browser

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "scripts" / "benchmarks"
SPREAD = ("min", "p5", "median", "p95", "max")


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(BENCHMARKS)
    import _report

    return _report


def call(*command: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHON": sys.executable, "PYTHONPATH": str(ROOT)}
    options = {"timeout": 600, "env": environment, **options}
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def quick(name: str, directory: Path, *options: str) -> dict[str, Any]:
    """The results of a smoke run, checked for what all benchmarks have in common."""
    file = directory / "new" / f"{name}.json"
    script = BENCHMARKS / f"{name}.py"
    done = call(sys.executable, script, "--quick", "--json", file, *options, cwd=directory)
    assert (done.returncode, done.stderr) == (0, "")
    heads = [line.partition(":")[0] for line in done.stdout.splitlines()[:5]]
    assert heads == ["machine", "versions", "settings", "reading", "quick"]
    found = json.loads(file.read_text())
    assert found["benchmark"] == name
    assert found["machine"]["cores"] >= 1
    assert {"python", "torch", "pytorch-lightning", "matplotlib", "wandb"} <= set(found["versions"])
    assert {goal["verdict"] for goal in found["goals"]} <= {"no verdict from a quick run"}
    values = [x for rows in found["results"].values() for row in rows for x in row.values()]
    spreads = [[x[key] for key in SPREAD] for x in values if isinstance(x, dict) and "p5" in x]
    assert all(spread == sorted(spread) for spread in spreads)
    assert [path.name for path in directory.iterdir()] == ["new"]  # and leaves nothing else
    return dict(found["results"])


def test_without_a_name_it_lists_the_benchmarks() -> None:
    done = call(ROOT / "scripts" / "bench")

    assert (done.returncode, done.stderr) == (0, "")
    usage, *lines = done.stdout.splitlines()
    assert usage.startswith("usage: scripts/bench NAME")
    names = [
        "diagnosis",
        "digits",
        "faults",
        "gather",
        "overhead",
        "pages",
        "render",
        "samples",
        "startup",
    ]
    assert [line.split()[0] for line in lines] == names
    assert all(line.endswith(".") and '"' not in line for line in lines)


@pytest.mark.parametrize("name", ["nothing", "_report", "../_setup", "--quick"])
def test_an_unknown_name_is_refused(name: str) -> None:
    done = call(ROOT / "scripts" / "bench", name)

    assert done.returncode == 2
    assert done.stderr.startswith(f"gramscope: there is no benchmark '{name}'.\nusage: ")


def test_it_sets_up_and_passes_its_options_on(tmp_path: Path) -> None:
    root = tmp_path / "a checkout"
    shutil.copytree(ROOT / "scripts", root / "scripts")
    (root / "scripts" / "_setup.py").write_text("import sys; print('setup', *sys.argv[1:])\n")
    python = root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/usr/bin/env bash\nprintf "%s|" "${PYTHONPATH%%:*}" "$@"\n')
    python.chmod(0o755)

    done = call(root / "scripts" / "bench", "render", "--n", "64, 128")

    assert (done.returncode, done.stderr) == (0, "")
    script = root / "scripts" / "benchmarks" / "render.py"
    assert done.stdout == f"setup test\n{root}|{script}|--n|64, 128|"


UNLIKELY = "open: better than possible, so too few repeats or too much disturbance"


@pytest.mark.parametrize(
    ("indistinct", "limit", "interval", "verdict"),
    [
        (False, 2, (1, 0.5, 2, 5), "reached"),
        (False, 1.5, (1, 0.5, 2, 5), "open: the goal lies within the interval"),
        (False, 2, (3, 2.5, 4, 5), "missed by 1 %, 1.5 times the goal"),
        (False, 2, (1, 1, 1, 1), "no verdict from a single repeat"),
        (False, 2, (1, 1, 1, 0), "reached"),  # counted
        (True, 0, (1, -1, 2, 5), "reached; more than 2 % is ruled out"),
        (True, 0, (-1, -2, -0.5, 5), UNLIKELY),
        (True, 0, (1, 0.5, 2, 5), "missed by 1 %"),
    ],
)
def test_a_verdict_rests_on_the_whole_interval(
    indistinct: bool, limit: float, interval: tuple[float, ...], verdict: str, report: ModuleType
) -> None:
    goal = report.Goal("", limit, report.Estimate(*interval), "%", indistinct)

    assert goal.verdict() == verdict


def test_a_busy_machine_makes_what_was_measured_doubtful(
    report: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "Load", lambda: SimpleNamespace(others=lambda: 0.5))
    file = tmp_path / "bench.json"
    printed = report.Report("bench", "", argparse.Namespace(json=file, quick=False))
    for rounds in (0, 5):
        printed.goal(report.Goal("", 2, report.Estimate(1, 1, 1, rounds)))
    printed.finish()

    counted, measured = (goal["verdict"] for goal in json.loads(file.read_text())["goals"])
    assert counted == "reached"
    assert measured.startswith("reached; doubtful, because other processes kept 0.50 cores busy")


def test_intervals_come_from_whole_rounds(report: ModuleType) -> None:
    estimate = sys.modules["_stats"].estimate

    alike = estimate([[0.0] * 50, [1.0] * 50], np.mean)

    assert alike == report.Estimate(0.5, 0, 1, 2)
    assert estimate([7.0]) == report.Estimate(7, 7, 7, 1)


@pytest.mark.slow
def test_render(tmp_path: Path) -> None:
    results = quick("render", tmp_path, "--n", "64")

    routes = {(row["ranks"], row["route"]): row for row in results["pictures"]}
    assert routes.keys() == {(r, x) for r in (1, 8) for x in ("ours", "savefig", "wandb.Image")}
    assert all(row["PNG_kB"]["min"] > 5 for row in routes.values())
    assert all(row["over_ours"]["value"] > 1 for (_, x), row in routes.items() if x != "ours")
    assert [row["N"] for row in results["helper"]] == [64]


@pytest.mark.slow
@pytest.mark.distributed
def test_gather(tmp_path: Path) -> None:
    results = quick("gather", tmp_path, "--processes", "4")

    simulated = {(row["N_x_D"], row["ranks"]): row for row in results["simulated"]}
    assert max(ranks for _, ranks in simulated) == 512
    for row in results["measured"]:
        same = simulated[row["N_x_D"], 4]
        expected = same["rank_0"] if row["way"] == "ours" else same["naive"]
        assert row["accounted"] == expected
        assert expected < row["TCP"] < expected + 4000  # gloo's headers on top, and one barrier
    for size, n in (("16x24", 16), ("128x768", 128)):
        beyond = [row for (x, ranks), row in simulated.items() if x == size and ranks >= n]
        assert len({row["rank_0"] for row in beyond}) == 1
        assert {row["no_member"] for row in beyond if row["ranks"] > n} == {0}


@pytest.mark.slow
@pytest.mark.distributed
def test_faults(tmp_path: Path) -> None:
    results = quick("faults", tmp_path, "--steps", "60", "--only-fit", "26")

    (totals,) = results["totals"]
    assert (totals["fits"], totals["unaccounted"], totals["amiss"]) == (1, 0, 0)
    assert 15 <= totals["steps"] <= 60
    assert sum(row["strikes"] for row in results["faults"]) > 1
    assert [row["rank"] for row in results["resources"]] == ["0", "1"]


@pytest.mark.slow
@pytest.mark.distributed
def test_overhead(tmp_path: Path) -> None:
    results = quick("overhead", tmp_path)

    sizes = ("128x768", "3D ViT, 128x768")
    cases = [f"{size}, {logger}" for size in sizes for logger in ("no logger", "W&B offline")]
    events = [(row["case"], row["callback"]) for row in results["events"]]
    assert events == [(case, x) for case in cases for x in ("ours", "reference")]
    for row in results["events"]:
        if row["callback"] == "reference":
            assert row["over_ours"]["value"] > 1
        else:
            assert int(row["events"].removeprefix("logged ")) >= row["event_ms"]["n"]
    runs = [(row["every"], row["run"]) for row in results["slowdown"]]
    assert runs == [
        *((every, x) for every in (1, 10) for x in ("ours", "reference", "again")),
        *((2, x) for x in ("numbers", "again")),
    ]
    helpers_cpu_s = {row["rank"]: row["helpers_CPU_s"]["value"] for row in results["resources"]}
    assert helpers_cpu_s["rank 0"] > helpers_cpu_s["other ranks"] == 0


@pytest.mark.slow
def test_samples(tmp_path: Path) -> None:
    results = quick("samples", tmp_path)

    lines = {(row["features"], row["number"]): row for row in results["samples"]}
    assert len(lines) == 3 * 15
    few, more = (lines["white noise", "effective_rank"][f"N = {n}"] for n in (8, 16))
    assert few < 7 < more < 15  # at most N - 1, whatever the features
    assert [(row["N"], row["views_known"]["n"]) for row in results["cost"]] == [(16, 3)]


def test_diagnosis(tmp_path: Path) -> None:
    results = quick("diagnosis", tmp_path)

    ours = results["kept_watchers"][0]
    assert ours["watcher"] == "diagnosis"
    assert sum(row["runs"] for row in results["kept_faults"]) >= 280
    assert sum(row["runs"] for row in results["kept_faults"] if row["fault"] == "healthy") >= 100


@pytest.mark.slow
def test_digits(tmp_path: Path) -> None:
    results = quick("digits", tmp_path)

    collapse, views = ({row["run"]: row for row in results[key]} for key in ("collapse", "views"))
    assert list(collapse) == list(views)[:7]
    spreads = [row["head spread"]["by_step"] for row in collapse.values()]
    assert len({begin for ((begin,), _) in spreads}) == 1  # all begin alike
    assert len({after for (_, (after,)) in spreads}) == 7  # and each learns by something else
    correlations = {name: row["view_correlation"]["by_step"] for name, row in views.items()}
    assert correlations.pop("SimCLR, views the same") == [[pytest.approx(1.0)]] * 2
    assert all(0 < seed < 0.5 for steps in correlations.values() for (seed,) in steps)


@pytest.mark.slow
@needs_browser
def test_pages(tmp_path: Path) -> None:
    results = quick("pages", tmp_path)

    pages = {(row["features"], row["events"]): row for row in results["pages"]}
    assert list(pages) == [(1, 1), (1, 3), (2, 1), (2, 3)]
    assert 0 < pages[1, 1]["MB"] < pages[1, 3]["MB"] < pages[2, 3]["MB"]
    assert 0 < pages[1, 1]["plain MB"] < pages[1, 3]["plain MB"]
    assert pages[1, 3]["step ms"]["n"] == 2


@pytest.mark.slow
def test_startup(tmp_path: Path) -> None:
    results = quick("startup", tmp_path)

    starts = {row["start"]: row for row in results["starts"]}
    assert list(starts) == ["without", "again", "with", "preset used", "gramscope presets"]
    assert [row["against"] for row in starts.values()] == ["", "without", "without", "with", ""]
    assert all(row["wall_ms"]["n"] == 2 for row in starts.values())
    assert 0 < starts["with"]["import_ms"]["min"] < starts["with"]["wall_ms"]["max"]
    assert starts["without"]["import_ms"] is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("import torch.nn", "the plugin imports torch."),
        ("try: import torch\nexcept ImportError: pass", "the plugin imports torch."),
        ("", "a process failed:"),
    ],
    ids=["torch", "whatever is there", "no presets"],
)
def test_startup_fails_where_the_plugin_does(plugin: str, said: str, tmp_path: Path) -> None:
    wheel = tmp_path / "bad.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("hydra_plugins/hydra_gramscope/__init__.py", plugin)

    done = call(sys.executable, BENCHMARKS / "startup.py", "--wheel", wheel, cwd=tmp_path)

    assert done.returncode == 1
    assert f"scripts/bench startup: {said}" in done.stderr
    assert list(tmp_path.iterdir()) == [wheel]
