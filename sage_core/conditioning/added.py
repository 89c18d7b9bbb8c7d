"""What a node after Share Sampling has added to something that every prompt has a value of its own of."""

from __future__ import annotations

from typing import Any

from .batch import same

# Extras to which nodes add in a way that cannot be taken apart. Others are lists that become longer, or ControlNets.
_WHOLE = {"gligen", "hooks"}


def added(key: str, value: Any, first: Any, own: Any, name: str) -> Any:
    """A value that was set since, as a prompt would have it if the node had run for that prompt.

    Args:
        key: of the extra.
        value: as it was made from that of the first prompt.
        first, own: what the first prompt and this one had before.
        name: of the conditioning, for errors.

    Raises:
        ValueError: the node has added to what differs between prompts, and it cannot be told what.
    """
    if same(first, own):
        return value
    if key == "control":
        return _chained(value, first, own)
    if isinstance(value, list) and all(each is None or isinstance(each, list) for each in (first, own)):
        before = first or []
        goes_on = len(value) >= len(before) and all(a is b for a, b in zip(before, value, strict=False))
        return [*(own or []), *value[len(before) :]] if goes_on else value
    if key in _WHOLE and _adds(key, value, first):
        raise ValueError(
            f"{name}: expected no {key} added after Share Sampling where prompts have {key} of their own, got some. "
            "Put the node before Share Sampling, where it runs once per prompt."
        )
    return value


def _chained(control: Any, first: Any, own: Any) -> Any:
    """A chain of ControlNets that goes on with a prompt's own in the place of the first prompt's."""
    if control is first:
        return own
    if control is None:
        return own if first is None else None
    link = control.copy()
    link.set_previous_controlnet(_chained(control.previous_controlnet, first, own))
    return link


def _adds(key: str, value: Any, first: Any) -> bool:
    """Whether a value holds what was there before, and more."""
    if value is None or first is None:
        return False
    if key == "hooks":
        return any(hook in value.hooks for hook in first.hooks)
    return len(value[2]) > len(first[2]) and same(value[2][: len(first[2])], first[2])
