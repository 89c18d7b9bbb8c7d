"""Settings of an image, read from the graph."""

from __future__ import annotations

from typing import Any

from comfyui_sage.sage_core.images.graph_settings import SamplerSettings, read_sampler_settings


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
    assert read_sampler_settings(graph, "9") == SamplerSettings(seed=5, share=0.3, negative="blurry", **SAMPLING)


def test_prefix_and_branch() -> None:
    graph = {
        **END,
        "6": node("SageSharedKSamplerPrefix", model=["1", 0], negative=["2", 0], seed=6, share=0.4, **SAMPLING),
        "7": node("SageBranchKSampler", model=["1", 0], prefix=["6", 0]),
    }
    assert read_sampler_settings(graph, "9") == SamplerSettings(seed=6, share=0.4, negative="blurry", **SAMPLING)


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


def test_the_nearest_sampler_counts() -> None:
    graph = {
        **END,
        "6": node("SageKSampler", seed=1, share=0.4, **SAMPLING),
        "7": node("KSampler", latent_image=["6", 0], seed=2, **{**SAMPLING, "steps": 5}),
    }
    found = read_sampler_settings(graph, "9")
    assert (found.seed, found.steps) == (2, 5)


def test_a_graph_without_a_sampler_or_none_at_all() -> None:
    assert read_sampler_settings({"9": node("SageSaveImages", images=["1", 0])}, "9") == SamplerSettings()
    assert read_sampler_settings(None, "9") == SamplerSettings()
    assert read_sampler_settings(END, None) == SamplerSettings()


def test_a_cycle_ends() -> None:
    graph = {"1": node("A", images=["2", 0]), "2": node("B", images=["1", 0])}
    assert read_sampler_settings(graph, "1") == SamplerSettings()
