"""How much memory a long list takes, in which every prompt has a conditioning of its own.

    python benchmarks/memory.py [--prompts 1024]      # images: saved as they finish, or with --at-the-end all at once
    python benchmarks/memory.py --flux                # conditionings alone, as large as those of Flux: 4 MB each
    python benchmarks/memory.py --recorded --prompts 300   # recorded runs alone, as large as Flux's at 1024 x 1024
    python benchmarks/memory.py --kept --prompts 64   # not bytes: the latents that a corrected run keeps, counted

--in-memory is without the shelves that keep the conditionings and recorded steps of long lists on the disk. Groups of
4, two steps with the demo model. Peak memory of the whole process, by the kernel's count.
"""

from __future__ import annotations

import argparse
import functools
import gc
import resource
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock
from zlib import crc32

import comfyui

comfyui.load()

import torch
from comfyui_sage.sage_core.conditioning.combine import Conditioning
from comfyui_sage.sage_core.conditioning.shelf import Shelf, shelved
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.grouping import build
from comfyui_sage.sage_core.images.graph_settings import SamplerSettings
from comfyui_sage.sage_core.images.png_files import ImageFiles
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from comfyui_sage.sage_core.sampling import trace
from comfyui_sage.sage_core.sampling.correction import Follower
from comfyui_sage.sage_core.sampling.ksampler import sample, sample_branch, sample_each, sample_prefix
from comfyui_sage.sage_core.sampling.trace import Call, record, trace_shelf
from speed import demo_case, groups_of

from nodes import VAEDecode

SETTINGS: dict[str, Any] = {
    "seed": 1, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0, "share": 0.5,
}  # fmt: skip


class FluxSized:
    """A text encoder that gives conditionings of Flux's size, without its weights."""

    def tokenize(self, text: str) -> dict[str, Any]:
        """The text itself, as if it were one piece."""
        return {"t5": text}

    def encode_from_tokens_scheduled(self, tokens: dict[str, Any]) -> Conditioning:
        """Random numbers that depend on the text: 256 tokens of T5-XXL, and CLIP-L's pooled output."""
        made = torch.Generator().manual_seed(crc32(tokens["t5"].encode()))
        text, pooled = torch.randn(1, 256, 4096, generator=made), torch.randn(1, 768, generator=made)
        return [[text, {"pooled_output": pooled}]]


def group_flux_sized(count: int) -> None:
    """Group so many prompts, and read the conditioning of each once, as sampling does."""
    prompts = tuple(f"prompt {index}" for index in range(count))
    groups = build.build_prompt_groups(FluxSized(), prompts, threshold_mode="fixed", compare="whole prompts")
    read = sum(conditioning[0][0].nbytes for conditioning in groups.conditionings)
    print(f"{count} conditionings of {read / count / 2**20:.1f} MB, at most {peak():.0f} MB")


def record_flux_sized(count: int) -> None:
    """Record a run of 20 steps for each of so many groups, and read every answer once, as correction does."""
    shelf, start = trace_shelf(), time.perf_counter()
    answer = torch.zeros(1, 16, 128, 128)
    runs = [[record(1.0, answer, [answer], 1, shelf.keep)[0] for _ in range(20)] for _ in range(count)]
    written = time.perf_counter()
    read = sum(output.nbytes for run in runs for call in run for output in call.outputs if output is not None)
    seconds = [1000 * each / count / 20 for each in (written - start, time.perf_counter() - written)]
    print(f"{count} runs, {read / count / 2**20:.0f} MB each, at most {peak():.0f} MB in memory; "
          f"a step is kept in {seconds[0]:.1f} ms, read in {seconds[1]:.1f} ms")  # fmt: skip


def save_images(count: int, *, at_the_end: bool) -> None:
    """Sample and save an image of so many prompts."""
    model, clip, vae = load_demo_model()
    texts = [f"a red car in the snow, number {index}" for index in range(count)]
    positives, negative = encode_prompts(clip, texts, keep=build.Shelf().put), encode_prompts(clip, [""])[""]
    groups = replace(groups_of([[]] * count, 4), conditionings=shelved(positives.values()))

    def decoded(latents: torch.Tensor) -> torch.Tensor:
        return VAEDecode().decode(vae, {"samples": latents})[0]

    with tempfile.TemporaryDirectory() as folder:
        files = ImageFiles(groups, SamplerSettings(), Path(folder), "image", 1, {})

        def finished(prompts: Sequence[int], latents: torch.Tensor) -> None:
            for prompt in prompts:
                files.save(prompt, decoded(latents))

        prefix, _ = sample_prefix(model, groups, negative, {"samples": torch.zeros(1, 16, 16, 16)}, **SETTINGS)
        if at_the_end:
            made, _ = sample_branch(model, prefix)
            for prompt, image in enumerate(decoded(made["samples"])):
                files.save(prompt, image[None])
        else:
            sample_each(model, prefix, finished)
        print(f"{len(list(Path(folder).iterdir()))} files, at most {peak():.0f} MB")


def count_kept(count: int) -> None:
    """Count the latents that a corrected run of so many prompts keeps after the last own call, where they are most."""
    variations, settings = 2, SETTINGS | {"steps": 20, "cfg": 4.0, "share": 0.4, "correction": "on"}
    model, positives, negative, _ = demo_case(count, 128)
    groups = groups_of(positives, 4)
    learn, own_calls = Follower.learn, 0
    followers: list[Follower] = []
    recorded: dict[int, torch.Tensor] = {}

    def watched(follower: Follower, call: int, *answers: Any) -> None:
        nonlocal own_calls
        learn(follower, call, *answers)
        own_calls += 1
        if call == settings["steps"] - 1:
            followers.append(follower)
            calls = [each for each in gc.get_objects() if isinstance(each, Call)] if not recorded else []
            recorded.update({id(output): output for each in calls for output in each.outputs if output is not None})

    with mock.patch.object(Follower, "learn", watched):
        sample(model, groups, negative, {"samples": torch.zeros(variations, 16, 16, 16)}, **settings)
    kept = [[*each.differences, *each.expected, each.movement] for each in followers]
    differences = sum(len(rows) for each in kept for rows in each if rows is not None)
    rows = len(followers) * variations
    print(f"{len(followers)} of {count} prompts follow {len(groups.partition)} recorded runs, {variations} variations")
    print(f"own calls per prompt: {own_calls / len(followers):.1f}; each with a prompt and a negative prompt")
    print(f"differences: {differences / rows:.1f} latents per prompt and variation")
    recorded_rows = sum(map(len, recorded.values()))
    print(f"recorded answers: {recorded_rows / len(groups.partition) / variations:.1f} per group and variation")


def peak() -> float:
    """The most memory that this process had so far, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1024, help="a multiple of 4")
    parser.add_argument("--at-the-end", action="store_true", help="one VAE Decode for all, as without Branch and Save")
    parser.add_argument("--flux", action="store_true", help="conditionings of Flux's size, and no images")
    parser.add_argument("--recorded", action="store_true", help="recorded runs of Flux's size, and no images")
    parser.add_argument("--kept", action="store_true", help="count what a corrected run keeps")
    parser.add_argument("--in-memory", action="store_true", help="nothing on the disk")
    options = parser.parse_args()
    if options.in_memory:
        build.Shelf = functools.partial(Shelf, in_memory=2**63)
        trace._IN_MEMORY = 2**63
    if options.kept:
        count_kept(options.prompts)
    elif options.recorded:
        record_flux_sized(options.prompts)
    elif options.flux:
        group_flux_sized(options.prompts)
    else:
        save_images(options.prompts, at_the_end=options.at_the_end)


if __name__ == "__main__":
    main()
