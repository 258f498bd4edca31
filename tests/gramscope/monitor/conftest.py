"""What tests of a monitor may share, because it takes a second to start."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from gramscope.monitor import Engine
from gramscope.monitor.warn_once import WarnOnce


@pytest.fixture(scope="module")
def started_engine() -> Iterator[Engine]:
    """Stays when the monitors that use it have closed."""
    engine = Engine(16)
    engine.join()

    yield engine

    engine.leave(for_all=True)


@pytest.fixture
def engine(started_engine: Engine) -> Engine:
    """One that has warned of nothing yet."""
    started_engine.warn = WarnOnce()
    return started_engine
