"""What the user should know of a list of prompts, however it was made."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..phrases import counted, shorten
from .prompt_list import Prompt

_LORA = r"<(?:lora|lyco):[^<>]*>"
# What other programs write below a prompt.
_NO_PROMPT = r"(?mi)^[^\S\n]*negative prompt:|\bsteps: \d+, sampler:|--negative_prompt\b"


def list_notes(texts: Sequence[str]) -> list[str]:
    """Notes on repeated prompts, and on what looks like a command or a setting and is text."""
    notes = []
    if repeated := len(texts) - len(set(texts)):
        notes.append(
            f"{counted(repeated, 'prompt')} written again. Equal prompts start from the same noise, so their images "
            "are the same. For more images of a prompt, write it once, and set batch_size of the empty latent to the "
            "number of variations"
        )
    if loras := [found[0] for text in texts if (found := re.search(_LORA, text))]:
        notes.append(
            f"{counted(len(loras), 'prompt')} with {shorten(loras[0], 60)} or the like: in ComfyUI this is text and "
            "loads no LoRA. Take it out, and use Load LoRA before the sampler"
        )
    if others := sum(re.search(_NO_PROMPT, text) is not None for text in texts):
        notes.append(
            f"{counted(others, 'prompt')} with what looks like the negative prompt or the settings of another program, "
            "used as text: take these lines out"
        )
    return notes


def unused_notes(prompts: Sequence[Prompt]) -> list[str]:
    """Notes on what prompts have in their file, for a node that takes their texts and seed offsets only."""
    counts = {
        "negative prompt": sum(prompt.negative != "" for prompt in prompts),
        "name": sum(prompt.name != "" for prompt in prompts),
    }
    return [
        f"{counted(count, 'prompt')} with a {what} in the file, which is not used here; Prompt List gives it out"
        for what, count in counts.items()
        if count
    ]
