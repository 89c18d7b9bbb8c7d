"""Limits how often, and how much of a run's time, progress updates are sent to the page."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from typing import Any

from PIL import Image

# Takes what is new, as plain data; what a message does not name is as before.
SendUpdate = Callable[[dict[str, Any]], None]

# Seconds between two messages, at least.
_PAUSE = 0.4
# Fraction of the time that messages may take.
_MOST_TIME = 0.02
_LARGEST = 768


class Throttle:
    """The time of a run, and when its next message is due: not too soon, and not if the last one took long."""

    def __init__(self) -> None:
        self.began = self.next = self.asked = time.monotonic()
        self.first: tuple[float, int] | None = None
        """When the first part was done, and how many by then: loading a model says nothing of the speed."""

    def count(self, done: int) -> None:
        self.first = self.first or (time.monotonic(), done)

    def due(self) -> bool:
        """Whether to make a message now, which is to be followed by `sent`."""
        self.asked = time.monotonic()
        return self.asked >= self.next

    def sent(self) -> None:
        spent = time.monotonic() - self.asked
        self.next = self.asked + max(_PAUSE, spent / _MOST_TIME)

    def force(self) -> None:
        """Something is new: the next message is due."""
        self.next = time.monotonic()

    def timing(self, done: int, total: int) -> dict[str, Any]:
        """Parts done and planned, seconds since the start, and those left (None if nobody knows)."""
        now, left = time.monotonic(), None
        if self.first is not None and done > self.first[1]:
            left = (now - self.first[0]) / (done - self.first[1]) * (total - done)
        return {"done": done, "total": total, "seconds": now - self.began, "left": left}


def data_url(picture: Image.Image) -> str:
    """A picture as an address that a page can show, at most 768 pixels wide and high."""
    small = picture.convert("RGB")
    small.thumbnail((_LARGEST, _LARGEST))
    file = io.BytesIO()
    small.save(file, "JPEG", quality=88, subsampling=0)  # of a small sheet, a pixel of colour is a patch of an image
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
