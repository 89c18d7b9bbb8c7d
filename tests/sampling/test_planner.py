"""What the plan says before sampling."""

from __future__ import annotations

from typing import Any

import pytest
from comfyui_sage.sage_core.sampling import ksampler
from models import MODELS, conditioning
from reference import SETTINGS, different, grouped, small


def report(share: float, steps: int, correction: str = "off", *, partition: Any = ((0, 1, 2),), **settings: Any) -> str:
    groups = grouped(different("sd15", 3), partition, group_condition="auto")
    use = {**SETTINGS, "steps": steps, "share": share, "correction": correction, **settings}
    return ksampler.sample(MODELS["sd15"](), groups, conditioning("sd15", seed=1), small("sd15"), **use)[1]


class TestFewSteps:
    """A share is a number of whole steps."""

    @pytest.mark.parametrize(("share", "steps"), [(0.05, 4), (0.02, 8)])
    @pytest.mark.parametrize("correction", ["off", "on"])
    @pytest.mark.parametrize("share_mode", ["fixed", "tree"])
    def test_less_than_half_a_step(self, share: float, steps: int, correction: str, share_mode: str) -> None:
        text = report(share, steps, correction, share_mode=share_mode)
        assert f"Warning: Nothing is shared: {share:g} of {steps} steps is less than half a step." in text

    @pytest.mark.parametrize("share", [0.9, 1.0])
    def test_all_steps(self, share: float) -> None:
        assert "Warning: All steps are shared" in report(share, 4)
        assert "All steps are shared" not in report(share, 4, "on"), "the first call of each is its own"

    @pytest.mark.parametrize("correction", ["off", "on"])
    def test_nothing_to_say(self, correction: str) -> None:
        for settings in ({}, {"share_mode": "auto"}, {"partition": ((0,), (1,), (2,))}, {"share": 0.0}):
            text = report(**{"share": 0.25, "steps": 8, "correction": correction, **settings})
            assert "Nothing is shared" not in text and "All steps" not in text
