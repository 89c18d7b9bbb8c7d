"""How much memory the images of a long list take: saved as they finish, or decoded and saved at the end.

    python benchmarks/memory.py [--prompts 1024]

Groups of 4, two steps with the demo model. Peak memory of the whole process, by the kernel's count.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

import torch
from comfyui_sage.sage_core.demo.model import load_demo_model
from comfyui_sage.sage_core.images.graph_settings import SamplerSettings
from comfyui_sage.sage_core.images.png_files import ImageFiles
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from comfyui_sage.sage_core.sampling.ksampler import sample_branch, sample_each, sample_prefix
from speed import groups_of

from nodes import VAEDecode

SETTINGS: dict[str, Any] = {
    "seed": 1, "steps": 2, "cfg": 1.0, "sampler_name": "euler", "scheduler": "simple", "denoise": 1.0, "share": 0.5,
}  # fmt: skip


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1024, help="a multiple of 4")
    parser.add_argument("--at-the-end", action="store_true", help="one VAE Decode for all, as without Branch and Save")
    options = parser.parse_args()
    count = options.prompts
    model, clip, vae = load_demo_model()
    encoded = encode_prompts(clip, ["a red car in the snow", ""])
    positive, negative = encoded.values()
    groups = groups_of([positive] * count, 4)

    def decoded(latents: torch.Tensor) -> torch.Tensor:
        return VAEDecode().decode(vae, {"samples": latents})[0]

    with tempfile.TemporaryDirectory() as folder:
        files = ImageFiles(groups, SamplerSettings(), Path(folder), "image", 1, {})

        def finished(prompts: Sequence[int], latents: torch.Tensor) -> None:
            for prompt in prompts:
                files.save(prompt, decoded(latents))

        prefix, _ = sample_prefix(model, groups, negative, {"samples": torch.zeros(1, 16, 16, 16)}, **SETTINGS)
        if options.at_the_end:
            made, _ = sample_branch(model, prefix)
            for prompt, image in enumerate(decoded(made["samples"])):
                files.save(prompt, image[None])
        else:
            sample_each(model, prefix, finished)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{len(list(Path(folder).iterdir()))} files, at most {peak:.0f} MB")


if __name__ == "__main__":
    main()
