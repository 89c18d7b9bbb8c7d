"""Checks every input of a node before it runs.

ComfyUI checks what is typed into a widget. It does not check what comes over a link: a number out of range, an empty
latent, None where a checkpoint has no VAE.
"""

from __future__ import annotations

import functools
import inspect
from typing import Any

from comfy_api.latest import io

from ..sage_core.socket_values import CHECKS, Check, check_nested_conditioning
from ..sage_core.validation import check_choice, check_number, check_text

# ComfyUI's dataset nodes give lists of conditionings.
_NESTED = [("SageTrainLora", "positive")]


def check_inputs(node: type[io.ComfyNode]) -> None:
    """Makes a node refuse what its schema does not allow, with a ValueError that names the input."""
    run = node.execute.__func__
    names = list(inspect.signature(run).parameters)[1:]

    @functools.wraps(run)
    def execute(cls: Any, *args: Any, **inputs: Any) -> Any:
        inputs |= dict(zip(names, args, strict=False))
        schema = cls.define_schema()
        for each in schema.inputs or ():  # None in ComfyUI 0.3.75
            if each.id not in inputs:
                continue
            values = inputs[each.id] if schema.is_input_list else [inputs[each.id]]
            if each.optional and all(value is None for value in values):  # a link that gave nothing
                del inputs[each.id]
            elif not (each.lazy and values == [None] and each.id not in cls.check_lazy_status(**inputs)):
                check = check_nested_conditioning if (schema.node_id, each.id) in _NESTED else _check_of(each)
                _check_all(each.id, values, check)
        return run(cls, **inputs)

    node.execute = classmethod(execute)


def _check_all(name: str, values: Any, check: Check) -> None:
    """Check all values of an input; a node that takes lists may have any number of them, but not none."""
    if not values:
        raise ValueError(f"{name}: expected at least one value, got an empty list.")
    for value in values:
        check(value, name)


def _check_of(schema_input: Any) -> Check:
    """What checks the values of an input; nothing, for the sockets that the nodes check themselves."""
    kind = schema_input.get_io_type()
    if kind in ("INT", "FLOAT"):
        low, high, whole = schema_input.min, schema_input.max, kind == "INT"
        return lambda value, name: check_number(name, value, low, high, whole=whole)
    if kind == "COMBO":
        return lambda value, name: check_choice(name, value, schema_input.options)
    if kind == "STRING":
        return check_text
    return CHECKS.get(kind, lambda value, name: None)
