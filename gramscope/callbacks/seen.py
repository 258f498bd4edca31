"""What a callback saw, as far as it outlives the fit."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from gramscope.callbacks.cost import Cost
from gramscope.config.names import Names
from gramscope.monitor.account import Account

__all__ = ["Seen"]


@dataclass
class Seen:
    """The account over all fits, and what belongs to the last."""

    names: Names
    account: Account = field(default_factory=Account)
    cost: Cost = field(default_factory=Cost)
    pictures: Path | None = None
    """Where pictures are kept."""
    stopped: str = ""
    """Name of the state that has ended the last fit; empty: none has."""

    def as_json(self) -> str:
        """For `from_json`."""
        return json.dumps(
            {
                "names": self.names,
                "account": self.account.state(),
                "latest": self.account.latest,
                "seconds": [*self.cost.seconds],
                "pictures": self.pictures and str(self.pictures),
                "stopped": self.stopped,
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Seen:
        """What `as_json` wrote down."""
        found = json.loads(text)
        pictures = found["pictures"] and Path(found["pictures"])
        seen = cls(Names(*found["names"]), cost=Cost(found["seconds"]), pictures=pictures)
        seen.stopped = found["stopped"]
        seen.account.load(found["account"])
        seen.account.latest = found["latest"]
        return seen
