"""The fixture `done`: what became of the commands that a test is about."""

from collections.abc import Iterator

import pytest

from tests import installed
from tests.foreign.running import Done, Pool, Run


@pytest.fixture(scope="session")
def pool(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pool]:
    """A pool in which the commands of all tests of this session that want one have been started."""
    base = tmp_path_factory.getbasetemp()
    scripts = installed.environment(base, "wheel")
    variables = {
        **installed.variables(scripts),
        # For `pip install`.
        "CHECKOUT": str(installed.checkout(base)),
        "WHEELS": str(installed.wheel(base, "wheel").parent),
        "OMP_NUM_THREADS": "1",
        "WANDB_MODE": "offline",
        # Answers do not depend on the width of somebody's terminal.
        "COLUMNS": "200",
    }
    pool = Pool(tmp_path_factory.mktemp("foreign"), scripts, variables)
    for run in sorted(_wanted(request.session.items), key=lambda run: -run.cost):
        pool.start(run)

    yield pool

    pool.close()


def _wanted(items: list[pytest.Item]) -> Iterator[Run]:
    for item in items:
        wanted = item.callspec.params.get("done") if hasattr(item, "callspec") else None
        yield from filter(None, wanted if isinstance(wanted, tuple) else (wanted,))


@pytest.fixture
def done(request: pytest.FixtureRequest) -> Done | dict[Run, Done | None] | None:
    """What became of the test's run, or of each of its runs; see `tests.foreign.running.after`."""
    if isinstance(request.param, tuple):
        return {run: _done(request, run) for run in request.param}
    return _done(request, request.param)


def _done(request: pytest.FixtureRequest, run: Run | None) -> Done | None:
    if run is None:  # only checked, not run
        return None
    pool: Pool = request.getfixturevalue("pool")
    return pool.wait(run)
