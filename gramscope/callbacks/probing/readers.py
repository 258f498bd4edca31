"""From what a model returned of fixed samples to rows of an event."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from typing_extensions import override

from gramscope.callbacks.probing.tokens import Tokens, about_of, image_in, read_tokens
from gramscope.config.probes import GramPatchConfig
from gramscope.config.views import Views

__all__ = ["PatchReader", "Reader"]


class Reader:
    """A row of each sample, as the model returned it."""

    views: dict[str, Views | None] | None = None
    """By role, how rows belong to samples, once some have been read."""
    about: Any = None
    """What else is known of the rows, once they have been read."""

    def __init__(self) -> None:
        self.remarks: list[str] = []
        """What does not fit."""

    def read(self, output: Any, chunk: Any, first: int) -> Any:
        """What holds the rows under the features' keys.

        Args:
            output: What the model returned.
            chunk: The batch that it was given.
            first: The number of its first sample on this rank.

        Raises:
            FeatureError: If there are none.
        """
        return output

    def end(self, samples: int) -> None:
        """Say what is missing, now that all of this rank's samples have been read."""


class PatchReader(Reader):
    """A row of each sample's class token, if there is one, and of each of its patches.

    Args:
        config: The settings.
    """

    def __init__(self, config: GramPatchConfig) -> None:
        super().__init__()
        self._config = config
        self._is_known = False  # what does not change from event to event

    @override
    def read(self, output: Any, chunk: Any, first: int) -> Any:
        config = self._config
        tokens = read_tokens(config, output, chunk)
        self.views = dict.fromkeys(config.roles, tokens.views)
        if not self._is_known:
            self._look(tokens, output, chunk, config.sample - first, is_first=not first)
        return tokens.rows(config.feature_key)

    def _look(self, tokens: Tokens, output: Any, chunk: Any, here: int, *, is_first: bool) -> None:
        """Take the image of the sample that is drawn; the grid is that of any sample."""
        is_here = 0 <= here < len(tokens.patches)
        if is_first:
            self.remarks = list(tokens.remarks)
        if is_here or is_first:
            images = image_in(self._config, output, chunk)
            image = images[here * is_here] if isinstance(images, Tensor) else None
            self.about = about_of(self._config, tokens, image, self.remarks)

    @override
    def end(self, samples: int) -> None:
        if not self._is_known and self._config.sample >= samples:
            why = f"sample={self._config.sample} is not among the {samples} of rank 0"
            self.remarks.append(why)
        self._is_known = True
