"""Patched models, against ComfyUI's KSampler for each prompt."""

from __future__ import annotations

import comfy.hooks
import comfy.samplers
import comfy.sd
import comfy.utils
import pytest
import torch
from comfy_extras import (
    nodes_apg,
    nodes_easycache,
    nodes_freelunch,
    nodes_mahiro,
    nodes_pag,
    nodes_sag,
    nodes_slg,
)
from comfy_extras.nodes_custom_sampler import Noise_RandomNoise
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.guiders import SageGuider
from evaluations import count_evaluations
from models import MODELS, conditioning, middle_block_unet, randn, two_level_unet
from reference import (
    SETTINGS,
    assert_equal,
    check_laws,
    comfy_ksampler,
    difference,
    different,
    grouped,
    sage,
    small,
)
from windowed_models import KNOWN, with_windows


class TestPatches:
    def test_lora(self) -> None:
        model = MODELS["sd15"]().clone()
        key = next(name for name in model.model.state_dict() if name.endswith("attn2.to_q.weight"))
        shape = model.model.state_dict()[key].shape
        lora = {
            "down.lora_up.weight": randn(shape[0], 4, seed=1), "down.lora_down.weight": randn(4, shape[1], seed=2),
        }  # fmt: skip
        model.add_patches(comfy.lora.load_lora(lora, {"down": key}), 0.5)
        check_laws("sd15", small("sd15"), model=model)
        image, prompt = small("sd15"), conditioning("sd15", seed=10)
        assert difference(comfy_ksampler("sd15", prompt, image, model), comfy_ksampler("sd15", prompt, image)) > 1e-3

    def test_freeu(self) -> None:
        patch = getattr(nodes_freelunch.FreeU_V2, "execute", None) or nodes_freelunch.FreeU_V2().patch
        patched = patch(two_level_unet(), 1.3, 1.4, 0.9, 0.2)
        model = getattr(patched, "args", patched)[0]  # a node of the older API on older versions
        image, prompt = small("sd15"), conditioning("sd15", seed=10)
        plain = comfy_ksampler("sd15", prompt, image, two_level_unet())
        assert difference(comfy_ksampler("sd15", prompt, image, model), plain) > 1e-3
        check_laws("sd15", image, model=model)

    def test_perturbed_attention_guidance(self) -> None:
        """Its extra evaluations are calls of the model like any other: recorded, and not made again."""
        model = nodes_pag.PerturbedAttentionGuidance.execute(middle_block_unet(), 3.0).args[0]
        image, groups = small("sd15"), grouped(different("sd15", 2), [(0, 1)])
        check_laws("sd15", image, model=model)
        guider = SageGuider(model, groups, conditioning("sd15", seed=1), 3.0, 0.5)
        with count_evaluations(model) as evaluations:
            ksampler._run(
                guider, image, Noise_RandomNoise(5), *ksampler.KSamplerSettings(**SETTINGS, share=0.0).sampler(model)
            )
        assert evaluations.rows == guider.record.evaluations == 3 * (4 + 2 * 4)

    def test_skip_layer_guidance(self) -> None:
        model = nodes_slg.SkipLayerGuidanceDiT.execute(MODELS["sd3"](), 3.0, 0.0, 1.0, "0", "").args[0]
        image, prompt = small("sd3"), conditioning("sd3", seed=10)
        assert difference(comfy_ksampler("sd3", prompt, image, model), comfy_ksampler("sd3", prompt, image)) > 1e-3
        check_laws("sd3", image, model=model)

    def test_self_attention_guidance_is_never_silently_wrong(self) -> None:
        """It reads the attention of an evaluation, which a replayed call does not make."""
        model = nodes_sag.SelfAttentionGuidance.execute(middle_block_unet(), 0.5, 2.0).args[0]
        image, prompts = small("sd15"), different("sd15", 2)
        alone = torch.cat([comfy_ksampler("sd15", prompt, image, model) for prompt in prompts])
        out, report = ksampler.sample(
            model, grouped(prompts, [(0, 1)]), conditioning("sd15", seed=1), image, share=0.5, **SETTINGS
        )
        assert_equal(out["samples"], alone)
        assert "Warning: Nothing was shared" in report

    def test_easycache(self) -> None:
        model = nodes_easycache.EasyCacheNode.execute(MODELS["sd15"](), 1.0, 0.0, 1.0, False).args[0]
        image, prompts = small("sd15"), different("sd15", 1)
        settings = {"steps": 16}
        with count_evaluations(model) as evaluations:
            expected = comfy_ksampler("sd15", prompts[0], image, model, **settings)
        assert evaluations.rows < 2 * 16, "EasyCache skipped nothing: the case would prove nothing"
        groups = grouped(prompts * 2, [(0, 1)])
        assert_equal(sage("sd15", groups, image, share=0.0, model=model, **settings), torch.cat([expected] * 2))

    @pytest.mark.parametrize("cache", ["EasyCacheNode", "LazyCacheNode"])
    def test_caches_decide_for_each_prompt(self, cache: str) -> None:
        """They skip a step for the whole batch, so other prompts must not be in it."""
        model = getattr(nodes_easycache, cache).execute(MODELS["sd15"](), 0.2, 0.0, 1.0, False).args[0]
        image, prompts, settings = small("sd15"), different("sd15", 4), {"steps": 16}
        with count_evaluations(model) as evaluations:
            alone = torch.cat([comfy_ksampler("sd15", prompt, image, model, **settings) for prompt in prompts])
        assert evaluations.rows < 4 * 2 * 16, "nothing was skipped: the case would prove nothing"
        groups = grouped(prompts, [(0, 1), (2, 3)])
        assert_equal(sage("sd15", groups, image, share=0.0, model=model, **settings), alone)

    def test_self_attention_guidance_made_anew_for_the_branch(self) -> None:
        """It has seen no attention yet, and what it then raises is not the user's problem."""
        prompts, image, negative = different("sd15", 2), small("sd15"), conditioning("sd15", seed=1)
        first, second = (
            nodes_sag.SelfAttentionGuidance.execute(middle_block_unet(), 0.5, 2.0).args[0] for _ in range(2)
        )
        alone = torch.cat([comfy_ksampler("sd15", prompt, image, first) for prompt in prompts])
        groups = grouped(prompts, [(0, 1)])
        prefix, _ = ksampler.sample_prefix(first, groups, negative, image, share=0.25, **SETTINGS)
        out, report = ksampler.sample_branch(second, prefix)
        assert_equal(out["samples"], alone)
        assert "Warning: Nothing was shared" in report

    @pytest.mark.parametrize("shared", [1, 4])
    def test_guidance_with_momentum(self, shared: int) -> None:
        """APG starts afresh when the noise rises: every run has to end where it has seen it fall."""
        model = nodes_apg.APG.execute(MODELS["sd15"](), 1.0, 5.0, 0.5).args[0]
        image, prompts = small("sd15"), different("sd15", 1)
        expected = comfy_ksampler("sd15", prompts[0], image, model)
        images = sage("sd15", grouped(prompts * 2, [(0, 1)]), image, share=shared / 8, model=model)
        assert_equal(images, torch.cat([expected] * 2))

    def test_guidance_with_momentum_and_a_look_ahead(self) -> None:
        """What share_mode auto asks the model before the run must leave no momentum for it."""
        model = nodes_apg.APG.execute(MODELS["sd15"](), 1.0, 5.0, 0.5).args[0]
        image, prompts = small("sd15"), different("sd15", 2)
        groups = grouped(prompts, [(0, 1)])
        images = sage("sd15", groups, image, share=1e-9, share_mode="auto", correction="on", model=model)
        assert_equal(images, torch.cat([comfy_ksampler("sd15", prompt, image, model) for prompt in prompts]))

    def test_guidance_that_averages_over_the_batch(self) -> None:
        """Other prompts must not be in that average."""
        check_laws("sd15", small("sd15", batch=2), model=nodes_mahiro.Mahiro.execute(MODELS["sd15"]()).args[0])

    @pytest.mark.parametrize("freenoise", [False, True])
    def test_context_windows(self, freenoise: bool) -> None:
        """Videos longer than a window; ComfyUI itself takes only one video at a time here."""
        if freenoise and "freenoise" not in KNOWN:
            pytest.skip("this ComfyUI has no FreeNoise")
        model = with_windows(MODELS["video"](), freenoise)
        check_laws("video", {"samples": torch.zeros(1, 16, 8, 8, 8)}, model=model)
