"""What the user should know of a list of prompts, however it was made."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ..phrases import counted, shorten

_LORA = r"<(?:lora|lyco):[^<>]*>"


def list_notes(texts: Sequence[str]) -> list[str]:
    """Notes on repeated prompts, and on what looks like a command and is text."""
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
    return notes
