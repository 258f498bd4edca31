"""The fixture `run`: command lines in a fresh copy of one of the applications."""

import pytest

from tests.commands import Commands, Done, Run
from tests.foreign.planning import APPLICATIONS


@pytest.fixture
def run(commands: Commands) -> Run:
    """Run command lines, unless another test has; an application without a name is empty."""

    def run(application: str, *texts: str, **options: int) -> Done:
        return commands.run(APPLICATIONS / application if application else None, *texts, **options)

    return run
