"""What a user can choose about sharing."""

from __future__ import annotations

from dataclasses import dataclass

from ..validation import check_choice
from .correction_plan import CORRECTIONS
from .plan import branch_index
from .share_modes import SHARE_MODES


@dataclass(frozen=True)
class SharingSettings:
    """How much is shared, and how.

    Attributes:
        share: fraction of the steps that is shared, 0 to 1.
        share_mode: a key of `SHARE_MODES`.
        correction: one of `CORRECTIONS`. With it prompts follow the whole run of their group, and `share` is the
            fraction of the steps that they take from it, spread over the run.
        reuse: take and follow the runs of earlier renders with the same settings. With correction.

    Raises:
        ValueError: a setting is out of range.
    """

    share: float
    share_mode: str = "fixed"
    correction: str = "off"
    reuse: bool = False

    def __post_init__(self) -> None:
        check_choice("share_mode", self.share_mode, SHARE_MODES)
        check_choice("correction", self.correction, CORRECTIONS)
        branch_index(self.share, 1)
