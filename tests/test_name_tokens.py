"""Tokens in file names."""

from __future__ import annotations

from datetime import datetime

import pytest
from comfyui_sage.sage_core.name_tokens import replace_tokens

NOW = datetime(2026, 3, 4, 15, 6, 7)
GRAPH = {
    "1": {"class_type": "SeedNode", "inputs": {"seed": 7}},
    "2": {"class_type": "KSampler", "inputs": {"seed": ["1", 0], "cfg": 4.5, "model": ["9", 0]}},
    "3": {"class_type": "Loader", "inputs": {"ckpt_name": "sd\\xl/base.st"}, "_meta": {"title": "My model"}},
    "4": {"class_type": "KSampler", "inputs": {"seed": 8}},
}


@pytest.mark.parametrize("prefix, expected", [
    ("%date:yyyy-MM-dd%/image", "2026-03-04/image"),
    ("%date:d.M.yy hh:mm:ss%", "4.3.26 15_06_07"),
    ("%date:h-m-s%", "15-6-7"),
    ("%KSampler.seed%_%KSampler.cfg%", "7_4.5"),
    ("%My model.ckpt_name%", "sd_xl_base.st"),
    ("%Loader.ckpt_name%", "sd_xl_base.st"),
    ("%width%x%height%", "%width%x%height%"),
    ("%year%-%month%-%day% %hour%:%minute%/%second%", "2026-03-04 15:06/07"),
    ("%Nobody.seed% %KSampler.model% %KSampler.nothing%", "%Nobody.seed% %KSampler.model% %KSampler.nothing%"),
    ("100% and 50%", "100% and 50%"),
])  # fmt: skip
def test_tokens(prefix: str, expected: str) -> None:
    assert replace_tokens(prefix, NOW, GRAPH) == expected


def test_names_that_the_user_gave() -> None:
    workflow = {"nodes": [{"id": 4, "properties": {"Node name for S&R": "second"}}, {"id": 2}]}
    assert replace_tokens("%second.seed% %KSampler.seed%", NOW, GRAPH, workflow) == "8 7"


def test_dates_need_no_graph() -> None:
    assert replace_tokens("%date:yyyy% %KSampler.seed%", NOW) == "2026 %KSampler.seed%"
