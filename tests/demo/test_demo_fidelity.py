"""Images of the demo model show what prompts outside its training set ask for."""

from __future__ import annotations

from comfyui_sage.sage_core.demo.judge import load_demo_judge
from comfyui_sage.sage_core.demo.model import load_demo_model
from demo_model.evaluate import fidelity, unseen_scenes

NUMBER = 32


def test_unseen_prompts() -> None:
    """The card (data/demo_model.md) has the figures of 1000 prompts; these bounds are three standard errors below."""
    rates, pictures, _ = fidelity(load_demo_model(), load_demo_judge(), unseen_scenes(NUMBER, seed=5), steps=12)
    assert pictures.shape == (NUMBER, 3, 128, 128)
    assert rates["all"] >= 0.6
    for attribute in ("subject", "colour", "setting"):
        assert rates[attribute] >= 0.8, (attribute, rates)
