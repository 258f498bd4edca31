"""The rows of a feature matrix: what they must be, and which of them can be used."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = [
    "COLUMNS",
    "as_matrix",
    "as_pair",
    "as_square",
    "as_tokens",
    "centred",
    "check_one_each",
    "finite_rows",
    "nonfinite_rows",
]

COLUMNS = 512
"""Columns that wide features are worked on at a time: what is made of them stays in the cache."""


def as_matrix(features: Tensor) -> Tensor:
    """``features`` detached, in float32 or float64, if it is a floating ``[N, D]`` matrix.

    Raises:
        ValueError: If it is anything else.
    """
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(
            "Expected `features` to be a floating-point [N, D] matrix, "
            f"but got shape {list(features.shape)} of {features.dtype}."
        )
    features = features.detach()
    return features if features.element_size() == 8 else features.float()


def as_pair(a: Tensor, b: Tensor, *, same_width: bool = True) -> tuple[Tensor, Tensor]:
    """Two matrices as `as_matrix` gives them, of the same samples.

    Raises:
        ValueError: If either is no floating matrix, or they differ in rows, or in shape.
    """
    a, b = as_matrix(a), as_matrix(b)
    if len(a) != len(b) or (same_width and a.shape != b.shape):
        raise ValueError(
            f"Expected two matrices of the same samples, but got shapes {list(a.shape)} and "
            f"{list(b.shape)}."
        )
    return a, b


def as_square(gram: Tensor, name: str = "gram") -> Tensor:
    """``gram`` as it is, if it is a square ``[N, N]`` matrix.

    Raises:
        ValueError: If it is anything else.
    """
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1]:
        raise ValueError(
            f"Expected `{name}` to be a square [N, N] matrix, but got shape {list(gram.shape)}."
        )
    return gram


def as_tokens(tokens: Tensor) -> Tensor:
    """``tokens`` detached, if they are a floating ``[S, T, D]`` tensor: patches of S samples.

    Raises:
        ValueError: If they are anything else.
    """
    if tokens.ndim != 3 or not tokens.is_floating_point():
        raise ValueError(
            "Expected `tokens` to be a floating-point [S, T, D] tensor, "
            f"but got shape {list(tokens.shape)} of {tokens.dtype}."
        )
    return tokens.detach()


def check_one_each(name: str, given: Tensor, gram: Tensor) -> None:
    """Raise ValueError unless ``given`` holds one integer for each row of ``gram``."""
    if given.shape != gram.shape[:1]:
        raise ValueError(
            f"Expected `{name}` to hold one integer for each of {len(gram)} rows, but got shape "
            f"{list(given.shape)}."
        )


def centred(x: Tensor) -> Tensor:
    """The rows of ``x`` less their mean: ``[N, D]`` float64, exactly 0 where all are the same."""
    x = x.double()
    x = x - x[:1]
    return x - x.mean(dim=0)


def finite_rows(features: Tensor) -> Tensor:
    """Which rows hold neither NaN nor Inf: ``[N]`` bool for ``[N, D]`` of any floating dtype."""
    x = as_matrix(features)
    norm: Tensor = torch.linalg.vector_norm(x, dim=1)
    finite = norm.isfinite()  # fifty times as fast as every entry's
    doubtful = (~finite).nonzero()[:, 0]
    finite[doubtful] = x[doubtful].isfinite().all(dim=1)  # their squares may only be too large
    return finite


def nonfinite_rows(features: Tensor) -> float:
    """How many rows hold NaN or Inf.

    Args:
        features: ``[N, D]``, any floating dtype.

    Raises:
        ValueError: If ``features`` is not a floating ``[N, D]`` matrix.

    Example:
        >>> nonfinite_rows(torch.tensor([[1.0, 2.0], [float("nan"), 0.0]]))
        1.0
    """
    return float((~finite_rows(features)).sum())
