"""`scripts/bench`: what it offers, and that each benchmark really measures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
BENCHMARKS = ("gather", "overhead", "render", "startup")
SPREAD = ("min", "p5", "median", "p95", "max")


def call(*arguments: str, root: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [root / "scripts" / "bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHON": sys.executable},
    )


def quick(name: str, directory: Path, *options: str) -> dict[str, Any]:
    """The JSON of a smoke run, checked for what all benchmarks have in common."""
    file = directory / "new" / f"{name}.json"
    script = ROOT / "scripts" / "benchmarks" / f"{name}.py"
    done = subprocess.run(
        [sys.executable, script, "--quick", "--json", file, *options],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [line.partition(":")[0] for line in done.stdout.splitlines()[:4]] == [
        "machine",
        "versions",
        "settings",
        "quick",
    ]
    found = json.loads(file.read_text())
    assert found["benchmark"] == name
    assert found["machine"]["cores"] >= 1
    assert {"python", "torch", "pytorch-lightning", "matplotlib", "wandb"} <= set(found["versions"])
    assert found["goals"]
    assert {g["verdict"] for g in found["goals"]} == {"no verdict from a quick run"}
    for spread in spreads(found["results"]):
        assert spread["n"] >= 1
        assert [spread[key] for key in SPREAD] == sorted(spread[key] for key in SPREAD)
    assert [path.name for path in directory.iterdir()] == ["new"]  # and leaves nothing else
    return dict(found["results"])


def spreads(value: Any) -> Iterator[dict[str, float]]:
    """Every median with its spread, however deep."""
    if isinstance(value, dict):
        if set(SPREAD) <= value.keys():
            yield value
        for inner in value.values():
            yield from spreads(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from spreads(inner)


@pytest.mark.parametrize("arguments", [(), ("--help",)], ids=["nothing", "help"])
def test_without_a_name_it_lists_the_benchmarks(arguments: tuple[str, ...]) -> None:
    done = call(*arguments)

    assert (done.returncode, done.stderr) == (0, "")
    usage, *lines = done.stdout.splitlines()
    assert usage.startswith("usage: scripts/bench NAME")
    assert tuple(line.split()[0] for line in lines) == BENCHMARKS
    assert all(line.endswith(".") and '"' not in line for line in lines)


@pytest.mark.parametrize("name", ["nothing", "_report", "../_setup", "--quick"])
def test_an_unknown_name_is_refused(name: str) -> None:
    done = call(name)

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

    done = call("render", "--n", "64, 128", root=root)

    assert (done.returncode, done.stderr) == (0, "")
    script = root / "scripts" / "benchmarks" / "render.py"
    assert done.stdout == f"setup test\n{root}|{script}|--n|64, 128|"


@pytest.mark.slow
def test_render(tmp_path: Path) -> None:
    results = quick("render", tmp_path)

    routes = {(row["n"], row["ranks"], row["route"]) for row in results["pictures"]}
    assert routes == {
        (n, ranks, route)
        for n in (64, 512)
        for ranks in (1, 8)
        for route in ("ours", "savefig", "wandb.Image")
    }
    assert all(row["png_bytes"]["min"] > 5_000 for row in results["pictures"])
    assert all(row["ratio"]["value"] > 1 for row in results["pictures"] if row["route"] != "ours")
    assert [row["n"] for row in results["helper"]] == [64, 512]


@pytest.mark.slow
@pytest.mark.distributed
def test_gather(tmp_path: Path) -> None:
    results = quick("gather", tmp_path, "--largest", "512")

    simulated = {(r["n"], r["dim"], r["world_size"]): r for r in results["simulated"]}
    assert max(world_size for *_, world_size in simulated) == 512
    for processes in (2, 4):
        for row in results[f"processes_{processes}"]:
            same = simulated[row["n"], row["dim"], processes]
            expected = same["root"] if row["way"] == "ours" else same["naive"]
            assert row["accounted"] == expected
            if row["tcp"] is not None:  # gloo's headers on top, and one barrier
                assert expected < row["tcp"] < expected + 1000 * processes
    for n, dim, _ in simulated:
        beyond = [r for r in results["simulated"] if r["n"] == n <= r["world_size"]]
        assert len({r["root"] for r in beyond if r["dim"] == dim}) == 1
        assert {r["outsider"] for r in beyond if r["world_size"] > n} == {0}


@pytest.mark.slow
@pytest.mark.distributed
def test_overhead(tmp_path: Path) -> None:
    results = quick("overhead", tmp_path, "--pairs", "1")

    cases = [(case["case"]["model"], case["case"]["logger"]) for case in results["events"]]
    assert cases == [(m, x) for m in ("stand-in", "vit") for x in ("none", "wandb")]
    for case in results["events"]:
        ours, reference = case["rows"]
        assert (ours["arm"], reference["arm"]) == ("ours", "reference")
        assert sum(ours["outcomes"].values()) >= ours["event_s"]["n"]
        assert 0 < case["ours_over_reference"]["value"] < 1
    runs = [(row["every"], row["run"]) for row in results["slowdown"]]
    assert runs == [(e, run) for e in (1, 10) for run in ("ours", "reference", "again")]
    added = {(row["rank"], row["run"]): row for row in results["resources"]}
    assert added.keys() == {(r, run) for r in (0, 1) for run in ("idle", "ours", "reference")}
    assert added[0, "ours"]["helpers_cpu_s"]["value"] > 0
    assert added[1, "ours"]["helpers_cpu_s"]["value"] == 0


@pytest.mark.slow
def test_startup(tmp_path: Path) -> None:
    results = quick("startup", tmp_path)

    starts = {row["arm"]: row for row in results["starts"]}
    assert {arm: row["against"] for arm, row in starts.items()} == {
        "without": None,
        "again": "without",
        "with": "without",
        "preset used": "with",
        "gramscope presets": None,
    }
    assert all(row["wall_s"]["n"] == 2 for row in starts.values())
    assert {"low", "value", "high"} <= starts["with"]["added_s"].keys()
    assert "gramscope" in results["imported"]
    assert not {"torch", "numpy", "pytorch_lightning"} & set(results["imported"])
    assert 0 < results["import_s"]["min"] < starts["with"]["wall_s"]["max"]
    parts = [part["name"] for part in results["parts"]]
    assert {
        "gramscope",
        "gramscope.config.callbacks",
        "gramscope.config.presets",
        "filling the store",
    } <= set(parts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        ("import torch.nn", "the plugin imports torch."),
        ("try: import torch\nexcept ImportError: pass", "the plugin imports torch."),
        ("", "a start failed.\n"),
    ],
    ids=["torch", "whatever is there", "no presets"],
)
def test_startup_fails_where_the_plugin_does(plugin: str, said: str, tmp_path: Path) -> None:
    wheel = tmp_path / "bad.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("hydra_plugins/hydra_gramscope/__init__.py", plugin)

    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "benchmarks" / "startup.py", "--wheel", wheel],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )

    assert done.returncode == 1
    assert f"scripts/bench startup: {said}" in done.stderr
    assert list(tmp_path.iterdir()) == [wheel]
