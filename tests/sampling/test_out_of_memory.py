"""Errors of a device without memory."""

from __future__ import annotations

import comfy.model_management
import pytest
import torch
from comfyui_sage.sage_core.sampling.out_of_memory import is_out_of_memory


def test_the_kinds_that_comfyui_knows() -> None:
    assert is_out_of_memory(comfy.model_management.OOM_EXCEPTION("no memory"))
    assert not is_out_of_memory(RuntimeError("mat1 and mat2 shapes cannot be multiplied"))


@pytest.mark.skipif(not hasattr(comfy.model_management, "is_oom"), reason="this ComfyUI knows one kind only")
def test_those_that_newer_versions_know() -> None:
    error = torch.AcceleratorError("out of memory")
    error.error_code = 2
    assert is_out_of_memory(error)
