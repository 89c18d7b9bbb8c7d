"""Puts the conditions of many clusters into one batch, by ComfyUI's own rules."""

from __future__ import annotations

import uuid
from typing import Any

import torch

# ComfyUI's processed form of one CONDITIONING (what `comfy.samplers.process_conds` makes).
Processed = list[dict[str, Any]]

# Entries besides model_conds that ComfyUI reads when it evaluates a condition; they must be equal in one batch.
_DECIDES_EVALUATION = (
    "area", "strength", "mask", "mask_strength", "timestep_start", "timestep_end",
    "control", "gligen", "hooks", "default",
)  # fmt: skip

# Model conditions of which a network reads the first row for all rows (HiDream O1); they must be equal, too.
_READ_ONCE = ("ref_pixel_values", "ref_image_grid_thw", "position_ids")


def batchable_classes(conds: list[dict[str, Processed]], variations: int) -> list[list[int]]:
    """Split clusters into classes whose conditions can be one batch, keeping their order.

    Args:
        conds: per cluster ComfyUI's processed "positive" and "negative".
        variations: rows per cluster.
    """
    classes: list[list[int]] = []
    for index, cond in enumerate(conds):
        for members in classes:
            if _can_batch(conds[members[0]], cond, variations):
                members.append(index)
                break
        else:
            classes.append([index])
    return classes


def batch_conds(conds: list[dict[str, Processed]], variations: int) -> dict[str, Processed]:
    """One condition whose tensors hold every cluster's rows, cluster-major.

    ComfyUI then evaluates it like any batched condition, with its own hooks, ControlNets and memory rules.
    Only for conditions of one class (see `batchable_classes`).
    """
    if len(conds) == 1:
        return conds[0]
    return {
        kind: [_concat([cond[kind][entry] for cond in conds], variations) for entry in range(len(first))]
        for kind, first in conds[0].items()
    }


def _can_batch(a: dict[str, Processed], b: dict[str, Processed], variations: int) -> bool:
    return a.keys() == b.keys() and all(
        len(a[kind]) == len(b[kind])
        and all(_can_concat(x, y, variations) for x, y in zip(a[kind], b[kind], strict=True))
        for kind in a
    )


def _can_concat(a: dict[str, Any], b: dict[str, Any], variations: int) -> bool:
    if any(not same(a.get(key), b.get(key)) for key in _DECIDES_EVALUATION):
        return False
    if not hints_repeat(a.get("control"), variations):
        return False
    rows_a, rows_b = _rows(a, variations), _rows(b, variations)
    if any(not same(_value(rows_a, key), _value(rows_b, key)) for key in _READ_ONCE):
        return False
    return rows_a.keys() == rows_b.keys() and all(rows_a[key].can_concat(rows_b[key]) for key in rows_a)


def _rows(cond: dict[str, Any], variations: int) -> dict[str, Any]:
    """ComfyUI's condition objects, repeated to a cluster's rows (ComfyUI cuts areas later)."""
    return {key: value.process_cond(batch_size=variations, area=None) for key, value in cond["model_conds"].items()}


def _value(rows: dict[str, Any], key: str) -> Any:
    """What a condition object holds; None where there is none."""
    return getattr(rows.get(key), "cond", None)


def _concat(conds: list[dict[str, Any]], variations: int) -> dict[str, Any]:
    rows = [_rows(cond, variations) for cond in conds]
    model_conds = {}
    for key, first in rows[0].items():
        model_conds[key] = first._copy_with(first.concat([other[key] for other in rows[1:]]))
    merged = {**conds[0], "model_conds": model_conds, "uuid": uuid.uuid4()}
    if "mask" in merged:
        merged["mask"] = merged["mask"][:variations]  # ComfyUI cuts masks to the rows of a run
    return merged


def hints_repeat(control: Any, variations: int) -> bool:
    """Whether ComfyUI, which distributes a ControlNet's images over all rows, gives every cluster the same ones.

    Args:
        control: the ControlNet of a condition, or None.
        variations: rows per cluster.
    """
    while control is not None:
        for image in (control.cond_hint_original, *control.extra_concat_orig):
            if image is not None and variations % image.shape[0]:
                return False
        control = control.previous_controlnet
    return True


def same(a: Any, b: Any) -> bool:
    """Whether two values are equal; tensors by what is in them, and lists and dicts of them too."""
    if isinstance(a, torch.Tensor) or isinstance(b, torch.Tensor):
        return isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)):  # GLIGEN's hold tensors
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a is b or bool(a == b)
