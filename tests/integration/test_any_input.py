"""Whatever comes in, a node gives a result, or ComfyUI refuses it, or an error of ours names the input.

Every case starts from input that works, and changes one to three of it: typed values as ComfyUI's API takes them, and
values over links, which ComfyUI does not look at.
"""

from __future__ import annotations

import asyncio
import copy
import functools
import math
import re
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import comfy.samplers
import execution
import folder_paths
import pytest
import torch
from comfyui_sage.nodes import NODES
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.prefix.file import save_prefix
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.prefix import Prefix
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from models import MODELS, clip_l, conditioning, latent, vae
from reference import SETTINGS, different, grouped

import nodes as comfy_nodes

CASES = 600
TESTED = {node.GET_SCHEMA().node_id: node for node in NODES}
WITH_INPUTS = [name for name, node in TESTED.items() if node.GET_SCHEMA().inputs]
# In place of the defaults, where these take long or are not there.
QUICK: dict[str, Any] = {
    "steps": 2, "rank": 2, "batch_size": 1, "run_name": "any", "sampler_name": "euler", "scheduler": "normal",
    "prompts": "a {red|blue} car", "filename_prefix": "any", "layers": "attention and feed-forward",
}  # fmt: skip
TEXTS = [
    "",
    " ",
    "\0",
    "a\ud83d",
    "..",
    "../x",
    "/",
    "{",
    "{3$$a}",
    "__x__",
    "CON",
    "[]",
    '{"a": 1}',
    "\u200b",
]
NUMBERS = [math.nan, math.inf, -math.inf, -1, 0, 1, 0.5, -0.5, 2**64, -(2**70), 1e300]
WIDGETS = {"INT", "FLOAT", "STRING", "BOOLEAN", "COMBO"}


def of_shape(*shape: int) -> torch.Tensor:
    return torch.full(shape, 0.5)


LATENTS = [
    latent("sd15", batch=2), latent("sd3"), latent("video"), latent("audio"), {}, {"samples": None}, {"samples": [1]},
    *({"samples": of_shape(*shape)} for shape in [(), (4,), (1, 4), (0, 4, 8, 8), (1, 0, 8, 8), (1, 4, 0, 8),
                                                  (1, 4, 8, 0), (1, 3, 8, 8), (1, 4, 7, 9), (1, 4, 1, 1)]),
    {"samples": torch.full((1, 4, 8, 8), math.nan)}, {"samples": torch.ones(1, 4, 8, 8, dtype=torch.int64)},
    *({**latent("sd15"), "noise_mask": mask} for mask in [
        torch.full((1, 1, 8, 8), math.nan), of_shape(0, 8, 8), of_shape(1, 0, 8), of_shape(3, 64, 64), of_shape(2),
        of_shape(), "mask", of_shape(1, 64, 64),
    ]),
    {**latent("sd15", batch=2), "batch_index": [0]}, {**latent("sd15"), "batch_index": []},
]  # fmt: skip
CONDITIONINGS = [
    [], [[]], conditioning("sdxl", seed=1), conditioning("flux", seed=1), [[None, {}]], [["text", {}]],
    [[of_shape(1), {}]], [[of_shape(1, 77, 768)]], [[of_shape(1, 0, 768), {}]], [[of_shape(0, 77, 768), {}]],
    [[of_shape(1, 77, 768), {}]], [[of_shape(2, 77, 768), {"pooled_output": of_shape(2, 768)}]],
    [[of_shape(1, 77, 768), {"pooled_output": "text"}]], [[torch.full((1, 77, 768), math.nan), {}]],
    conditioning("sd15", seed=1) + conditioning("sd15", seed=2), [conditioning("sd15", seed=1)],
]  # fmt: skip
IMAGES = [of_shape(*shape) for shape in [(2, 16, 16, 3), (4, 16, 16, 3), (3, 16, 16, 3), (0, 16, 16, 3), (2, 0, 16, 3),
                                         (2, 16, 0, 3), (2, 16, 16, 0), (2, 16, 16, 2), (2, 16, 16, 4), (2, 16, 16, 1),
                                         (16, 16, 3), (2, 1, 1, 3), (2, 1, 400, 3), ()]]  # fmt: skip
IMAGES += [torch.full((2, 16, 16, 3), math.nan), torch.full((2, 16, 16, 3), math.inf), -of_shape(2, 16, 16, 3)]
SIGMAS = [of_shape(*shape) for shape in [(), (0,), (1,), (3,), (2, 2)]]
SIGMAS += [torch.tensor([math.nan, 1.0, 0.0]), torch.tensor([math.inf, 0.0]), torch.tensor([0.0, 1.0, 5.0])]
JUNK = [None, "text", 3, [], {}, torch.ones(1)]


@functools.lru_cache
def two() -> PromptGroups:
    return run("SageSemanticGroupPrompts", works("SageSemanticGroupPrompts")).args[0]


@functools.lru_cache
def prefix() -> Prefix:
    wires = MODELS["sd15"](), two(), conditioning("sd15", seed=1), latent("sd15")
    return ksampler.sample_prefix(*wires, **{**SETTINGS, "steps": 2}, share=0.5)[0]


@functools.lru_cache
def lora() -> Any:
    return run("SageTrainLora", works("SageTrainLora")).args[0]


# By socket: what works, and what else may come.
SOCKETS: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "MODEL": (MODELS["sd15"], []),
    "CLIP": (clip_l, []),
    "VAE": (vae, [vae(16)]),
    "LATENT": (lambda: latent("sd15"), LATENTS),
    "CONDITIONING": (lambda: conditioning("sd15", seed=3), CONDITIONINGS),
    "IMAGE": (lambda: of_shape(2, 16, 16, 3), IMAGES),
    "SAGE_GROUPS": (two, [grouped(different("sdxl", 2), [(0, 1)]), grouped(different("sd15", 3), [(0, 1, 2)])]),
    "SAGE_PREFIX": (prefix, []),
    "LORA_MODEL": (lora, []),
}


class AnyOutputs:
    """Gives every type of socket, for links in the graphs that ComfyUI validates."""

    RETURN_TYPES = (*SOCKETS, "INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
    FUNCTION = "none"
    CATEGORY = ""

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {"required": {}}


@pytest.fixture(autouse=True, scope="module")
def comfyui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Our nodes in ComfyUI's list, and folders of their own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("input", "output"):
            folder = tmp_path_factory.mktemp(name)
            patch.setattr(folder_paths, f"get_{name}_directory", lambda folder=folder: str(folder))
            (folder / "prefixes").mkdir()
        save_prefix(prefix(), folder / "prefixes" / "any_00001_.prefix.safetensors")
        for name, node in {**TESTED, "AnyOutputs": AnyOutputs}.items():
            patch.setitem(comfy_nodes.NODE_CLASS_MAPPINGS, name, node)
        yield


def works(node_id: str) -> dict[str, Any]:
    """Input that a node accepts."""
    found = {}
    for each in TESTED[node_id].define_schema().inputs or ():
        if (kind := each.get_io_type()) in SOCKETS:
            if not each.optional:
                found[each.id] = SOCKETS[kind][0]()
        elif kind in WIDGETS and not (each.optional and each.id == "inception_weights"):
            default = each.options[0] if kind == "COMBO" and each.default is None else each.default
            found[each.id] = QUICK.get(each.id, "" if default is None else default)
    return found


def changes(node_id: str) -> st.SearchStrategy[dict[str, tuple[Any, bool]]]:
    """Other values of some inputs, and whether they come over a link."""
    inputs = TESTED[node_id].define_schema().inputs
    one = st.sampled_from(inputs).flatmap(lambda each: st.tuples(st.just(each.id), _others(each)))
    return st.lists(one, min_size=1, max_size=3).map(dict)


def _others(schema_input: Any) -> st.SearchStrategy[tuple[Any, bool]]:
    kind = schema_input.get_io_type()
    if kind in SOCKETS:
        good, bad = SOCKETS[kind]
        return st.tuples(
            st.sampled_from([good, *(lambda value=value: value for value in [*bad, *JUNK])]), st.just(True)
        )
    typed = st.sampled_from([*NUMBERS, *TEXTS, None, True, {}, {"__value__": [1, 2]}])
    linked = {
        "INT": st.sampled_from([int(number) for number in NUMBERS if math.isfinite(number)]),
        "FLOAT": st.sampled_from([float(number) for number in NUMBERS]),
        "BOOLEAN": st.booleans(),
        "COMBO": st.sampled_from([*getattr(schema_input, "options", [""])[:20], "", "x"]),
    }.get(kind, st.sampled_from(TEXTS))
    return st.tuples(typed.map(lambda value: lambda: value), st.just(False)) | st.tuples(
        (linked | st.none()).map(lambda value: lambda: value), st.just(True)
    )


def accepted(node_id: str, inputs: dict[str, Any], linked: set[str]) -> dict[str, Any] | None:
    """The typed inputs as ComfyUI passes them on; None where it refuses them."""
    kinds = {each.id: each.get_io_type() for each in TESTED[node_id].define_schema().inputs or ()}
    typed = {
        name: ["2", AnyOutputs.RETURN_TYPES.index(kinds[name])]
        if name in linked or kinds[name] not in WIDGETS
        else value
        for name, value in inputs.items()
    }
    graph = {"1": {"class_type": node_id, "inputs": typed}, "2": {"class_type": "AnyOutputs", "inputs": {}}}
    try:
        valid, _, _ = asyncio.run(execution.validate_inputs("any", graph, "1", {}))
    except Exception:  # noqa: BLE001  # ComfyUI refuses the graph when this happens, too
        return None
    return (
        {name: inputs[name] if isinstance(value, list) else value for name, value in typed.items()} if valid else None
    )


def shown(value: Any) -> str:
    """A value in an error: of tensors the shape alone."""
    if isinstance(value, torch.Tensor):
        return f"{tuple(value.shape)} {value.flatten()[:3].tolist()}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(shown, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{name}: {shown(each)}' for name, each in value.items())}}}"
    return repr(value)[:100]


def run(node_id: str, inputs: dict[str, Any]) -> Any:
    """Runs a node as ComfyUI does."""
    hidden = SimpleNamespace(prompt=None, extra_pnginfo=None, unique_id="1")
    node: Any = type(node_id, (TESTED[node_id],), {"hidden": hidden})
    if node.define_schema().is_input_list:
        inputs = {name: [value] for name, value in inputs.items()}
    with torch.inference_mode():
        return node.execute(**inputs)


@pytest.mark.parametrize("node_id", TESTED)
def test_what_works(node_id: str) -> None:
    inputs = works(node_id)
    assert accepted(node_id, copy.copy(inputs), set()) is not None
    run(node_id, inputs)


@pytest.mark.parametrize("node_id", WITH_INPUTS)
def test_any_input(node_id: str) -> None:
    names = "|".join(each.id for each in TESTED[node_id].define_schema().inputs)

    @settings(max_examples=CASES // len(WITH_INPUTS) + 1, suppress_health_check=list(HealthCheck))
    @given(changes(node_id))
    def check(changed: dict[str, tuple[Callable[[], Any], bool]]) -> None:
        inputs = works(node_id) | {name: make() for name, (make, _) in changed.items()}
        linked = {name for name, (_, is_linked) in changed.items() if is_linked}
        passed = accepted(node_id, inputs, linked)
        if passed is None:
            return
        try:
            run(node_id, passed)
        except Exception as error:
            if not isinstance(error, ValueError) or not re.match(rf"({names})\b", str(error)):
                raise AssertionError(shown({name: passed[name] for name in changed})) from error

    check()


@pytest.mark.parametrize("latent_rows", ["variations", "prompts", "auto"])
def test_a_guider_in_another_sampler(latent_rows: str) -> None:
    """There, no node of ours sees the latent and the sigmas before the guider does."""
    guider = run("SageGuider", works("SageGuider") | {"latent_rows": latent_rows}).args[0]
    euler, good = comfy.samplers.sampler_object("euler"), latent("sd15", batch=2)
    tensors = [image for image in LATENTS if torch.is_tensor(image.get("samples")) and image["samples"].ndim > 2]
    # ComfyUI gives an empty latent the channels of the model before.
    images = [image for image in tensors if image["samples"].shape[1] == 4 or image["samples"].any()]
    for image, sigmas in [*((image, of_shape(2)) for image in images), *((good, sigmas) for sigmas in SIGMAS)]:
        samples, mask = image["samples"], image.get("noise_mask")
        try:
            with torch.inference_mode():
                guider.sample(torch.ones_like(samples), samples, euler, sigmas, denoise_mask=mask)
        except ValueError as error:
            assert re.match("latent_image|sigmas", str(error)), shown([image, sigmas])
