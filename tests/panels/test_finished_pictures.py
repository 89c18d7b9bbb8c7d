"""The files of prompts as a sampling panel shows them, and the node whose panel that is."""

from __future__ import annotations

import pytest
from comfyui_sage.sage_core.panels import pictures
from comfyui_sage.sage_core.panels.pictures import finished_pictures, panel_of
from comfyui_sage.sage_core.panels.sampling import ClusterLabels
from graphs import sage_graph, split_graph
from groups import named_groups

TYPES = {"VAEDecode": ("IMAGE",), "SageKSampler": ("LATENT", "STRING"), "SageBranchKSampler": ("LATENT", "STRING")}
GROUPS = named_groups(((0, 1), (2,)), ["a red car", "a blue car", "a boat"])


def test_every_prompt_has_its_files() -> None:
    update = finished_pictures(GROUPS, {2: ["c.png", "d.png"], 0: ["a.png", "b.png"]}, "SAGE", 1.5)["finished"]
    assert (update["aspect"], update["subfolder"]) == (1.5, "SAGE")
    shown = [tuple(picture[key] for key in ("title", "prompt", "colour", "files")) for picture in update["pictures"]]
    assert shown == [
        ("1. a red car", "a red car", "#0072b2", ["a.png", "b.png"]),
        ("3. a boat", "a boat", "#969696", ["c.png", "d.png"]),
    ]


def test_not_more_files_than_a_page_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MOST_FILES", 3)
    update = finished_pictures(GROUPS, {prompt: ["x", "y"] for prompt in range(3)}, "", 1.0)["finished"]
    assert [picture["prompt"] for picture in update["pictures"]] == ["a red car"]


def test_long_prompts_are_named_by_what_differs() -> None:
    start = "masterpiece, best quality, highly detailed, cinematic lighting, sharp focus, 8k wallpaper, award winning, "
    prompts = [f"{start}{subject}, shot on 35mm film" for subject in ("a fox in the snow", "a lighthouse", "a tram")]
    clusters = ClusterLabels(named_groups(((0, 1, 2),), prompts), range(3))
    assert [clusters.of((index,))["title"] for index in range(3)] == [
        "1. a fox in the snow", "2. a lighthouse", "3. a tram",
    ]  # fmt: skip
    assert clusters.of((1,))["prompt"] == prompts[1] and clusters.of((0, 1, 2))["prompt"] is None


def output_type(class_type: str, index: int) -> str | None:
    return dict(enumerate(TYPES.get(class_type, ()))).get(index)


@pytest.mark.parametrize("graph, panel", [(sage_graph(), "5"), (split_graph(), "21")])
def test_the_panel_of_saved_pictures(graph: dict[str, dict[str, object]], panel: str) -> None:
    assert panel_of(graph, "7", output_type) == panel
    assert panel_of(graph, "8", output_type) is None, "texts are no pictures"
    assert panel_of(None, "7", output_type) is None and panel_of(graph, None, output_type) is None
