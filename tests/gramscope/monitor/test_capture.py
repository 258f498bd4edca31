"""Taking features where the model makes them, compiled or not, without a trace."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from gramscope.events import Reason
from gramscope.monitor.capture import StepCapture
from gramscope.monitor.features import FeatureError
from gramscope.monitor.hook import ForwardHook
from gramscope.monitor.isolation import undisturbed
from gramscope.monitor.modules import find_module


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"f": self.layer(x)}


class Outer(nn.Module):
    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


X = torch.ones(4, 3)


def compiled_by_wrapping() -> nn.Module:
    return torch.compile(Net(), backend="eager")  # type: ignore[return-value]


def compiled_in_place() -> nn.Module:
    net = Net()
    net.compile(backend="eager")
    return net


@pytest.mark.parametrize("make", [Net, compiled_by_wrapping, compiled_in_place])
def test_an_armed_hook_sees_outputs_and_a_disarmed_one_does_not(make: Any) -> None:
    seen: list[Any] = []
    module = make()
    expected = module(X)["f"]
    hook = ForwardHook(module, seen.append)

    hook.arm()
    hook.arm()  # once is enough
    module(X)
    hook.disarm()
    module(X)
    hook.arm()
    module(X)
    hook.disarm()
    hook.disarm()

    assert len(seen) == 2
    assert torch.equal(seen[0]["f"], expected)
    assert not module._forward_hooks


def test_arming_a_compiled_module_does_not_compile_it_again() -> None:
    module = compiled_in_place()
    module(X)
    counters = torch._dynamo.utils.counters["stats"]
    before = counters["unique_graphs"]
    hook = ForwardHook(module, lambda output: None)

    for _ in range(3):
        hook.arm()
        module(X)
        hook.disarm()

    assert counters["unique_graphs"] == before


def test_the_watched_module_is_model_or_the_root_itself() -> None:
    net = Net()

    assert find_module(Outer(net), None) is net
    assert find_module(net, None) is net
    assert find_module(Outer(net), "model.layer") is net.layer


def test_a_submodule_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(FeatureError, match=r"module='model.head': Net has no .* 'head'.*: layer"):
        find_module(Outer(Net()), "model.head")


@pytest.mark.parametrize("make", [compiled_by_wrapping, compiled_in_place])
def test_a_part_of_a_compiled_module_is_refused_with_the_alternative(make: Any) -> None:
    with pytest.raises(FeatureError, match=r"inside a torch.compile'd .*capture='outputs'"):
        find_module(Outer(make()), "model.layer")


def test_a_micro_batch_gives_its_first_features_only() -> None:
    capture = StepCapture("f", limit=8, micro_batches=2)
    for value in (1.0, 2.0):
        capture.begin_micro_batch()
        assert not capture.offer({"other": X})
        assert capture.offer({"f": X * value})
        assert not capture.offer({"f": X * 9})
        capture.end_micro_batch()

    assert [chunk.features[""][0, 0].item() for chunk in capture.chunks] == [1.0, 2.0]
    assert capture.error is None


def test_an_override_replaces_what_the_micro_batch_gave() -> None:
    capture = StepCapture("f", limit=4)
    capture.begin_micro_batch()
    capture.offer({"f": X})

    assert capture.offer({"f": X * 5}, override=True)

    assert [chunk.features[""][0, 0].item() for chunk in capture.chunks] == [5.0]


def test_a_missing_key_is_reported_with_the_keys_that_are_there() -> None:
    capture = StepCapture("nope", limit=4)
    capture.begin_micro_batch()
    capture.offer({"a": X, "pred": {"b": X}})
    capture.end_micro_batch()

    assert capture.error is not None
    assert capture.error.reason is Reason.missing_key
    assert str(capture.error) == "no output has feature_key='nope'; there is: a, pred.b"


def test_an_output_that_raises_when_looked_at_is_reported() -> None:
    class Trap(dict):  # type: ignore[type-arg]
        def __contains__(self, key: object) -> bool:
            raise RuntimeError("boom")

    capture = StepCapture("f", limit=4)
    capture.begin_micro_batch()
    capture.offer(Trap())

    assert capture.error is not None
    assert capture.error.reason is Reason.capture_failed
    assert "boom" in str(capture.error)


def states() -> list[Any]:
    return [random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()]  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("fails", [False, True])
def test_undisturbed_restores_flags_buffers_and_generators(fails: bool) -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3), nn.Dropout(0.5))
    model[2].eval()
    flags = [m.training for m in model.modules()]
    buffers = {k: v.clone() for k, v in model.named_buffers()}
    generators = states()

    with pytest.raises(RuntimeError) if fails else torch.no_grad(), undisturbed(model):
        assert not any(m.training for m in model.modules())
        assert not torch.is_grad_enabled()
        model.train()
        model(torch.randn(5, 3))
        model[1].register_buffer("running_mean", torch.full((3,), 7.0))
        random.random()
        np.random.rand()  # noqa: NPY002
        if fails:
            raise RuntimeError

    assert [m.training for m in model.modules()] == flags
    assert all(torch.equal(v, buffers[k]) for k, v in model.named_buffers())
    assert states() == generators
    assert torch.is_grad_enabled()
