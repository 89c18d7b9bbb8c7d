"""Inner results that are computed again give the gradients that kept ones give, though blocks add in place."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from comfyui_sage.sage_core.training import recomputation
from comfyui_sage.sage_core.training.dataset import make_training_set
from comfyui_sage.sage_core.training.recomputation import recompute
from comfyui_sage.sage_core.training.trainer import Trainer
from models import MODELS, conditioning, latent, randn
from trainings import TRAIN_SETTINGS


@pytest.fixture(autouse=True)
def gradients() -> Iterator[None]:
    with torch.inference_mode(False):
        yield


def gradients_of(name: str, **settings: Any) -> dict[str, torch.Tensor]:
    """Gradients of a first step, with adapters that do something already."""
    given = make_training_set(
        [latent(name, h=4, w=4, seed=seed) for seed in range(2)], [conditioning(name, seed) for seed in range(2)]
    )
    made = Trainer(MODELS[name](), given, None, replace(TRAIN_SETTINGS, layers="all", **settings))
    with torch.no_grad():
        for seed, tensor in enumerate(made.trainable):
            tensor.copy_(0.05 * randn(*tensor.shape, seed=seed))
    with made.trainable_model.loaded(), torch.enable_grad():
        made._gradients()
    return {key: tensor.grad for key, tensor in made.weights.items() if tensor.requires_grad}


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", MODELS)
def test_gradients_are_those_of_kept_results(name: str, bf16: bool) -> None:
    kept, again = (gradients_of(name, bf16=bf16, gradient_checkpointing=on) for on in (False, True))
    assert kept
    for key, gradient in kept.items():
        torch.testing.assert_close(again[key], gradient, rtol=1e-4, atol=1e-6, msg=key)


class Adding(torch.nn.Module):
    """A block that changes its input and an inner result in place, each after its value was needed."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(randn(4, 4, seed=1))
        self.calls = 0

    def forward(self, x: torch.Tensor, scale: torch.Tensor, options: dict[str, float]) -> torch.Tensor:
        self.calls += 1
        inner = torch.exp(x @ self.weight)
        x += inner * scale
        inner *= 2 * options["factor"]
        x[:, 1:] += inner.square()[:, 1:]
        return x


class Network(torch.nn.Module):
    """Blocks, called by name and by place, by a network that changes what they were given."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = torch.nn.ModuleList(Adding() for _ in range(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        options: dict[str, float] = {}
        scale = torch.ones(4, requires_grad=True) * 0.3
        for index, block in enumerate(self.blocks):
            options["factor"] = 0.1 * (index + 1)
            x = block(x, scale=scale, options=options) if index else block(x=x, scale=scale, options=options)
            x *= 0.1
            scale += 0.1
        return x.square().sum()


def trained(network: Network) -> list[torch.Tensor]:
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        network(randn(2, 4, seed=2)).backward()
    return [block.weight.grad for block in network.blocks]


def test_whatever_is_changed_in_place() -> None:
    network = Network()
    recompute(network, nullcontext)
    for again, kept in zip(trained(network), trained(Network()), strict=True):
        torch.testing.assert_close(again, kept)
    assert [block.calls for block in network.blocks] == [2, 2, 2]


def test_nothing_is_kept_after_a_backward_pass() -> None:
    network = Network()
    recompute(network, nullcontext)
    gc.disable()
    try:
        trained(network)
        assert not {recomputation._Call, recomputation._Handle} & {type(each) for each in gc.get_objects()}
    finally:
        gc.enable()


def test_without_gradients_nothing_is_computed_again() -> None:
    network = Network()
    recompute(network, nullcontext)
    with torch.no_grad():
        network(randn(2, 4, seed=2))
    assert [block.calls for block in network.blocks] == [1, 1, 1]
