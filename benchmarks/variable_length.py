"""Which group condition for an encoder that gives every prompt its own length?

    python benchmarks/variable_length.py --out DIR [--scale 1] [--sampler euler]

Encoders like Lumina's or Qwen's do not pad prompts to one length, as CLIP does. Here the demo model's encoder is cut to
each prompt's own tokens, and a LoRA (of `lora_quality.py`, with the plain loss) trains the model to work without the
rest. Then the same prompts alone and shared, under every group condition. Resumable, as `lora_quality.py` is. Writes
DIR/variable_length.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import comfyui

comfyui.load()

from comfyui_sage.sage_core.grouping.prompt_groups import CONDITION_MODES
from comfyui_sage.sage_core.prompts.text_encoders import encode_prompts
from fidelity import Rendering, Setting, make_groups
from lora_quality import LARGEST, LORAS, STEPS, bands, measured, training_examples, training_groups, with_lora
from results_file import Kept

SHARES = (0.4, 0.6, 0.8)
END = 49407
"""CLIP's last token of a prompt, and its padding."""


class OwnLength:
    """A CLIP whose embeddings end with the prompt."""

    def __init__(self, clip: Any) -> None:
        self.clip = clip

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clip, name)

    def encode_from_tokens_scheduled(self, tokens: dict[str, list], **options: Any) -> list[list[Any]]:
        ids = [token for token, _ in tokens["l"][0]]
        made = self.clip.encode_from_tokens_scheduled(tokens, **options)
        return [[embedding[:, : ids.index(END) + 1].clone(), extras] for embedding, extras in made]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder for the LoRA and results")
    parser.add_argument("--scale", type=int, default=1, choices=range(1, LARGEST + 1), help="times 216 pictures")
    parser.add_argument("--steps", type=int, default=1500, help="of the training")
    parser.add_argument("--sampler", default="euler")
    options = parser.parse_args()
    results = Kept(options.out / f"variable_length_{options.scale}.json")
    rendering = Rendering()
    rendering.clip = OwnLength(rendering.clip)
    rendering.negative = encode_prompts(rendering.clip, [""])[""]
    loss = LORAS["plain"]
    assert loss is not None
    examples = training_examples(rendering, training_groups(100, 0, make_groups(LARGEST)))
    state = options.out / "own-length.safetensors"
    rendering.model = with_lora(rendering, loss, examples, state, options.steps, 0)
    unseen = make_groups(options.scale)
    band_of = bands(rendering, unseen)
    lines = ["| share | condition | all right | text score | diversity | distance |", "|" + "---|" * 6]
    for setting in [Setting(options.sampler, STEPS)] + [
        Setting(options.sampler, STEPS, share, condition) for share in SHARES for condition in CONDITION_MODES
    ]:
        if setting.key not in results:
            results[setting.key] = measured(rendering, unseen, setting, band_of)
        told = results[setting.key]
        lines.append(f"| {setting.share:.0%} | {setting.condition if setting.share else 'alone'} | {told['all']:.1%} | "
                     f"{told['score']:.1f} | {told['diversity']:.3f} | {told['distance']:.1f} |")  # fmt: skip
        print(lines[-1], flush=True)
    (options.out / "variable_length.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
