"""Remembers what text encoders have made of texts, so that the next run encodes new texts only."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import torch

from ..conditioning.combine import Conditioning

# Bytes that one text encoder may have remembered.
_MOST_BYTES = 2**29
# Calls after which what was not asked for may go. A run makes up to four.
_LIFE = 8


class EncodedTexts:
    """The conditionings of one text encoder. When they are too many, those go that were not asked for of late."""

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        """Nothing is remembered yet; `most_bytes` is for all tensors together."""
        self._room = most_bytes
        self._calls = 0
        self._known: dict[str, Conditioning] = {}
        self._asked: dict[str, int] = {}

    def begin(self) -> None:
        """Another call asks for texts."""
        self._calls += 1

    def get(self, text: str, encode: Callable[[str], Conditioning]) -> Conditioning:
        """The conditioning of a text, encoded if it is not remembered."""
        found = self._known.get(text)
        if found is None:
            found = encode(text)
            self._remember(text, found)
        if text in self._known:
            self._asked[text] = self._calls
        return [[entry[0], dict(entry[1])] for entry in found]

    def _remember(self, text: str, conditioning: Conditioning) -> None:
        size = _bytes(conditioning)
        if size > self._room:
            for old in [other for other, call in self._asked.items() if call < self._calls - _LIFE]:
                del self._asked[old]
                self._room += _bytes(self._known.pop(old))
        if size <= self._room:
            self._known[text] = conditioning
            self._room -= size


def _bytes(conditioning: Conditioning) -> int:
    values = (value for text, extras in conditioning for value in (text, *extras.values()))
    return sum(value.nbytes for value in values if isinstance(value, torch.Tensor))


# An encoder with another LoRA or last layer is another object.
_of_encoder: weakref.WeakKeyDictionary[Any, EncodedTexts] = weakref.WeakKeyDictionary()


def encoded_texts(clip: Any) -> EncodedTexts:
    """What is remembered of a text encoder, as long as it lives."""
    return _of_encoder.setdefault(clip, EncodedTexts())
