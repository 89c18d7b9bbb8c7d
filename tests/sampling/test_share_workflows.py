"""Share Sampling in the workflows of ComfyUI's templates: their own nodes, with a small model of each kind."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import comfy.clip_vision
import node_helpers
import pytest
import torch
from comfy_extras import nodes_custom_sampler, nodes_edit_model, nodes_flux, nodes_lt, nodes_qwen, nodes_wan
from comfyui_sage.sage_core.conditioning.batch import same
from comfyui_sage.sage_core.sampling import ksampler as sage_ksampler
from comfyui_sage.sage_core.split import split_latent
from evaluations import count_evaluations
from models import MODELS, conditioning, controlnet, randn, unet, vae
from reference import SETTINGS, assert_equal, difference, grouped
from shared_graphs import ksampler, shared
from workflow_models import WIDTH, WORKFLOW_MODELS, minimax_clip, qwen_clip, redux, video_upscaler, video_vae, wan_vae

import nodes as comfy_nodes

PAIR = ((0, 1),)
STEPS = 6
SILENCE = {"samples": torch.zeros(1, 8, 5, 16)}
TEXTS = ("a red car", "a small boat on the sea")


class Workflow(NamedTuple):
    """What the nodes of a template give a sampler: a list of each, or one for both prompts."""

    model: Any
    positives: list[Any]
    negatives: list[Any]
    latents: list[Any]
    cfg: float = 3.0


def zeroed(conditionings: list[Any]) -> list[Any]:
    return [comfy_nodes.ConditioningZeroOut().zero_out(each)[0] for each in conditionings]


def text(seed: int, tokens: int = 9, width: int = WIDTH, **extras: Any) -> list[Any]:
    return [[randn(1, tokens, width, seed=seed), {"pooled_output": None, **extras}]]


def picture(seed: int, frames: int = 1) -> torch.Tensor:
    return torch.rand(frames, 64, 64, 3, generator=torch.Generator().manual_seed(seed))


@functools.lru_cache
def reference_picture() -> Workflow:
    """Flux Kontext, Flux 2: the latent of a picture to change, guidance, a zeroed negative."""
    made = []
    for seed in (10, 11):
        guided = nodes_flux.FluxGuidance.execute(conditioning("flux", seed=seed), 2.5).args[0]
        made.append(nodes_edit_model.ReferenceLatent.execute(guided, {"samples": randn(1, 16, 4, 8, seed=1)}).args[0])
    return Workflow(MODELS["flux"](), made, zeroed(made), [{"samples": torch.zeros(1, 16, 8, 8)}], cfg=1.0)


@functools.lru_cache
def style_tokens() -> Workflow:
    """Flux Redux: tokens of two pictures after the words, with strengths of their own."""
    seen = [comfy.clip_vision.Output() for _ in range(2)]
    for at, each in enumerate(seen):
        each.last_hidden_state = randn(1, 5, 16, seed=at)
    made = [conditioning("flux", seed=seed) for seed in (10, 11)]
    apply = comfy_nodes.StyleModelApply().apply_stylemodel
    made = [apply(each, redux(), seen[0], 0.7, "attn_bias")[0] for each in made]
    made = [apply(each, redux(), seen[1], 1.0, "multiply")[0] for each in made]
    return Workflow(MODELS["flux"](), made, zeroed(made), [{"samples": torch.zeros(1, 16, 8, 8)}], cfg=1.0)


@functools.lru_cache
def pictures_in_the_text() -> Workflow:
    """Qwen Image Edit: the encoder sees the picture, the latent of the picture comes after it."""

    def encode(prompt: str) -> list[Any]:
        encoded = nodes_qwen.TextEncodeQwenImageEditPlus.execute(qwen_clip(), prompt, None, picture(1)).args[0]
        encoded = nodes_edit_model.ReferenceLatent.execute(encoded, {"samples": randn(1, 16, 1, 4, 4, seed=2)}).args[0]
        return nodes_flux.FluxKontextMultiReferenceLatentMethod.execute(encoded, "offset").args[0]

    latent = {"samples": torch.zeros(1, 16, 8, 8)}
    return Workflow(WORKFLOW_MODELS["qwen_image"](), list(map(encode, TEXTS)), [encode("blurry")], [latent])


def by_wan(encode: Callable[[Any, Any], Any], model: Any) -> Workflow:
    """What a node makes that takes both conditionings, and gives the latent with them."""
    made = [encode(text(seed, width=64), text(1, width=64)).args[:3] for seed in (10, 11)]
    positives, negatives, latents = map(list, zip(*made, strict=True))
    return Workflow(model, positives, negatives, latents)


@functools.lru_cache
def first_picture() -> Workflow:
    """Wan: a picture that the video begins with, in both conditionings."""

    def encode(positive: Any, negative: Any) -> Any:
        return nodes_wan.WanImageToVideo.execute(positive, negative, wan_vae(), 64, 64, 5, 1, picture(1))

    return by_wan(encode, WORKFLOW_MODELS["wan_picture"]())


@functools.lru_cache
def first_and_last_picture() -> Workflow:
    """Wan: two pictures that the video goes between."""

    def encode(positive: Any, negative: Any) -> Any:
        pictures = {"start_image": picture(1), "end_image": picture(2)}
        return nodes_wan.WanFirstLastFrameToVideo.execute(positive, negative, wan_vae(), 64, 64, 5, 1, **pictures)

    return by_wan(encode, WORKFLOW_MODELS["wan_picture"]())


@functools.lru_cache
def video_to_follow() -> Workflow:
    """Wan VACE."""

    def encode(positive: Any, negative: Any) -> Any:
        video = picture(2, frames=5)
        return nodes_wan.WanVaceToVideo.execute(positive, negative, wan_vae(), 64, 64, 5, 1, 0.8, video)

    return by_wan(encode, WORKFLOW_MODELS["wan_vace"]())


@functools.lru_cache
def poses_for_a_time() -> Workflow:
    """SCAIL: a reference picture, and poses for the first steps only, so that there are several entries."""
    from comfy_extras import nodes_scail

    def encode(positive: Any, negative: Any) -> Any:
        return nodes_scail.WanSCAILToVideo.execute(
            positive, negative, wan_vae(), 64, 64, 5, 1, 1.0, 0.0, 0.6, 0, 5, reference_image=picture(1),
            pose_video=picture(2, frames=5),
        )  # fmt: skip

    return by_wan(encode, WORKFLOW_MODELS["wan_scail"]())


@functools.lru_cache
def video_to_change() -> Workflow:
    """Bernini: a video to change, and a reference picture of another size."""
    from comfy_extras import nodes_bernini

    def encode(positive: Any, negative: Any) -> Any:
        shown = {"source_video": picture(1, frames=5), "reference_images": {"reference_image_0": picture(2)}}
        return nodes_bernini.BerniniConditioning.execute(
            positive, negative, wan_vae(), 64, 64, 5, 1, ref_max_size=32, **shown
        )

    return by_wan(encode, MODELS["video"]())


@functools.lru_cache
def painted_anew() -> Workflow:
    """An inpainting model: the picture and the mask go into the network, and what is not masked stays."""
    mask = torch.zeros(1, 64, 64)
    mask[:, :, 32:] = 1
    made = [
        comfy_nodes.InpaintModelConditioning().encode(
            conditioning("sd15", seed=seed), conditioning("sd15", seed=1), picture(1), vae(), mask
        )
        for seed in (10, 11)
    ]
    positives, negatives, latents = map(list, zip(*made, strict=True))
    return Workflow(unet(in_channels=9), positives, negatives, latents)


@functools.lru_cache
def controlled() -> Workflow:
    """A ControlNet in both conditionings, for a part of the steps."""
    made = [
        comfy_nodes.ControlNetApplyAdvanced().apply_controlnet(
            conditioning("sd15", seed=seed), conditioning("sd15", seed=1), controlnet(), picture(1), 0.8, 0.0, 0.7
        )
        for seed in (10, 11)
    ]
    positives, negatives = map(list, zip(*made, strict=True))
    return Workflow(MODELS["sd15"](), positives, negatives, [{"samples": torch.zeros(1, 4, 8, 8)}])


@functools.lru_cache
def lyrics() -> Workflow:
    """ACE-Step: tags and lyrics of their own lengths. The tokenizer of its encoder is a part of its checkpoint."""
    made = [
        text(seed, tokens=tokens, conditioning_lyrics=torch.arange(lines)[None] + 7, lyrics_strength=0.9)
        for seed, tokens, lines in ((10, 9, 20), (11, 5, 13))
    ]
    return Workflow(WORKFLOW_MODELS["songs"](), made, zeroed(made), [{"samples": torch.zeros(1, 8, 16, 20)}])


@functools.lru_cache
def video_with_sound() -> Workflow:
    """LTX-2: video and sound in one latent; the first frame is a picture, and is kept."""
    made = [nodes_lt.LTXVConditioning.execute(text(seed), text(1), 24.0).args for seed in (10, 11)]
    positives, negatives = map(list, zip(*made, strict=True))
    film = nodes_lt.EmptyLTXVLatentVideo.execute(128, 128, 17).args[0]
    film = nodes_lt.LTXVImgToVideoInplace.execute(video_vae(), picture(1), film, 0.8).args[0]
    latent = nodes_lt.LTXVConcatAVLatent.execute(film, SILENCE).args[0]
    return Workflow(WORKFLOW_MODELS["video_with_sound"](), positives, negatives, [latent])


@functools.lru_cache
def guided_video() -> Workflow:
    """The same with a picture at the end, which the node adds to the conditionings and to the latent."""
    workflow = video_with_sound()
    film, _ = nodes_lt.LTXVSeparateAVLatent.execute(workflow.latents[0]).args
    made = [
        nodes_lt.LTXVAddGuide.execute(positive, negative, video_vae(), film, picture(2), -1, 0.7).args
        for positive, negative in zip(workflow.positives, workflow.negatives, strict=True)
    ]
    positives, negatives, films = map(list, zip(*made, strict=True))
    latents = [nodes_lt.LTXVConcatAVLatent.execute(each, SILENCE).args[0] for each in films]
    return workflow._replace(positives=positives, negatives=negatives, latents=latents)


@functools.lru_cache
def own_latents() -> Workflow:
    """MiniMax H3: the encoder gives the latent, too, so that there is one per prompt."""
    from comfy_extras import nodes_minimax_h3

    made = [
        nodes_minimax_h3.MiniMaxH3ImageToVideo.execute(minimax_clip(), None, each, 64, 64, 5).args for each in TEXTS
    ]
    positives, latents = map(list, zip(*made, strict=True))
    return Workflow(WORKFLOW_MODELS["minimax"](), positives, [], latents, cfg=1.0)


@functools.lru_cache
def own_latents_with_first_picture() -> Workflow:
    """The same from a picture."""
    workflow = own_latents()
    frame = {"minimax_keyframes": [{"resolved_frame_index": 0, "latent": randn(1, 24, 1, 4, 4, seed=4)}],
             "minimax_frame_count": 5}  # fmt: skip
    positives = [node_helpers.conditioning_set_values(each, frame) for each in workflow.positives]
    return workflow._replace(positives=positives)


WORKFLOWS: dict[str, Callable[[], Workflow]] = {
    "flux": reference_picture, "flux redux": style_tokens, "qwen edit": pictures_in_the_text, "wan": first_picture,
    "songs": lyrics, "wan, last picture": first_and_last_picture, "wan vace": video_to_follow, "inpaint": painted_anew,
    "controlnet": controlled,
}  # fmt: skip
if "video_with_sound" in WORKFLOW_MODELS:  # older versions of ComfyUI have none
    WORKFLOWS |= {"ltx-2": video_with_sound, "ltx-2, guided": guided_video}
if "wan_scail" in WORKFLOW_MODELS:
    WORKFLOWS |= {"scail": poses_for_a_time, "bernini": video_to_change}
if "minimax" in WORKFLOW_MODELS:
    WORKFLOWS |= {"minimax": own_latents, "minimax, picture": own_latents_with_first_picture}


def parts(latent: dict[str, Any]) -> list[torch.Tensor]:
    """Video and sound, or the picture."""
    samples = latent["samples"]
    return samples.unbind() if samples.is_nested else [samples]


def assert_each(found: dict[str, Any], alone: list[dict[str, Any]]) -> None:
    for part, own in zip(parts(found), zip(*map(parts, alone), strict=True), strict=True):
        assert_equal(part, torch.cat(own))


@functools.lru_cache
def by_the_template(name: str) -> list[dict[str, Any]]:
    """What the template gives for each prompt alone."""
    workflow = WORKFLOWS[name]()

    def one(of: list[Any], at: int) -> Any:
        return of[at if len(of) > 1 else 0]

    negatives = workflow.negatives or zeroed(workflow.positives)
    return [
        comfy_nodes.common_ksampler(
            workflow.model, 5, STEPS, workflow.cfg, "euler", "simple", positive, one(negatives, at),
            one(workflow.latents, at),
        )[0]
        for at, positive in enumerate(workflow.positives)
    ]  # fmt: skip


def by_share_sampling(workflow: Workflow, share: float, correction: str) -> dict[str, Any]:
    inputs = shared(
        "", workflow.positives, workflow.latents, partition=PAIR, share=share, correction=correction,
        model=workflow.model, negatives=workflow.negatives,
    )  # fmt: skip
    return ksampler(inputs, steps=STEPS, cfg=workflow.cfg, scheduler="simple")


@pytest.mark.parametrize("name", WORKFLOWS)
class TestEveryWorkflow:
    def test_share_0(self, name: str) -> None:
        workflow = WORKFLOWS[name]()
        assert_each(by_share_sampling(workflow, 0.0, "off"), by_the_template(name))

    def test_every_call_is_the_prompts_own(self, name: str) -> None:
        workflow = WORKFLOWS[name]()
        assert_each(by_share_sampling(workflow, 1e-9, "on"), by_the_template(name))

    def test_half_is_shared(self, name: str, caplog: Any) -> None:
        workflow = WORKFLOWS[name]()
        with count_evaluations(workflow.model) as evaluations, caplog.at_level("INFO"):
            found = by_share_sampling(workflow, 0.5, "off")
        rows = (STEPS // 2) * 3 * (1 if workflow.cfg == 1.0 else 2)
        assert evaluations.rows == rows
        assert f"{rows} done, {rows} planned" in caplog.text
        alone = by_the_template(name)
        assert difference(parts(found)[0], torch.cat([parts(each)[0] for each in alone])) > 1e-4

    def test_the_sage_sampler(self, name: str) -> None:
        workflow = WORKFLOWS[name]()
        negatives = workflow.negatives or zeroed(workflow.positives)
        if workflow.cfg != 1.0 and not all(same(negatives[0], each) for each in negatives):
            pytest.skip("it has one negative for all prompts")
        groups = grouped(workflow.positives, PAIR)
        settings = {**SETTINGS, "steps": STEPS, "cfg": workflow.cfg, "scheduler": "simple", "share": 0.5}
        for correction in ("off", "on"):
            expected, _ = sage_ksampler.sample(
                workflow.model, groups, negatives[0], workflow.latents[0], correction=correction, **settings
            )
            assert_each(by_share_sampling(workflow, 0.5, correction), [expected])


class TestSecondStage:
    """A sampler after the one that shares: every row keeps its prompt, in the same node or in one node per prompt."""

    def test_two_experts(self) -> None:
        """Wan 2.2: two models for the noisier and the cleaner steps."""
        workflow = first_picture()
        low = workflow.model.clone()
        key = next(name for name in low.model.state_dict() if name.endswith("cross_attn.v.weight"))
        low.add_patches({key: ("diff", (0.2 * randn(*low.model.state_dict()[key].shape, seed=1),))}, 1.0)

        def stage(model: Any, positive: Any, negative: Any, rows: dict[str, Any], first: bool) -> dict[str, Any]:
            return comfy_nodes.KSamplerAdvanced().sample(
                model, "enable" if first else "disable", 5, STEPS, 3.0, "euler", "simple", positive, negative, rows,
                0 if first else 3, 3 if first else STEPS, "enable" if first else "disable",
            )[0]  # fmt: skip

        prompts = list(zip(workflow.positives, workflow.negatives, workflow.latents, strict=True))
        alone = [
            stage(low, positive, negative, stage(workflow.model, positive, negative, latent, True), False)
            for positive, negative, latent in prompts
        ]
        inputs = shared(
            "", workflow.positives, workflow.latents, partition=PAIR, share=0.0, model=workflow.model,
            negatives=workflow.negatives,
        )  # fmt: skip
        rows = stage(inputs.model, inputs.positive, inputs.negative, inputs.latent, True)
        again = shared("", [inputs.positive], rows, partition=PAIR, model=low, negatives=[inputs.negative])
        assert_each(stage(again.model, again.positive, again.negative, again.latent, False), alone)
        each = split_latent(rows, 2)
        for (positive, negative, _), own, expected in zip(prompts, each, alone, strict=True):
            assert_each(stage(low, positive, negative, own, False), [expected])

    @pytest.mark.skipif("ltx-2" not in WORKFLOWS, reason="this version of ComfyUI has no LTX-2")
    @pytest.mark.parametrize("name", ["ltx-2", "ltx-2, guided"])
    def test_video_with_sound_made_larger(self, name: str) -> None:
        """LTX-2: the video is taken out, made larger and put back, and both are sampled again."""
        from comfy_extras import nodes_lt_upsampler

        def again(model: Any, positive: Any, negative: Any, latent: dict[str, Any]) -> dict[str, Any]:
            film, sound = nodes_lt.LTXVSeparateAVLatent.execute(latent).args
            positive, negative, film = nodes_lt.LTXVCropGuides.execute(positive, negative, film).args
            film = nodes_lt_upsampler.LTXVLatentUpsampler.execute(film, video_upscaler(), video_vae()).args[0]
            film = nodes_lt.LTXVImgToVideoInplace.execute(video_vae(), picture(1), film, 1.0).args[0]
            both = nodes_lt.LTXVConcatAVLatent.execute(film, sound).args[0]
            return comfy_nodes.common_ksampler(
                model, 6, STEPS, 1.0, "euler", "simple", positive, negative, both, denoise=0.5
            )[0]

        workflow = WORKFLOWS[name]()
        inputs = shared(
            "", workflow.positives, workflow.latents, partition=PAIR, model=workflow.model, negatives=workflow.negatives
        )  # fmt: skip
        rows = ksampler(inputs, steps=STEPS, cfg=workflow.cfg, scheduler="simple")
        expected = [
            again(workflow.model, positive, negative, own)
            for positive, negative, own in zip(
                workflow.positives, workflow.negatives, split_latent(rows, 2), strict=True
            )
        ]
        assert_each(again(inputs.model, inputs.positive, inputs.negative, rows), expected)


@pytest.mark.skipif("wan_blocks" not in WORKFLOW_MODELS, reason="this version of ComfyUI has no such model")
@pytest.mark.parametrize("correction", ["off", "on"])
def test_a_network_that_remembers_shares_nothing(correction: str, caplog: Any) -> None:
    from comfy_extras import nodes_ar_video

    def sample(model: Any, positive: Any, negative: Any, latent: dict[str, Any]) -> dict[str, Any]:
        guider = nodes_custom_sampler.CFGGuider.execute(model, positive, negative, 1.0).args[0]
        sigmas = nodes_custom_sampler.BasicScheduler.execute(model, "simple", 4, 1.0).args[0]
        sampler = nodes_ar_video.SamplerARVideo.execute(1).args[0]
        noise = nodes_custom_sampler.RandomNoise.execute(5).args[0]
        return nodes_custom_sampler.SamplerCustomAdvanced.execute(noise, guider, sampler, sigmas, latent).args[0]

    model, latent, negative = (
        WORKFLOW_MODELS["wan_blocks"](),
        {"samples": torch.zeros(1, 16, 3, 8, 8)},
        text(1, width=64),
    )
    prompts = [text(seed, width=64) for seed in (10, 11)]
    inputs = shared("", prompts, latent, partition=PAIR, correction=correction, model=model, negatives=[negative])
    with caplog.at_level("INFO"):
        found = sample(inputs.model, inputs.positive, inputs.negative, inputs.latent)
    assert "Nothing is shared: the network makes a video block by block" in caplog.text
    assert_each(found, [sample(model, prompt, negative, latent) for prompt in prompts])
