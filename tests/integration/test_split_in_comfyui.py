"""After the sampler, in a real ComfyUI: once per prompt, with the right prompt, and no silent mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from comfyui_sage.nodes.images import BranchSave
from comfyui_sage.sage_core.conditioning.template_source import INTO_TEXT
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_server import Graph, Server, ServerError
from evaluations import count_evaluations
from graphs import sage_graph, split_graph
from models import MODELS, conditioning, latent, vae
from PIL import Image
from reference import SETTINGS, different, grouped

PROMPTS = ["a red car in the snow", "a blue car in the snow", "a small boat on the sea"]
VARIATIONS = 2
LATENT, IMAGES, PROMPT, POSITIVE, NEGATIVE = range(5)
"""The outputs of Split by Prompt."""


def graph_with_split(*, latent: bool = True, images: bool = True) -> Graph:
    """Three prompts of two variations, sampled, decoded, split (node 30)."""
    graph = sage_graph()
    wires = {**({"latent": ["5", 0]} if latent else {}), **({"images": ["6", 0]} if images else {})}
    graph["30"] = {"class_type": "SageSplitByPrompt", "inputs": {"groups": ["2", 0], **wires}}
    return graph


def saved(images: list[Any], prefix: Any) -> dict[str, Any]:
    return {"class_type": "SaveImage", "inputs": {"images": images, "filename_prefix": prefix}}


def pixels(files: list[Path]) -> list[bytes]:
    return [Image.open(path).tobytes() for path in files]


def second_pass(latent: list[Any], positive: list[Any]) -> dict[str, Any]:
    settings = {"seed": 3, "steps": 4, "cfg": 4.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 0.6}
    wires = {"model": ["1", 0], "positive": positive, "negative": ["3", 0], "latent_image": latent}
    return {"class_type": "KSampler", "inputs": {**wires, **settings}}


class TestOncePerPrompt:
    def test_images_are_saved_prompt_by_prompt(self, server: Server) -> None:
        graph = graph_with_split()
        graph["31"] = saved(["30", IMAGES], ["30", PROMPT])
        outputs = server.queue(graph)
        files = server.files(outputs["31"])
        assert [path.name.rsplit("_", 2)[0] for path in files] == [text for text in PROMPTS for _ in range(VARIATIONS)]
        assert pixels(files) == pixels(server.files(outputs["7"]))
        assert len(set(pixels(files))) == len(files)

    def test_a_second_pass_samples_every_prompt_under_its_own_words(self, server: Server) -> None:
        graph = graph_with_split()
        # With batch indices: a variation has the same noise for every prompt, in the rows alone, too.
        first = {"samples": ["4", 0], "batch_index": 0, "length": VARIATIONS}
        graph["29"] = {"class_type": "LatentFromBatch", "inputs": first}
        graph["5"]["inputs"]["latent_image"] = ["29", 0]
        upscale = {"upscale_method": "nearest-exact", "scale_by": 1.5}
        graph["31"] = {"class_type": "LatentUpscaleBy", "inputs": {"samples": ["30", LATENT], **upscale}}
        graph["32"] = second_pass(["31", 0], ["30", POSITIVE])
        graph["33"] = {"class_type": "VAEDecode", "inputs": {"samples": ["32", 0], "vae": ["1", 2]}}
        graph["34"] = saved(["33", 0], "second/split")
        for at, text in enumerate(PROMPTS):
            one = str(100 * (at + 1))
            rows = {"batch_index": at * VARIATIONS, "length": VARIATIONS}
            graph[one + "0"] = {"class_type": "LatentFromBatch", "inputs": {"samples": ["5", 0], **rows}}
            graph[one + "1"] = {"class_type": "LatentUpscaleBy", "inputs": {"samples": [one + "0", 0], **upscale}}
            graph[one + "2"] = {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": text}}
            graph[one + "3"] = second_pass([one + "1", 0], [one + "2", 0])
            graph[one + "4"] = {"class_type": "VAEDecode", "inputs": {"samples": [one + "3", 0], "vae": ["1", 2]}}
            graph[one + "5"] = saved([one + "4", 0], f"second/alone{at}")
        outputs = server.queue(graph)
        split = pixels(server.files(outputs["34"]))
        alone = [pixels(server.files(outputs[f"{at + 1}005"])) for at in range(len(PROMPTS))]
        assert len(split) == len(PROMPTS) * VARIATIONS
        assert split == [picture for pictures in alone for picture in pictures]

    def test_every_prompt_gets_a_video_of_its_own(self, server: Server) -> None:
        graph = graph_with_split()
        graph["31"] = {"class_type": "CreateVideo", "inputs": {"images": ["30", IMAGES], "fps": 2.0}}
        graph["32"] = {
            "class_type": "SaveVideo",
            "inputs": {"video": ["31", 0], "filename_prefix": "video/clip", "format": "auto", "codec": "auto"},
        }
        outputs = server.queue(graph)
        assert len(set(server.files(outputs["32"]))) == len(PROMPTS)
        assert all(path.stat().st_size for path in server.files(outputs["32"]))


class TestWhatIsNotConnected:
    """A missing input is said to whoever needs it, once, and to nobody else."""

    def errors(self, server: Server, graph: Graph) -> list[str]:
        found: list[str] = []

        def note(kind: str, data: dict[str, Any]) -> None:
            if kind == "execution_error":
                found.append(f"{data['node_id']}: {data['exception_message']}")

        try:
            server.queue(graph, note)
        except ServerError:
            assert found
        return found

    def test_nobody_needs_it(self, server: Server) -> None:
        graph = graph_with_split(latent=False, images=False)
        graph["31"] = {"class_type": "PreviewAny", "inputs": {"source": ["30", PROMPT]}}
        assert self.errors(server, graph) == []
        assert server.queue(graph)["31"]["text"] == PROMPTS

    def test_images(self, server: Server) -> None:
        graph = graph_with_split(images=False)
        graph["31"] = saved(["30", IMAGES], ["30", PROMPT])
        (error,) = self.errors(server, graph)
        assert error.startswith("31: ") and "Split by Prompt: connect images to get images." in error

    def test_latents(self, server: Server) -> None:
        graph = graph_with_split(latent=False)
        graph["31"] = second_pass(["30", LATENT], ["30", POSITIVE])
        graph["32"] = {"class_type": "VAEDecode", "inputs": {"samples": ["31", 0], "vae": ["1", 2]}}
        graph["33"] = saved(["32", 0], "never")
        (error,) = self.errors(server, graph)
        assert error.startswith("31: ") and "Split by Prompt: connect latent to get latents." in error

    def test_negatives(self, server: Server) -> None:
        graph = graph_with_split()
        graph["31"] = second_pass(["30", LATENT], ["30", POSITIVE])
        graph["31"]["inputs"]["negative"] = ["30", NEGATIVE]
        graph["32"] = {"class_type": "VAEDecode", "inputs": {"samples": ["31", 0], "vae": ["1", 2]}}
        graph["33"] = saved(["32", 0], "never")
        (error,) = self.errors(server, graph)
        assert "Split by Prompt: these prompts have no negatives of their own" in error

    def test_latents_of_other_prompts(self, server: Server) -> None:
        graph = graph_with_split()
        graph["29"] = {"class_type": "EmptySD3LatentImage", "inputs": {"width": 64, "height": 64, "batch_size": 4}}
        graph["30"]["inputs"]["latent"] = ["29", 0]
        graph["31"] = {"class_type": "PreviewAny", "inputs": {"source": ["30", PROMPT]}}
        (error,) = self.errors(server, graph)
        assert "latent: expected one latent per prompt" in error and "3 prompts, got 4 latents" in error


class TestSaving:
    def sage_save(self, images: list[Any]) -> dict[str, Any]:
        inputs = {"images": images, "groups": ["2", 0], "filename_prefix": "refused/image"}
        return {"class_type": "SageSaveImages", "inputs": inputs}

    def test_a_list_of_images(self, server: Server) -> None:
        graph = graph_with_split()
        graph["31"] = self.sage_save(["30", IMAGES])
        with pytest.raises(ServerError, match="SageSaveImages .*got 2 images.*Split by Prompt.*Save Image"):
            server.queue(graph)

    def test_a_list_that_could_be_all_images_of_fewer_variations(self, server: Server) -> None:
        """Two variations of two prompts: each prompt's two images would be saved as the two prompts' images."""
        graph = graph_with_split()
        graph["2"]["inputs"]["prompts"] = "\n".join(PROMPTS[:2])
        graph["31"] = self.sage_save(["30", IMAGES])
        with pytest.raises(ServerError, match="expected 2 of each of the 2 prompts .*batch_size.*, got 2 images"):
            server.queue(graph)

    def test_more_images_than_were_sampled_as_of_videos(self, server: Server) -> None:
        graph = sage_graph()
        graph["30"] = {"class_type": "RepeatImageBatch", "inputs": {"image": ["6", 0], "amount": 5}}
        graph["31"] = self.sage_save(["30", 0])
        with pytest.raises(ServerError, match="expected 2 of each of the 3 prompts.*got 30 images.*Create Video"):
            server.queue(graph)

    def test_videos_are_refused_before_anything_is_sampled(self) -> None:
        model, groups = MODELS["video"](), grouped(different("video", 2), [(0, 1)])
        prefix, _ = ksampler.sample_prefix(
            model, groups, conditioning("video", seed=1), latent("video"), share=0.5, **{**SETTINGS, "steps": 2}
        )
        with (
            count_evaluations(model) as evaluations,
            pytest.raises(ValueError, match=r"prefix: .* got videos \(2 latent frames\). .*Split by Prompt.*Video"),
        ):
            BranchSave.execute(model, prefix, vae(16), "refused/video")
        assert evaluations.rows == 0

    def test_a_prefix_of_pictures_is_saved_as_before(self, server: Server) -> None:
        graph = split_graph()
        inputs = {"model": ["1", 0], "prefix": ["5", 0], "vae": ["1", 2], "filename_prefix": "kept/image"}
        graph["22"] = {"class_type": "SageBranchSave", "inputs": inputs}
        assert len(server.files(server.queue(graph)["22"])) == len(PROMPTS) * VARIATIONS


class TestTemplate:
    def test_pictures_in_the_text(self, server: Server) -> None:
        graph = sage_graph()
        graph["40"] = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}}
        graph["41"] = {
            "class_type": "TextEncodeQwenImageEdit",
            "inputs": {"clip": ["1", 1], "prompt": "", "image": ["40", 0]},
        }
        graph["2"]["inputs"]["template"] = ["41", 0]
        with pytest.raises(ServerError, match="template: .* pictures, from TextEncodeQwenImageEdit .node 41"):
            server.queue(graph)
        del graph["41"]["inputs"]["image"]
        assert len(server.files(server.queue(graph)["7"])) == len(PROMPTS) * VARIATIONS

    def test_the_nodes_that_put_something_into_the_text(self, server: Server, comfyui_version: tuple[int, ...]) -> None:
        """One that is renamed would be missed without a word; older versions do not have all."""
        missing = set(INTO_TEXT) - set(server.get("/object_info"))
        assert not missing or comfyui_version < (0, 30)
