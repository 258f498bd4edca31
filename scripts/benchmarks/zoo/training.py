"""One small training, and what is seen of it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from gramscope.diagnosis import NUMBERS
from gramscope.metrics import standard
from gramscope.metrics.batch import Batch
from gramscope.metrics.roles import joint
from gramscope.metrics.standard import measured, wanted
from zoo.encoders import ENCODERS
from zoo.faults import FAULTS, Fault
from zoo.images import IMAGES, Images, accuracy, augmented
from zoo.methods import METHODS, Method, Seen

__all__ = ["PROBED", "Run", "train"]

STEPS, EVERY = 200, 10
PROBED = (1, 10, 20, 30, 40, 60, 80, 100, 130, 160, 200)
"""Steps at which a probe asks what the backbone knows."""
BATCH = 64
"""Images of a step; numbers are of both views of each."""
OTHER_ROWS = (32, 64, 512)
"""How many rows more numbers are made of, in reported runs of one encoder: they take time."""
REPORTED = range(100, 300)
"""Seeds of the reported runs."""
_SCALE = 2.0**24
_BLIND = wanted(["uniformity", "duplicate_share"])
"""Numbers that are others where views are not known."""


@dataclass
class Run:
    """What was seen of a training."""

    accuracy: dict[int, float] = field(default_factory=dict)
    """By step; 1 is random weights."""
    loss: dict[int, float] = field(default_factory=dict)
    numbers: dict[str, dict[int, dict[str, float]]] = field(default_factory=dict)
    """By what they are made of (``128``, ``128 without views``), by step."""


def train(data: str, encoder: str, method: str, fault: str, seed: int) -> Run:
    """Train by a method, with a fault, `STEPS` steps of AdamW at 1e-3."""
    torch.manual_seed(seed)
    random, more = (torch.Generator().manual_seed(s) for s in (seed, seed + 1000))
    images = IMAGES[data]()
    wrong = FAULTS[fault]
    model = METHODS[method](ENCODERS[encoder](), **wrong.settings)
    learned = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(learned, lr=1e-3 * wrong.rate)
    run = Run()
    for step in range(1, STEPS + 1):
        if step in PROBED:
            draws = np.random.default_rng(seed)
            run.accuracy[step] = round(accuracy(images, model.backbone, draws), 4)
        loss, seen = model(*_views(images, wrong, random, BATCH))
        if step == 1 or step % EVERY == 0:
            run.loss[step] = float(loss.detach())
            _look(run, step, model, seen)
            if encoder == "signed" and seed in REPORTED:
                _look_at_more(run, step, model, _views(images, wrong, more, OTHER_ROWS[-1] // 2))
        optimizer.zero_grad()
        loss.backward()
        if wrong.half:
            _overflow(learned)
        optimizer.step()
        model.after_step()
    return run


def _views(
    images: Images, wrong: Fault, random: torch.Generator, batch: int
) -> tuple[Tensor, Tensor]:
    """Two views of a batch, ``[batch, 1, 14, 14]`` each."""
    count = batch // wrong.repeats
    chosen = images.known[torch.randperm(len(images.known), generator=random)[:count]]
    views = [augmented(chosen, random, wrong.strength) for _ in range(2)]
    if wrong.empty:
        nothing = torch.rand(count, generator=random) < wrong.empty
        views = [view.masked_fill(nothing.view(-1, 1, 1, 1), 0.0) for view in views]
    a, b = (view.repeat(wrong.repeats, 1, 1, 1) for view in views)
    return a, b


def _overflow(learned: list[torch.nn.Parameter]) -> None:
    """What gradients are behind float16 and a scale that they are too large for."""
    for parameter in learned:
        if parameter.grad is not None:
            parameter.grad = (parameter.grad * _SCALE).half().float() / _SCALE


def _look(run: Run, step: int, model: Method, seen: Seen) -> None:
    seen = {role: features.detach() for role, features in seen.items()}
    views, unknown = {}, {}
    for role, rows in seen.items():
        known = standard(rows, views=2)
        views |= _of(role, known)
        blind = {k: v for k, v in known.items() if NUMBERS[k].needs != "views"}
        unknown |= _of(role, blind | measured(Batch(rows), _BLIND)[0])
    together = joint({role: Batch(rows) for role, rows in seen.items()}) | model.numbers()
    _put(run, "128", step, views | together)
    _put(run, "128 without views", step, unknown | together)


def _look_at_more(run: Run, step: int, model: Method, views: tuple[Tensor, Tensor]) -> None:
    with torch.no_grad():
        seen = model.features(torch.cat(views))
    for rows in OTHER_ROWS:
        numbers: dict[str, float] = {}
        for role, features in seen.items():
            some = torch.cat([view[: rows // 2] for view in features.chunk(2)])
            numbers |= _of(role, standard(some, views=2))
        _put(run, str(rows), step, numbers)


def _of(role: str, numbers: dict[str, float]) -> dict[str, float]:
    return {f"{role}/{name}": value for name, value in numbers.items()}


def _put(run: Run, what: str, step: int, numbers: dict[str, float]) -> None:
    run.numbers.setdefault(what, {})[step] = {k: float(f"{v:.5g}") for k, v in numbers.items()}
