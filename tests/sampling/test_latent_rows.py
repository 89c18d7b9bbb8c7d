"""Whose rows a LATENT has, for the SAGE samplers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import comfy.samplers
import pytest
import torch
from comfy_extras.nodes_custom_sampler import Noise_EmptyNoise, Noise_RandomNoise, SamplerCustomAdvanced
from comfyui_sage.sage_core.prefix.file import load_prefix, save_prefix
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from comfyui_sage.sage_core.sampling.latent_rows import MARK, has_own_rows, mark_rows, rows_for
from models import MODELS, conditioning, unet
from reference import SETTINGS, assert_equal, comfy_ksampler, different, grouped, sage, small

TEXTS = ("one", "two")
NEGATIVE = conditioning("sd15", seed=1)


def rows(count: int) -> dict[str, Any]:
    return {"samples": torch.zeros(count, 4, 8, 8)}


class TestMark:
    def test_auto(self) -> None:
        assert not has_own_rows(rows(4), "auto", 2)
        assert has_own_rows(mark_rows(rows(4), TEXTS), "auto", 2)
        assert not has_own_rows(mark_rows(rows(4), TEXTS), "variations", 2)
        assert has_own_rows(rows(4), "prompts", 2)

    def test_one_row_of_all_is_a_start_for_all(self) -> None:
        marked = mark_rows(rows(4), TEXTS)
        assert not has_own_rows({**marked, "samples": marked["samples"][:1]}, "auto", 2)

    @pytest.mark.parametrize(("count", "prompts"), [(2, 2), (8, 2), (4, 3)])
    def test_rows_that_are_not_those_of_the_prompts(self, count: int, prompts: int) -> None:
        changed = {**mark_rows(rows(4), TEXTS), "samples": rows(count)["samples"]}
        with pytest.raises(ValueError, match=rf"expected the 4 rows .* for 2 prompts, got {count} rows for {prompts}"):
            has_own_rows(changed, "auto", prompts)


class TestRows:
    def test_one_for_all(self) -> None:
        found = rows_for([{**rows(2), "noise_mask": torch.ones(2, 8, 8), "kept": 1}], "auto", TEXTS)
        assert (found.variations, found.are_own) == (2, False)
        assert found.latent["samples"].shape[0] == found.latent["noise_mask"].shape[0] == 4
        assert found.latent["batch_index"] == [0, 1, 0, 1]
        assert found.latent["kept"] == 1 and MARK in found.latent

    def test_one_for_each(self) -> None:
        each = [{**rows(2), "batch_index": [3, 5]}, rows(2)]
        found = rows_for(each, "auto", TEXTS)
        assert (found.variations, found.are_own) == (2, True)
        assert found.latent["batch_index"] == [3, 5, 0, 1]

    def test_equal_ones_are_one_for_all(self) -> None:
        """As from an encoder that gives a latent with every conditioning."""
        masks = [torch.ones(1, 8, 8), torch.ones(1, 8, 8)]
        found = rows_for([{**rows(2), "noise_mask": mask} for mask in masks], "prompts", TEXTS)
        assert (found.variations, found.are_own) == (2, False)
        assert found.latent["batch_index"] == [0, 1, 0, 1]
        masks[1][:, 0] = 0
        assert rows_for([{**rows(2), "noise_mask": mask} for mask in masks], "auto", TEXTS).are_own

    def test_numbers_that_are_there_stay(self) -> None:
        assert rows_for([{**rows(1), "batch_index": [7]}], "auto", TEXTS).latent["batch_index"] == [7, 7]

    @pytest.mark.parametrize(("given", "message"), [
        ([rows(1)] * 3, "expected one, or one for each of the 2 prompts, got 3"),
        ([rows(1), rows(2)], "expected latents of one size"),
        ([rows(1), {**rows(1), "noise_mask": torch.ones(1, 8, 8)}], "all with a mask or none"),
        ([mark_rows(rows(3), TEXTS)], "expected the same number of rows for each of the 2 prompts, got 3"),
    ])  # fmt: skip
    def test_refused(self, given: list, message: str) -> None:
        with pytest.raises(ValueError, match=f"latent_image: .*{message}"):
            rows_for(given, "auto", TEXTS)


def test_a_second_sage_sampler_keeps_the_rows() -> None:
    """And its prefix and branch, through a file."""
    prompts, image, model = different("sd15", 3), small("sd15", batch=2), MODELS["sd15"]()
    groups = grouped(prompts, [(0, 1, 2)])
    first = ksampler.sample(model, groups, NEGATIVE, image, share=0.5, **SETTINGS)[0]
    second = {**SETTINGS, "denoise": 0.5, "share": 0.5, "latent_rows": "auto"}
    out, report = ksampler.sample(model, groups, NEGATIVE, first, **second)
    alone = [
        comfy_ksampler("sd15", prompt, {"samples": its_rows}, denoise=0.5)
        for prompt, its_rows in zip(prompts, first["samples"].chunk(3), strict=True)
    ]
    assert_equal(out["samples"], torch.cat(alone))
    assert "Warning: Every prompt begins from a latent" in report
    for correction in ("off", "on"):
        prefix, _ = ksampler.sample_prefix(model, groups, NEGATIVE, first, **{**second, "correction": correction})
        assert_equal(ksampler.sample_branch(model, prefix)[0]["samples"], torch.cat(alone))


@pytest.mark.parametrize("correction", ["off", "on"])
def test_own_rows_that_the_model_reads(correction: str) -> None:
    """An inpainting model gets every prompt's own picture and mask as channels."""
    prompts, model, mask = different("sd15", 3), unet(in_channels=9), torch.ones(3, 64, 64)
    for index in range(3):
        mask[index, 16 * index :] = 0.0
    image = {**small("sd15", batch=3, seed=3), "noise_mask": mask}
    alone = [
        comfy_ksampler("sd15", prompt, {"samples": rows, "noise_mask": own[None]}, model)
        for prompt, rows, own in zip(prompts, image["samples"].split(1), mask, strict=True)
    ]
    settings = {**SETTINGS, "share": 0.5, "latent_rows": "prompts", "correction": correction}
    found, _ = ksampler.sample(model, grouped(prompts, [(0, 1, 2)]), NEGATIVE, image, **settings)
    assert_equal(found["samples"], torch.cat(alone))


def test_the_preview_of_own_rows_is_of_the_groups() -> None:
    samples = small("sd15", batch=2, seed=3)["samples"][[0, 0, 1]]
    image = {"samples": samples, "noise_mask": torch.ones(3, 64, 64), "batch_index": [0, 0, 0]}
    groups = grouped(different("sd15", 3), [(0, 1), (2,)])
    settings = {**SETTINGS, "share": 0.5, "latent_rows": "prompts"}
    _, preview = ksampler.sample_prefix(MODELS["sd15"](), groups, NEGATIVE, image, **settings)
    assert len(preview["samples"]) == 2
    assert not {"noise_mask", "batch_index"} & preview.keys()


def test_a_prefix_of_own_rows_in_a_file(tmp_path: Path) -> None:
    prompts, model = different("sd15", 3), MODELS["sd15"]()
    pictures = torch.cat([torch.full((1, 4, 8, 8), value) for value in (0.1, 0.2, 0.1)])
    settings = {**SETTINGS, "denoise": 0.6, "share": 0.5, "latent_rows": "prompts"}
    groups = grouped(prompts, [(0, 1, 2)])
    prefix, _ = ksampler.sample_prefix(model, groups, NEGATIVE, {"samples": pictures}, **settings)
    save_prefix(prefix, tmp_path / "own.prefix.safetensors")
    found = ksampler.sample_branch(model, load_prefix(tmp_path / "own.prefix.safetensors"))[0]["samples"]
    assert_equal(found, sage("sd15", groups, {"samples": pictures}, **settings))
    assert_equal(found[1:2], comfy_ksampler("sd15", prompts[1], {"samples": pictures[1:2]}, denoise=0.6))


def test_two_guiders_in_a_row() -> None:
    """SplitSigmas: the second guider gets rows and no noise."""
    prompts, image, model = different("sd15", 3), small("sd15"), MODELS["sd15"]()
    _, sigmas = ksampler.KSamplerSettings(**SETTINGS, share=0.0).sampler(model)
    euler = comfy.samplers.sampler_object("euler")

    def both(make: Any) -> torch.Tensor:
        first = SamplerCustomAdvanced.execute(Noise_RandomNoise(5), make(), euler, sigmas[:5], image).args[0]
        return SamplerCustomAdvanced.execute(Noise_EmptyNoise(), make(), euler, sigmas[4:], first).args[0]["samples"]

    def plain(prompt: Any) -> Any:
        guider = comfy.samplers.CFGGuider(model)
        guider.set_conds(prompt, NEGATIVE)
        guider.set_cfg(3.0)
        return guider

    groups = grouped(prompts, [(0, 1, 2)])
    found = both(lambda: SageGuider(model, groups, NEGATIVE, 3.0, 0.0, latent_rows="auto"))
    assert_equal(found, torch.cat([both(lambda prompt=prompt: plain(prompt)) for prompt in prompts]))
    assert len(both(lambda: SageGuider(model, groups, NEGATIVE, 3.0, 0.0))) == 9, "as it was"
