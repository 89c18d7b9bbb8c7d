"""Chunks of clusters, out-of-memory handling, and where traces are stored."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.model_management
import comfy.samplers
import pytest
import torch
from comfy_extras import nodes_easycache
from comfyui_sage.sage_core.prefix.file import load_prefix, save_prefix
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling import trace as trace_module
from comfyui_sage.sage_core.sampling.job import use_random_state
from comfyui_sage.sage_core.sampling.level_runner import LevelRunner
from comfyui_sage.sage_core.tensor_shelf import OnDisk
from evaluations import count_evaluations
from models import MODELS, conditioning
from reference import SETTINGS, assert_equal, different, grouped, plan_levels, sage, small

GROUPS = [(0, 1), (2, 3, 4), (5,)]


def run(share: float = 0.5, *, model: Any = None, report: bool = False, **settings: Any) -> Any:
    image, groups = small("sd15", batch=2), grouped(different("sd15", 6), GROUPS)
    out, text = ksampler.sample(
        model or MODELS["sd15"](), groups, conditioning("sd15", seed=1), image, share=share, **{**SETTINGS, **settings}
    )
    return (out["samples"], text) if report else out["samples"]


def free_memory(monkeypatch: pytest.MonkeyPatch, amount: int) -> None:
    """Let the machine have this much, in bytes."""

    def get_free_memory(device: Any = None, torch_free_too: bool = False) -> Any:
        return (amount, amount) if torch_free_too else amount

    monkeypatch.setattr(comfy.model_management, "get_free_memory", get_free_memory)


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Free memory for two clusters of two rows, by ComfyUI's estimate."""
    free_memory(monkeypatch, int(3.1 * MODELS["sd15"]().model.memory_required([4, 4, 8, 8])))


@pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m", "dpmpp_sde", "uni_pc", "euler_ancestral", "heun"])
def test_chunks_change_nothing(sampler_name: str, little_memory: None) -> None:
    model = MODELS["sd15"]()
    with count_evaluations(model) as evaluations:
        chunked, report = run(sampler_name=sampler_name, report=True)
    assert max(evaluations.batches) == 2 * 2 * 2, "clusters x variations x (cond, uncond)"
    assert f"evaluations: {evaluations.rows} done, {evaluations.rows} planned" in report
    with pytest.MonkeyPatch.context() as plenty:
        free_memory(plenty, 1 << 40)
        with count_evaluations(model) as whole:
            assert_equal(chunked, run(sampler_name=sampler_name))
    assert max(whole.batches) == 6 * 2 * 2
    assert whole.rows == evaluations.rows


@pytest.mark.usefixtures("little_memory")
def test_rows_leave_as_they_are_finished() -> None:
    """While the rest is still sampled; a repeated prompt with the one that stands for it."""
    conditions = different("sd15", 5)
    partition = [(0, 5, 1), (2, 3, 4)]
    groups = replace(grouped([*conditions, conditions[0]], partition), prompts=(*"abcde", "a"))
    model, image, left = MODELS["sd15"](), small("sd15", batch=2), {}
    negative = conditioning("sd15", seed=1)
    prefix, _ = ksampler.sample_prefix(model, groups, negative, image, share=0.5, **SETTINGS)
    with count_evaluations(model) as evaluations:

        def finished(prompts: Sequence[int], its_rows: torch.Tensor) -> None:
            left.update(dict.fromkeys(prompts, (evaluations.rows, its_rows.clone())))

        ksampler.sample_each(model, prefix, finished)
    assert list(left) == [0, 5, 1, 2, 3, 4]
    when = [left[prompt][0] for prompt in (0, 1, 2, 3, 4)]
    assert when[0] == when[1] < when[2] == when[3] < when[4] == evaluations.rows
    out, _ = ksampler.sample_branch(model, prefix)
    assert torch.equal(out["samples"], torch.cat([left[prompt][1] for prompt in range(6)]))


@pytest.mark.parametrize("correction", ["off", "on"])
def test_runs_that_nobody_needs_are_left_out(correction: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole ones: a prompt has the same company in a run, or its last bits would be others."""
    monkeypatch.setattr(LevelRunner, "_clusters_at_once", lambda self, job: 2)
    model, negative = MODELS["sd15"](), conditioning("sd15", seed=1)
    groups = grouped(different("sd15", 5), [(0, 1, 2), (3, 4)], group_condition="medoid")
    settings = {**SETTINGS, "share": 0.5, "correction": correction}
    prefix, _ = ksampler.sample_prefix(model, groups, negative, small("sd15"), **settings)

    def without(*finished: int) -> tuple[dict[int, torch.Tensor], int]:
        left: dict[int, torch.Tensor] = {}
        with count_evaluations(model) as evaluations:
            ksampler.sample_each(model, prefix, lambda prompts, rows: left.update({prompts[0]: rows}), None, finished)
        return left, evaluations.rows

    (whole, cost), (rest, cost_of_rest), (none, nothing) = without(), without(0, 1, 2, 3), without(0, 1, 2, 3, 4)
    assert set(whole) == set(range(5)) and 4 in rest and len(rest) < 5 and none == {}
    assert cost > cost_of_rest > nothing == 0
    assert all(torch.equal(rows, whole[prompt]) for prompt, rows in rest.items())


def test_rows_that_were_handed_out_are_not_kept() -> None:
    model, negative = MODELS["sd15"](), conditioning("sd15", seed=1)
    groups = grouped(different("sd15", 4), [(0,), (1,), (2,), (3,)])
    prefix, _ = ksampler.sample_prefix(model, groups, negative, small("sd15"), share=0.5, **SETTINGS)
    left: list[weakref.ref[torch.Tensor]] = []

    def finished(prompts: Sequence[int], its_rows: torch.Tensor) -> None:
        assert all(rows() is None for rows in left)
        left.append(weakref.ref(its_rows))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LevelRunner, "_clusters_at_once", lambda self, job: 1)
        ksampler.sample_each(model, prefix, finished)
    assert len(left) == 4


def test_what_no_step_changes_leaves_too() -> None:
    left: list[torch.Tensor] = []
    groups, image = grouped(different("sd15", 2), [(0, 1)]), small("sd15")
    settings = {**SETTINGS, "denoise": 0.0}
    model = MODELS["sd15"]()
    prefix, _ = ksampler.sample_prefix(model, groups, conditioning("sd15", seed=1), image, share=0.5, **settings)
    ksampler.sample_each(model, prefix, lambda prompts, its_rows: left.append(its_rows))
    out, _ = ksampler.sample_branch(model, prefix)
    assert torch.equal(out["samples"], torch.cat(left))


def test_with_easycache_a_chunk_is_an_ordinary_run(little_memory: None) -> None:
    """Its state is that of one run of constant rows; identical prompts make its decisions comparable."""
    model = nodes_easycache.EasyCacheNode.execute(MODELS["sd15"](), 1.0, 0.0, 1.0, False).args[0]
    image, one = small("sd15", batch=2), conditioning("sd15", seed=10)
    groups = grouped([one] * 6, GROUPS)
    with count_evaluations(model) as skipped:
        chunked = sage("sd15", groups, image, share=0.5, model=model, steps=16)
    with count_evaluations(MODELS["sd15"]()) as full:
        sage("sd15", groups, image, share=0.5, steps=16)
    assert skipped.rows < full.rows, "EasyCache skipped nothing: the case would prove nothing"
    with pytest.MonkeyPatch.context() as plenty:
        free_memory(plenty, 1 << 40)
        assert_equal(chunked, sage("sd15", groups, image, share=0.5, model=model, steps=16))


@pytest.mark.parametrize("sampler_name", ["euler", "dpmpp_2m", "dpmpp_sde"])
def test_out_of_memory_halves_the_chunk_and_goes_on(
    sampler_name: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network itself runs out of memory with more than eight rows, at some step in the middle."""
    network, calls = MODELS["sd15"]().model.diffusion_model, []
    original = network._forward

    def tight(x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        calls.append(x.shape[0])
        if x.shape[0] > 8 and len(calls) > 5:
            raise comfy.model_management.OOM_EXCEPTION("no memory left")
        return original(x, *args, **kwargs)

    with monkeypatch.context() as patched:
        patched.setattr(network, "_forward", tight)
        samples = run(sampler_name=sampler_name)
    assert max(calls) > 8 and calls[-1] <= 8
    assert "out of memory" in caplog.text
    assert_equal(samples, run(sampler_name=sampler_name))


def test_out_of_memory_of_a_single_cluster_raises_comfyui_error() -> None:
    """One cluster is what a KSampler on the same latent needs; there is nothing left to halve."""
    model = MODELS["sd15"]().clone()

    def never(apply_model: Any, args: dict[str, Any]) -> torch.Tensor:
        raise comfy.model_management.OOM_EXCEPTION("no memory left")

    model.set_model_unet_function_wrapper(never)
    with pytest.raises(comfy.model_management.OOM_EXCEPTION):
        run(model=model)


def test_an_adaptive_sampler_runs_one_cluster_at_a_time() -> None:
    """Its step size looks at the whole batch, so other prompts must not be in it."""
    model = MODELS["sd15"]()
    with count_evaluations(model) as evaluations:
        run(sampler_name="dpm_adaptive")
    assert set(evaluations.batches) == {4}


def test_the_trace_lives_in_system_memory_and_only_as_long_as_needed() -> None:
    image, groups = small("sd15", batch=2), grouped(different("sd15", 6), GROUPS)
    prefix, _ = ksampler.sample_prefix(
        MODELS["sd15"](), groups, conditioning("sd15", seed=1), image, share=0.5, **SETTINGS
    )
    assert [len(trace) for trace in prefix.traces] == [4, 4, 4]
    for call in (call for trace in prefix.traces for call in trace):
        assert all(output.device.type == "cpu" and output.shape == (2, 4, 8, 8) for output in call.outputs)
        assert call.fingerprint.device.type == "cpu" and call.fingerprint.numel() <= 2 * 512


@pytest.mark.parametrize("settings", [
    {"share_mode": "tree", "correction": "off"}, {"correction": "on"}, {"share_mode": "auto", "correction": "on"},
], ids=str)  # fmt: skip
@pytest.mark.parametrize("sampler_name", ["euler_ancestral", "dpmpp_2m"])
def test_traces_on_the_disk_change_nothing(
    sampler_name: str, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    in_memory, report = run(sampler_name=sampler_name, report=True, **settings)
    monkeypatch.setattr(trace_module, "_IN_MEMORY", 0)
    original, reads = OnDisk.read, []
    monkeypatch.setattr(OnDisk, "read", lambda self: reads.append(self) or original(self))
    on_disk, its_report = run(sampler_name=sampler_name, report=True, **settings)
    assert reads and torch.equal(on_disk, in_memory) and its_report == report


def test_of_a_prefix_only_so_much_is_in_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model, negative, groups = MODELS["sd15"](), conditioning("sd15", seed=1), grouped(different("sd15", 6), GROUPS)
    settings = {**SETTINGS, "share": 0.5, "correction": "on"}
    prefix, _ = ksampler.sample_prefix(model, groups, negative, small("sd15", batch=2), **settings)
    whole, _ = ksampler.sample_branch(model, prefix)
    answer = prefix.traces[0][0].outputs[0]
    assert answer is not None
    monkeypatch.setattr(trace_module, "_IN_MEMORY", 10 * answer.nbytes)
    shelved, _ = ksampler.sample_prefix(model, groups, negative, small("sd15", batch=2), **settings)
    kept = [each for trace in shelved.traces for call in trace for each in call.kept]
    assert sum(isinstance(each, torch.Tensor) for each in kept) == 10 < len(kept)
    save_prefix(shelved, tmp_path / "prefix.safetensors")
    for each in (shelved, load_prefix(tmp_path / "prefix.safetensors")):
        assert torch.equal(ksampler.sample_branch(model, each)[0]["samples"], whole["samples"])


def test_a_call_of_several_traces_is_saved_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model, negative, groups = MODELS["sd15"](), conditioning("sd15", seed=1), grouped(different("sd15", 6), GROUPS)
    plan_levels(monkeypatch, [((0, 1, 2, 3, 4, 5), 2), ((0, 1), 4), ((2, 3, 4), 4)], 6)
    sizes = []
    for most in (trace_module._IN_MEMORY, 0):
        monkeypatch.setattr(trace_module, "_IN_MEMORY", most)
        prefix, _ = ksampler.sample_prefix(model, groups, negative, small("sd15"), share=0.5, **SETTINGS)
        answers = [call for trace in prefix.traces for call in trace]
        assert len({id(call) for call in answers}) < len(answers), "no call is in several traces"
        path = tmp_path / "tree.safetensors"
        save_prefix(prefix, path)
        sizes.append(path.stat().st_size)
    assert sizes[0] == sizes[1]


def test_the_global_random_state_is_left_as_a_plain_run_leaves_it() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    with use_random_state((before,), torch.device("cpu")):
        torch.randn(5)
    assert torch.equal(torch.get_rng_state(), before)
