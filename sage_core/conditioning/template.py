"""Applies the extras of a template conditioning (guidance, ControlNet, area, time range) to every prompt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .batch import same
from .combine import Conditioning, text_width

# What encoders tell about a text besides its embedding; it is replaced with the text.
_TEXT_KEYS = ("pooled_output", "attention_mask", "conditioning_byt5small")
# What users call an extra.
_CALLED = {"conditioning_lyrics": "lyrics (conditioning_lyrics)"}
# An extra that comes with style tokens (Apply Style Model).
_STYLE_KEY = "attention_mask_img_shape"
_INSTEAD = "Put Share Sampling before the sampler instead."
LOST = f"Every prompt would replace them. {_INSTEAD}"


def apply_template(prompt: Conditioning, template: Conditioning) -> Conditioning:
    """A prompt's text with every extra of a template (guidance, ControlNet, area, timestep range, ...).

    A template with several entries (areas, for example) gives as many entries, each with this prompt's text.
    """
    return [
        [text, {**{key: value for key, value in extras.items() if key not in _TEXT_KEYS}, **own}]
        for text, own in prompt
        for _, extras in template
    ]


def check_template(
    template: Any, prompt: Conditioning, encode: Callable[[str], Conditioning], piece: int | None
) -> None:
    """Check that a template fits the prompts, and that nothing but words is lost with its text.

    Args:
        prompt: one of the prompts, encoded.
        encode: encodes a text as the prompts are encoded.
        piece: a long text's tokens come in multiples of so many; None if they come in any number.

    Raises:
        ValueError: the template is empty, or was encoded by another text encoder than the prompts, or holds something
            that the prompts would replace.
    """
    if not isinstance(template, list) or not template:
        got = "an empty one" if isinstance(template, list) else type(template).__name__
        raise ValueError(f"template: expected a CONDITIONING with at least one entry, got {got}.")
    _check_width(template, prompt)
    _check_words(template, prompt, piece)
    _check_extras(template, prompt, encode)


def template_notes(template: Conditioning | None, prompts: Sequence[Conditioning]) -> list[str]:
    """What the user should know of a template that may hold more than words.

    Most text encoders give texts of any length, so a long one may be just a long text.
    """
    longest, tokens = _most_tokens(prompts), _most_tokens([template or []])
    if tokens <= longest:
        return []
    return [
        f"the text of the template has {tokens} tokens, the prompts have {longest} at most. This text is not used. If "
        f"it has style tokens or pictures, they have no effect. {_INSTEAD}"
    ]


def _check_width(template: Conditioning, prompt: Conditioning) -> None:
    """Refuse a template from another text encoder.

    Raises:
        ValueError: gives the widths.
    """
    widths = {width for entry in template if (width := text_width([entry])) is not None}
    expected = text_width(prompt)
    if expected is not None and widths - {expected}:
        raise ValueError(
            f"template: expected a conditioning from the connected CLIP (text width {expected}), "
            f"got width {', '.join(str(width) for width in sorted(widths))}. Encode it with the same CLIP."
        )


def _check_words(template: Conditioning, prompt: Conditioning, piece: int | None) -> None:
    """Refuse a template with several texts, or with more than words in its text.

    Raises:
        ValueError: says what it has.
    """
    texts = _different_texts(template)
    if texts > max(1, _different_texts(prompt)):
        raise ValueError(f"template: expected one text, got {texts} different ones (for areas or times). {LOST}")
    if any(_STYLE_KEY in extras for _, extras in template):
        raise ValueError(f"template: expected a text of words only, got one with style tokens. {LOST}")
    tokens = _most_tokens([template])
    if piece is not None and tokens > piece and tokens % piece:
        raise ValueError(
            f"template: expected a text of words only (a multiple of {piece} tokens), got {tokens} tokens: it has "
            f"style tokens or pictures. {LOST}"
        )


def _check_extras(template: Conditioning, prompt: Conditioning, encode: Callable[[str], Conditioning]) -> None:
    """Refuse a template with an extra that the prompts have, too, with another value: theirs would replace it.

    Raises:
        ValueError: names the extra.
    """
    for _, extras in template:
        for key in sorted(extras.keys() & prompt[0][1].keys() - set(_TEXT_KEYS)):
            kept = any(same(own.get(key), extras[key]) for _, own in prompt)
            if not kept and not _is_of_text(key, prompt, encode):
                raise ValueError(
                    f"template: expected extras that the prompts do not have themselves, got {_CALLED.get(key, key)}. "
                    f"{LOST}"
                )


def _is_of_text(key: str, prompt: Conditioning, encode: Callable[[str], Conditioning]) -> bool:
    """Whether an extra changes with the words: then it is a part of the text, like the embedding."""
    return not same(encode("")[0][1].get(key), prompt[0][1][key])


def _different_texts(conditioning: Conditioning) -> int:
    """How many different texts a conditioning has."""
    found: list[Any] = []
    for text, _ in conditioning:
        if text is not None and not any(same(text, other) for other in found):
            found.append(text)
    return len(found)


def _most_tokens(conditionings: Sequence[Conditioning]) -> int:
    """Number of tokens of the longest text; 0 where there is none."""
    texts = (text for conditioning in conditionings for text, _ in conditioning if text is not None)
    return max((text.shape[1] for text in texts), default=0)
