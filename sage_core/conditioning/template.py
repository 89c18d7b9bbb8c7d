"""Applies the extras of a template conditioning (guidance, ControlNet, area, time range) to every prompt."""

from __future__ import annotations

from typing import Any

from .combine import Conditioning, text_width

_TEXT_KEYS = ("pooled_output", "attention_mask")


def apply_template(prompt: Conditioning, template: Conditioning) -> Conditioning:
    """A prompt's text with every extra of a template (guidance, ControlNet, area, timestep range, ...).

    A template with several entries (areas, for example) gives as many entries, each with this prompt's text.
    """
    return [
        [text, {**{key: value for key, value in extras.items() if key not in _TEXT_KEYS}, **own}]
        for text, own in prompt
        for _, extras in template
    ]


def check_template(template: Any, prompt: Conditioning) -> None:
    """Check that a template fits the prompts.

    Raises:
        ValueError: the template is empty, or was encoded by another text encoder than the prompts.
    """
    if not isinstance(template, list) or not template:
        got = "an empty one" if isinstance(template, list) else type(template).__name__
        raise ValueError(f"template: expected a CONDITIONING with at least one entry, got {got}.")
    widths = {width for entry in template if (width := text_width([entry])) is not None}
    expected = text_width(prompt)
    if expected is not None and widths - {expected}:
        raise ValueError(
            f"template: expected a conditioning from the connected CLIP (text width {expected}), "
            f"got width {', '.join(str(width) for width in sorted(widths))}. Encode it with the same CLIP."
        )
