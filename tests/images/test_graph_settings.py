"""Settings of an image, read from the graph."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_sage.nodes import NODES
from comfyui_sage.nodes.graph import output_type
from comfyui_sage.sage_core.images.graph_settings import SamplerSettings, read_sampler_settings, stated_variations

import nodes as comfy_nodes


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


SAMPLING = {"steps": 12, "cfg": 4.5, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0}
END = {
    "1": node("SageDemoModel"),
    "2": node("CLIPTextEncode", clip=["1", 1], text="blurry"),
    "8": node("VAEDecode", samples=["7", 0], vae=["1", 2]),
    "9": node("SageSaveImages", images=["8", 0], groups=["3", 0], filename_prefix="x"),
}


def test_one_node_sampler() -> None:
    graph = {**END, "7": node("SageKSampler", model=["1", 0], negative=["2", 0], seed=5, share=0.3, **SAMPLING)}
    expected = SamplerSettings(seed=5, share=0.3, negative="blurry", has_own_seeds=True, **SAMPLING)
    assert read_sampler_settings(graph, "9") == expected


def test_prefix_and_branch() -> None:
    graph = {
        **END,
        "6": node("SageSharedKSamplerPrefix", model=["1", 0], negative=["2", 0], seed=6, share=0.4, **SAMPLING),
        "7": node("SageBranchKSampler", model=["1", 0], prefix=["6", 0]),
    }
    expected = SamplerSettings(seed=6, share=0.4, negative="blurry", has_own_seeds=True, **SAMPLING)
    assert read_sampler_settings(graph, "9") == expected


def test_custom_sampler_with_settings_over_wires() -> None:
    graph = {
        **END,
        "4": node("RandomNoise", noise_seed=["5", 0]),
        "5": node("PrimitiveInt", value=77),
        "6": node("SageGuider", model=["10", 0], negative=["2", 0], cfg=3.0, share=0.25),
        "7": node("SamplerCustomAdvanced", noise=["4", 0], guider=["6", 0], sampler=["11", 0], sigmas=["12", 0]),
        "10": node("CheckpointLoaderSimple", ckpt_name="some.safetensors"),
        "11": node("KSamplerSelect", sampler_name="uni_pc"),
        "12": node("BasicScheduler", model=["10", 0], scheduler="karras", steps=9, denoise=0.5),
    }
    found = read_sampler_settings(graph, "9")
    assert (found.seed, found.share, found.cfg, found.steps) == (77, 0.25, 3.0, 9)
    assert (found.sampler_name, found.scheduler, found.denoise) == ("uni_pc", "karras", 0.5)
    assert found.model == "some.safetensors"


def test_the_text_of_a_list_is_no_negative_prompt() -> None:
    """A list may have nothing else that is typed, in a graph that a program has written."""
    encoder = node("CLIPTextEncode", clip=["1", 1], text=["20", 1])
    graph = {**END, "2": encoder, "7": node("KSampler", model=["1", 0], negative=["2", 0], seed=1, **SAMPLING)}
    for inputs, expected in (({"prompts": "a car\na boat"}, None), ({"prompts": ["3", 0], "negative": "no"}, "no")):
        listed = {**graph, "20": node("SagePromptList", **inputs)}
        assert read_sampler_settings(listed, "9").negative == expected


def test_the_nearest_sampler_counts() -> None:
    graph = {
        **END,
        "6": node("SageKSampler", seed=1, share=0.4, **SAMPLING),
        "7": node("KSampler", latent_image=["6", 0], seed=2, **{**SAMPLING, "steps": 5}),
    }
    found = read_sampler_settings(graph, "9")
    assert (found.seed, found.steps) == (2, 5)


def test_a_patch_of_the_model_is_not_its_name() -> None:
    loader = node("UNETLoader", unet_name="some.safetensors", weight_dtype="default")
    for above, expected in ((loader, "some.safetensors"), (node("SageDemoModel", model="pictures"), None)):
        shifted = node("ModelSamplingSD3", model=["20", 0], shift=3.0)
        graph = {**END, "20": above, "21": shifted, "7": node("KSampler", model=["21", 0], seed=1, **SAMPLING)}
        assert read_sampler_settings(graph, "9").model == expected


@pytest.mark.parametrize(("kind", "expected"), [("ConditioningZeroOut", None), ("ConditioningCombine", "blurry")])
def test_a_negative_that_is_zeroed_out_has_no_text(kind: str, expected: str | None) -> None:
    sampler = node("KSampler", model=["1", 0], negative=["20", 0], seed=1, **SAMPLING)
    graph = {**END, "20": node(kind, conditioning=["2", 0]), "7": sampler}
    assert read_sampler_settings(graph, "9").negative == expected


def test_the_negative_of_a_node_with_both() -> None:
    graph = {
        **END,
        "20": node("CLIPTextEncode", clip=["1", 1], text="a car"),
        "21": node("SageShare", model=["1", 0], positive=["20", 0], negative=["2", 0], share=0.4),
        "7": node("KSampler", model=["21", 0], positive=["21", 1], negative=["21", 2], seed=1, **SAMPLING),
    }
    assert read_sampler_settings(graph, "9").negative == "blurry"


def test_a_graph_without_a_sampler_or_none_at_all() -> None:
    assert read_sampler_settings({"9": node("SageSaveImages", images=["1", 0])}, "9") == SamplerSettings()
    assert read_sampler_settings(None, "9") == SamplerSettings()
    assert read_sampler_settings(END, None) == SamplerSettings()


def test_a_cycle_ends() -> None:
    graph = {"1": node("A", images=["2", 0]), "2": node("B", images=["1", 0])}
    assert read_sampler_settings(graph, "1") == SamplerSettings()


SAVED = {
    "3": node("SageSemanticGroupPrompts", clip=["1", 1]),
    "4": node("EmptyLatentImage", width=64, height=64, batch_size=2),
    "7": node("SageKSampler", model=["1", 0], groups=["3", 0], negative=["2", 0], latent_image=["4", 0]),
}


def stated(**changed: dict[str, Any]) -> int | None:
    """What a graph promises to its SAGE Save Images; changed nodes by `n` and their id."""
    return stated_variations({**END, **SAVED, **{name[1:]: it for name, it in changed.items()}}, "9", output_type)


class TestStatedVariations:
    """The real types of ComfyUI's nodes and ours decide which links are followed."""

    @pytest.fixture(autouse=True)
    def our_nodes(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for each in NODES:
            monkeypatch.setitem(comfy_nodes.NODE_CLASS_MAPPINGS, each.define_schema().node_id, each)

    def test_the_batch_size_of_the_latent(self) -> None:
        assert stated() == 2
        assert stated(n4=node("EmptyLatentImage", batch_size=["5", 0]), n5=node("PrimitiveInt", value=3)) == 3

    def test_through_a_prefix(self) -> None:
        prefix = node("SageSharedKSamplerPrefix", **SAVED["7"]["inputs"])
        assert stated(n6=prefix, n7=node("SageBranchKSampler", model=["1", 0], prefix=["6", 0])) == 2

    def test_through_a_second_pass_and_a_split(self) -> None:
        upscaled = node("LatentUpscale", samples=["7", 0])
        second = node("KSampler", model=["1", 0], positive=["2", 0], latent_image=["20", 0])
        assert stated(n20=upscaled, n21=second, n8=node("VAEDecode", samples=["21", 0])) is None
        second["inputs"]["latent_image"] = ["7", 0]
        assert stated(n21=second, n8=node("VAEDecode", samples=["21", 0])) == 2
        split = node("SageSplitByPrompt", groups=["3", 0], images=["8", 0])
        assert stated(n22=split, n9=node("SageSaveImages", images=["22", 1], groups=["3", 0])) == 2

    def test_what_the_graph_does_not_say(self) -> None:
        assert stated(n4=node("VAEEncode", pixels=["30", 0])) is None
        assert stated(n4=node("RepeatLatentBatch", samples=["31", 0], amount=3), n31=SAVED["4"]) is None
        assert stated(n8=node("AnUnknownNode", samples=["7", 0])) is None
        assert stated_variations(None, "9", output_type) is None
        assert stated_variations(END, None, output_type) is None

    def test_a_sampler_of_other_groups_says_nothing(self) -> None:
        assert stated(n9=node("SageSaveImages", images=["8", 0], groups=["33", 0])) is None
        plain = node("KSampler", model=["1", 0], positive=["2", 0], latent_image=["4", 0])
        assert stated(n7=plain) is None

    def test_images_of_another_kind_of_link_are_not_those_saved(self) -> None:
        """A sampler that only made the picture of a ControlNet."""
        pictured = node("ControlNetApply", conditioning=["2", 0], image=["8", 0])
        again = node("SageKSampler", groups=["3", 0], negative=["40", 0], latent_image=["42", 0])
        more = {"n40": pictured, "n41": again, "n42": node("EmptyLatentImage", batch_size=5)}
        assert stated(**more, n43=node("VAEDecode", samples=["41", 0]), n9=node(
            "SageSaveImages", images=["43", 0], groups=["3", 0])) == 5  # fmt: skip

    def test_a_cycle_ends(self) -> None:
        assert stated(n4=node("KSampler", latent_image=["7", 0])) is None
