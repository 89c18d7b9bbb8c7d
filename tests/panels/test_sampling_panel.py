"""The sampling panel's payload: evaluations, time, and a contact sheet that the page can cut into rows."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import replace
from typing import Any

import comfy.model_management
import latent_preview
import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.panels import sampling, throttle
from comfyui_sage.sage_core.panels.sampling import ClusterLabels, SamplingMonitor, preview_decoder, sampling_monitor
from comfyui_sage.sage_core.panels.throttle import data_url
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.reference_memory import MEMORY
from comfyui_sage.sage_core.sharing.plan import Level
from models import MODELS, conditioning
from PIL import Image
from records import sampling_record
from reference import SETTINGS, different, grouped, small

GROUPS = grouped(different("sd15", 5), [(0, 1, 2), (3, 4)])


def picture_of(url: str) -> Image.Image:
    head, _, data = url.partition(",")
    assert head == "data:image/jpeg;base64"
    return Image.open(io.BytesIO(base64.b64decode(data)))


class Page:
    """Receives every update and keeps the latest value of each key."""

    def __init__(self) -> None:
        self.news: list[dict[str, Any]] = []
        self.run: dict[str, Any] = {}

    def __call__(self, news: dict[str, Any]) -> None:
        self.news.append(json.loads(json.dumps(news, allow_nan=False)))
        self.run |= self.news[-1]


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setattr(throttle, "_PAUSE", 0.0)
    monkeypatch.setattr(throttle, "_MOST_TIME", 1e9)
    return Page()


def one_node(page: Page, **settings: Any) -> None:
    image = small("sd15", batch=2)
    negative = conditioning("sd15", seed=1)
    settings = {"groups": GROUPS, "share": 0.5, **SETTINGS, **settings, "make_listener": sampling_monitor(page)}
    ksampler.sample(MODELS["sd15"](), settings.pop("groups"), negative, image, **settings)


def test_a_run(page: Page) -> None:
    one_node(page)
    planned = 2 * 2 * 4 * 2 + 5 * 2 * 4 * 2
    assert [news["total"] for news in page.news] == [planned] * len(page.news)
    done = [news["done"] for news in page.news]
    assert done[0] == 0 and done == sorted(done) and done[-1] == planned
    assert page.run["saving"] == pytest.approx(1 - planned / (5 * 2 * 8 * 2))
    parts = [news["shared"] for news in page.news]
    assert parts == [None] + [True] * 4 + [False] * 5, "start, four shared steps, four on their own, end"
    assert [news.get("running") for news in page.news] == [True] + [None] * 8 + [False]
    assert page.run["stopped"] is False and page.run["left"] == 0
    assert page.news[1]["left"] is None and page.news[2]["left"] > 0


CORRECTED = replace(GROUPS, group_condition="auto")


class TestCorrected:
    def test_whole_runs_then_every_prompt(self, page: Page) -> None:
        one_node(page, groups=CORRECTED, correction="on")
        planned = 2 * 2 * 8 * 2 + 3 * 2 * (4 * 2 - 1)
        assert (page.run["done"], page.run["total"], page.run["at_most"]) == (planned, planned, False)
        assert page.run["saving"] == pytest.approx(1 - planned / (5 * 2 * 8 * 2))
        assert {news["corrected"] for news in page.news} == {True}
        # Start; the eight calls of the whole runs; the prompts that were followed, and the others' four calls; end.
        assert [news["shared"] for news in page.news] == [None] + [True] * 8 + [False] * 6

    def test_those_that_were_followed_have_pictures_too(self, page: Page) -> None:
        one_node(page, groups=CORRECTED, correction="on", seed=3)
        sheet = page.run["sheet"]
        pixels = np.asarray(picture_of(sheet["picture"]).convert("L"), dtype=float)
        tiles = [divmod(row, sheet["columns"]) for row in range(10)]
        assert all(pixels[y * 8 : y * 8 + 8, x * 8 : x * 8 + 8].std() > 5 for y, x in tiles)

    def test_what_is_planned_can_be_a_bound(self, page: Page) -> None:
        """It ends full, with what was saved."""
        one_node(page, groups=CORRECTED, correction="on", share_mode="auto", share=1.0)
        first, end = page.news[0], page.run
        assert (first["total"], first["at_most"], first["saving"]) == (32 * 2 + 3 * 2 * (8 * 2 - 1), True, None)
        assert end["done"] == end["total"] < first["total"] and end["left"] == 0
        assert (end["at_most"], end["stopped"]) == (False, False)
        assert end["saving"] == pytest.approx(1 - end["done"] / (5 * 2 * 8 * 2))

    def test_a_prefix_is_certain(self, page: Page) -> None:
        model, image = MODELS["sd15"](), small("sd15", batch=2)
        use = {**SETTINGS, "share": 0.4, "share_mode": "auto", "correction": "on"}
        negative, watch = conditioning("sd15", seed=1), sampling_monitor(page)
        prefix, _ = ksampler.sample_prefix(model, CORRECTED, negative, image, **use, make_listener=watch)
        assert {(news["total"], news["at_most"]) for news in page.news} == {(64, False)}
        branch = Page()
        ksampler.sample_branch(model, prefix, sampling_monitor(branch))
        assert (branch.news[0]["done"], branch.news[0]["at_most"]) == (64, True)
        assert branch.run["done"] == branch.run["total"]


def test_what_is_used_of_earlier_renders(page: Page) -> None:
    MEMORY.clear()
    one_node(page, groups=CORRECTED, correction="on")
    assert page.run["earlier"] is None
    settings = {"groups": CORRECTED, "correction": "on", "reuse": True}
    one_node(page, **settings)
    assert page.run["earlier"] == {"taken": 0, "followed": []}
    one_node(page, **settings)
    assert page.run["earlier"] == {"taken": 5, "followed": []} and page.run["saving"] == 1
    # At another share, runs that followed others are of no use.
    one_node(page, **settings, share=0.75)
    assert page.run["earlier"] == {"taken": 2, "followed": [{"text": "prompt 3", "prompts": 3}]}
    MEMORY.clear()


def test_the_pictures_of_a_run(page: Page) -> None:
    one_node(page)
    shared, alone = page.news[1]["sheet"], page.run["sheet"]
    assert [cluster["title"] for cluster in shared["clusters"]] == [
        {"group": 1, "prompts": 3, "size": 3}, {"group": 2, "prompts": 2, "size": 2},
    ]  # fmt: skip
    assert [cluster["colour"] for cluster in shared["clusters"]] == ["#0072b2", "#e69f00"]
    assert len(shared["clusters"][0]["texts"]) == 3
    assert [cluster["title"] for cluster in alone["clusters"]] == [
        f"{number + 1}. {text}" for number, text in enumerate(GROUPS.prompts)
    ]
    assert [cluster["colour"] for cluster in alone["clusters"]] == ["#0072b2"] * 3 + ["#e69f00"] * 2
    for sheet, rows in ((shared, 4), (alone, 10)):
        assert sheet["variations"] == 2 and sheet["columns"] * sheet["lines"] >= rows
        assert picture_of(sheet["picture"]).size == (8 * sheet["columns"], 8 * sheet["lines"])


def test_a_tile_shows_its_row() -> None:
    """As the page cuts it: row by row, columns in a line."""
    page = Page()
    latents = torch.arange(10.0).view(10, 1, 1, 1).expand(10, 4, 8, 16)
    decode = lambda latent: Image.fromarray((latent[0, 0] * 25).byte().numpy())  # noqa: E731
    watch = SamplingMonitor(page, ClusterLabels(GROUPS, range(5)), sampling_record(), decode)
    watch.start_level(Level(tuple((index,) for index in range(5)), None), 2)
    watch.show(latents, 1, 2)
    sheet = page.run["sheet"]
    pixels = np.asarray(picture_of(sheet["picture"]).convert("L"), dtype=float) / 25
    assert sheet["aspect"] == 2
    for row in range(10):
        line, column = divmod(row, sheet["columns"])
        assert pixels[line * 8 + 4, column * 16 + 8] == pytest.approx(row, abs=0.2)


def test_a_prefix_and_its_branch(page: Page) -> None:
    model, image = MODELS["sd15"](), small("sd15", batch=2)
    prefix, _ = ksampler.sample_prefix(
        model,
        GROUPS,
        conditioning("sd15", seed=1),
        image,
        share=0.5,
        **SETTINGS,
        make_listener=sampling_monitor(page),
    )
    assert (page.run["done"], page.run["total"], page.run["shared"]) == (32, 32, True)
    branch = Page()
    ksampler.sample_branch(model, prefix, sampling_monitor(branch))
    assert (branch.news[0]["done"], branch.run["done"], branch.run["total"]) == (32, 112, 112)
    assert branch.run["saving"] == page.run["saving"]


def test_previews_take_little_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A message that takes long is followed by a long pause."""
    clock = [0.0]
    monkeypatch.setattr(throttle.time, "monotonic", lambda: clock[0])

    def slow(latent: torch.Tensor) -> Image.Image:
        clock[0] += 0.1
        return Image.new("RGB", (8, 8))

    page = Page()
    watch = SamplingMonitor(page, ClusterLabels(GROUPS, range(5)), sampling_record(), slow)
    watch.start_level(Level(((0, 1, 2), (3, 4)), 1.0), 1)
    for step in range(10_000):
        watch.show(torch.zeros(2, 4, 8, 8), step, 10_000)
        clock[0] += 0.01
    assert 0.1 * len(page.news) < 0.025 * clock[0]


def test_a_stop_keeps_the_last_pictures(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(news: dict[str, Any]) -> None:
        page(news)
        if news["done"] == 16:
            comfy.model_management.interrupt_current_processing()

    with pytest.raises(comfy.model_management.InterruptProcessingException):
        one_node(stop)  # type: ignore[arg-type]
    comfy.model_management.interrupt_current_processing(False)
    assert (page.run["running"], page.run["stopped"]) == (False, True)
    assert page.run["sheet"]["picture"]


def test_repeated_prompts_are_numbered_by_the_users_list() -> None:
    groups, representative_of = grouped(different("sd15", 3), [(0, 1), (2,)]), [0, 0, 1]
    names = ClusterLabels(groups, representative_of)
    assert names.of((0,))["title"] == f"1. {groups.prompts[0]}"
    assert names.of((1,))["title"] == f"3. {groups.prompts[2]}"


def test_a_part_of_a_group_says_so() -> None:
    assert ClusterLabels(GROUPS, range(5)).of((0, 2))["title"] == {"group": 1, "prompts": 2, "size": 3}


def test_very_many_rows_have_no_picture(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "_MOST_ROWS", 9)
    one_node(page)
    assert page.run["sheet"] == {"too_many": 10}


def test_a_preview_that_fails_does_not_stop_the_run(page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("no factors")

    monkeypatch.setattr(latent_preview.Latent2RGBPreviewer, "decode_latent_to_preview", broken)
    one_node(page)
    assert page.run["sheet"] is None and page.run["done"] == page.run["total"]


@pytest.mark.parametrize("method", ["NoPreviews", "Auto"])
def test_a_preview_whatever_the_preview_method(monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    monkeypatch.setattr(latent_preview.args, "preview_method", latent_preview.LatentPreviewMethod[method])
    decode = preview_decoder(MODELS["sd15"]())
    assert decode is not None and decode(torch.zeros(1, 4, 6, 8)).size == (8, 6)


def test_sound_has_no_picture(page: Page) -> None:
    groups = grouped(different("audio", 4), [(0, 1), (2, 3)])
    ksampler.sample(
        MODELS["audio"](),
        groups,
        conditioning("audio", seed=1),
        small("audio"),
        share=0.5,
        **SETTINGS,
        make_listener=sampling_monitor(page),
    )
    assert page.run["sheet"] is None and page.run["running"] is False


def test_video_has_one(page: Page) -> None:
    groups = grouped(different("video", 4), [(0, 1), (2, 3)])
    ksampler.sample(
        MODELS["video"](),
        groups,
        conditioning("video", seed=1),
        small("video"),
        share=0.5,
        **SETTINGS,
        make_listener=sampling_monitor(page),
    )
    assert picture_of(page.run["sheet"]["picture"]).size[0] > 0


def test_large_pictures_are_made_small() -> None:
    assert max(picture_of(data_url(Image.new("RGBA", (4000, 1000)))).size) == 768
