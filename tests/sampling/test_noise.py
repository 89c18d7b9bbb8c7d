"""Noise of a run over several clusters equals the plain run's noise, repeated."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from comfy.k_diffusion.sampling import BrownianTreeNoiseSampler, default_noise_sampler
from comfyui_sage.sage_core.sampling.latents import repeat_rows
from comfyui_sage.sage_core.sampling.noise import VariationNoise
from hypothesis import given
from hypothesis import strategies as st

CLUSTERS, VARIATIONS = 3, 2
ROW = (4, 6, 5)
PLAIN, ROWS = (VARIATIONS, *ROW), (CLUSTERS * VARIATIONS, *ROW)

Draw = Callable[[tuple[int, ...]], torch.Tensor]


def mode(row: tuple[int, ...] = ROW, clusters: int = CLUSTERS, variations: int = VARIATIONS) -> VariationNoise:
    return VariationNoise(clusters, variations, torch.Size(row))


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(7)


WAYS: dict[str, Draw] = {
    "numbers": lambda shape: torch.randn(*shape, generator=generator()),
    "tuple": lambda shape: torch.randn(shape, generator=generator()),
    "list": lambda shape: torch.randn(list(shape), generator=generator()),
    "size": lambda shape: torch.randn(torch.zeros(shape).size(), generator=generator()),
    "size keyword": lambda shape: torch.randn(size=shape, generator=generator()),
    "numpy numbers": lambda shape: torch.randn(*(np.int64(n) for n in shape), generator=generator()),
    "global generator": torch.randn,
    "half": lambda shape: torch.randn(shape, dtype=torch.float16, generator=generator()),
    "like": lambda shape: torch.randn_like(torch.zeros(shape)),
    "like keyword": lambda shape: torch.randn_like(input=torch.zeros(shape)),
    "like half": lambda shape: torch.randn_like(torch.zeros(shape), dtype=torch.float16),
    "like a float64 tensor": lambda shape: torch.randn_like(torch.zeros(shape, dtype=torch.float64)),
    "ComfyUI default": lambda shape: default_noise_sampler(torch.zeros(shape), seed=3)(5.0, 4.0),
    "ComfyUI default without seed": lambda shape: default_noise_sampler(torch.zeros(shape))(5.0, 4.0),
}


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_draw(way: str) -> None:
    torch.manual_seed(11)
    plain = WAYS[way](PLAIN)
    after_plain = torch.get_rng_state()
    torch.manual_seed(11)
    with mode():
        found = WAYS[way](ROWS)
    assert found.dtype == plain.dtype
    assert torch.equal(found, torch.cat([plain] * CLUSTERS))
    assert torch.equal(torch.get_rng_state(), after_plain), "the next draw has to go on as in the plain run"


@given(st.integers(1, 5), st.integers(1, 4), st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_any_number_of_clusters_variations_and_dimensions(clusters: int, variations: int, row: list[int]) -> None:
    plain = torch.randn(variations, *row, generator=generator())
    with mode(tuple(row), clusters, variations):
        found = torch.randn(clusters * variations, *row, generator=generator())
    assert torch.equal(found, torch.cat([plain] * clusters))


@pytest.mark.parametrize("size", [(12, 10), (6, 9)])
def test_a_sampler_that_enlarges_its_latents(size: tuple[int, int]) -> None:
    plain = torch.randn(VARIATIONS, ROW[0], *size, generator=generator())
    with mode():
        found = torch.randn(CLUSTERS * VARIATIONS, ROW[0], *size, generator=generator())
    assert torch.equal(found, torch.cat([plain] * CLUSTERS))


@pytest.mark.parametrize("cpu", [True, False])
@pytest.mark.parametrize("seed", [5, None])
def test_comfyui_brownian_tree(seed: int | None, cpu: bool) -> None:
    sigmas = torch.tensor([14.5, 9.0, 3.0, 1.0, 0.03125])

    def increments(shape: tuple[int, ...]) -> torch.Tensor:
        torch.manual_seed(11)
        sampler = BrownianTreeNoiseSampler(torch.zeros(shape), sigmas[-1], sigmas[0], seed=seed, cpu=cpu)
        drawn = [sampler(a, b) for a, b in zip(sigmas, sigmas[1:], strict=False)]
        return torch.stack([*drawn, sampler(sigmas[0], sigmas[2])])  # across two steps, as some samplers ask

    plain = increments(PLAIN)
    with mode():
        found = increments(ROWS)
    assert torch.equal(found, torch.cat([plain] * CLUSTERS, dim=1))
    assert plain.std() > 0.5


class TestUnchangedCalls:
    @pytest.mark.parametrize(
        "shape", [PLAIN, ROW, (CLUSTERS * VARIATIONS, 4), (7, *ROW), (3,), (), (CLUSTERS * VARIATIONS, 5, *ROW[1:])]
    )
    def test_other_shapes(self, shape: tuple[int, ...]) -> None:
        plain = torch.randn(shape, generator=generator())
        with mode():
            assert torch.equal(torch.randn(shape, generator=generator()), plain)
            assert torch.randn_like(plain).shape == plain.shape

    def test_a_single_numpy_number(self) -> None:
        with mode():
            assert torch.randn(np.int64(5)).shape == (5,)

    def test_other_random_functions(self) -> None:
        torch.manual_seed(11)
        plain = torch.rand(ROWS)
        torch.manual_seed(11)
        with mode():
            assert torch.equal(torch.rand(ROWS), plain)

    def test_ordinary_arithmetic(self) -> None:
        with mode():
            assert float(torch.ones(ROWS).sum()) == torch.Size(ROWS).numel()

    def test_after_the_block(self) -> None:
        with mode():
            pass
        drawn = torch.randn(ROWS, generator=generator())
        assert not torch.equal(drawn[:VARIATIONS], drawn[VARIATIONS : 2 * VARIATIONS])


def repeats() -> bool:
    drawn = torch.randn(ROWS)
    return torch.equal(drawn[:VARIATIONS], drawn[VARIATIONS : 2 * VARIATIONS])


class TestPaused:
    def test_inside_it_noise_is_ordinary(self) -> None:
        with mode() as active:
            with active.paused():
                assert not repeats()
            assert repeats()
        assert not repeats()

    def test_an_error_inside_resumes(self) -> None:
        with mode() as active:
            with pytest.raises(KeyError), active.paused():
                raise KeyError
            assert repeats()
        assert not repeats()

    def test_an_error_that_leaves_everything_leaves_nothing_behind(self) -> None:
        active = mode()
        with pytest.raises(KeyError), active, active.paused():
            raise KeyError
        assert not repeats()

    def test_again_and_again(self) -> None:
        with mode() as active:
            for _ in range(3):
                with active.paused():
                    assert not repeats()
                assert repeats()

    def test_a_run_inside_a_paused_run(self) -> None:
        """A model that samples with a sampler of its own, say."""
        outer, inner = mode(), mode((2, 3), clusters=2, variations=1)
        with outer, outer.paused():
            with inner:
                drawn = torch.randn(2, 2, 3)
                assert torch.equal(drawn[0], drawn[1])
                assert not repeats()
            drawn = torch.randn(2, 2, 3)
            assert not torch.equal(drawn[0], drawn[1])


@given(st.integers(1, 4), st.integers(1, 3), st.integers(1, 3))
def test_tile_is_cluster_major(times: int, variations: int, width: int) -> None:
    rows = torch.arange(variations * width).view(variations, width)
    tiled = repeat_rows(rows, times)
    assert tiled.shape == (times * variations, width)
    for cluster in range(times):
        assert torch.equal(tiled[cluster * variations : (cluster + 1) * variations], rows)
