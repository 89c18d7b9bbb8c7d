"""Whether an error says that a device has no memory left."""

from __future__ import annotations

import comfy.model_management


def is_out_of_memory(error: Exception) -> bool:
    """Whether a run that fails with this error may succeed with fewer rows."""
    known = getattr(comfy.model_management, "is_oom", None)  # newer versions know more kinds
    return isinstance(error, comfy.model_management.OOM_EXCEPTION) or bool(known and known(error))
