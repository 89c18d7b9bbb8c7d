"""Limits how often, and how much of a run's time, progress updates are sent to the page."""

from __future__ import annotations

import base64
import io
import time
from collections.abc import Callable
from typing import Any

from PIL import Image

# Takes what is new, as plain data; what an update does not name is as before.
SendUpdate = Callable[[dict[str, Any]], None]

# Seconds between two updates, at least.
_PAUSE = 0.4
# Fraction of a run's time that updates may take.
_MOST_TIME = 0.02
# Width and height of a picture in pixels, at most.
_LARGEST = 768


class Throttle:
    """Keeps the time of a run, and says when its next progress update is due.

    Updates are at least 0.4 s apart and take at most 2% of the run's time: one that takes long is followed by a long
    pause. What a run does is counted in parts: evaluations or steps.
    """

    def __init__(self) -> None:
        """The run begins now."""
        self.began = self.next = self.asked = time.monotonic()
        # When the first parts were done, and how many. The time before says nothing of the speed: a model was loaded.
        self.first: tuple[float, int] | None = None

    def count(self, done: int) -> None:
        """Some parts are done, `done` of them in all."""
        self.first = self.first or (time.monotonic(), done)

    def due(self) -> bool:
        """Whether to send an update now; call `sent` after it."""
        self.asked = time.monotonic()
        return self.asked >= self.next

    def sent(self) -> None:
        """The update that was due is made and sent."""
        spent = time.monotonic() - self.asked
        self.next = self.asked + max(_PAUSE, spent / _MOST_TIME)

    def force(self) -> None:
        """Make the next update due now, because there is something new to show."""
        self.next = time.monotonic()

    def timing(self, done: int, total: int) -> dict[str, Any]:
        """Times of the run, as a part of an update.

        Returns:
            done, total: parts done and planned. seconds: since the start. left: seconds to the end, None while that
            cannot be known.
        """
        now, left = time.monotonic(), None
        if self.first is not None and done > self.first[1]:
            left = (now - self.first[0]) / (done - self.first[1]) * (total - done)
        return {"done": done, "total": total, "seconds": now - self.began, "left": left}


def data_url(picture: Image.Image) -> str:
    """A picture as a data: URL of a JPEG, made smaller where it is wider or higher than 768 pixels."""
    small = picture.convert("RGB")
    small.thumbnail((_LARGEST, _LARGEST))
    file = io.BytesIO()
    # Without subsampling: in a small sheet, one pixel stands for a patch of an image.
    small.save(file, "JPEG", quality=88, subsampling=0)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"
