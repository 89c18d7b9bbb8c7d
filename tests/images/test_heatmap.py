"""The similarity heatmap."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.grouping.linkage import cluster_prompts
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.images.heatmap import similarity_image
from comfyui_sage.sage_core.vectors import normalize

DARKEST, FRAME, PAPER = (8, 48, 107), (214, 96, 77), (255, 255, 255)
LEFT_OF_NAMES, NAMES_END, SIDE, MARGIN = 20, 384, 960, 24


def groups(prompts: list[str], embeddings: np.ndarray | None = None, threshold: float = 0.7) -> PromptGroups:
    if embeddings is None:
        generator = np.random.default_rng(0)
        centres = np.repeat(generator.normal(size=(-(-len(prompts) // 3), 16)), 3, axis=0)[: len(prompts)]
        embeddings = normalize(centres + 0.2 * generator.normal(size=centres.shape))
    return PromptGroups(
        prompts=tuple(prompts),
        conditionings=tuple([] for _ in prompts),
        embeddings=embeddings,
        partition=cluster_prompts(prompts, embeddings, threshold=threshold),
        threshold=threshold,
        threshold_mode="fixed",
        encoder="clip",
        group_condition="mean",
    )


def pixels(found: PromptGroups) -> np.ndarray:
    image = similarity_image(found)
    assert image.ndim == 4
    assert image.shape[0] == 1
    assert image.shape[3] == 3
    assert image.dtype == torch.float32
    assert float(image.min()) >= 0
    assert float(image.max()) <= 1
    return (image[0] * 255).round().to(torch.uint8).numpy()


def inked(picture: np.ndarray) -> np.ndarray:
    return (picture != PAPER).any(axis=-1)


def names_of(count: int) -> list[str]:
    return [f"prompt {index}" for index in range(count)]


@pytest.mark.parametrize("count", [1, 2, 53, 54, 500, 1500])
def test_any_number_of_prompts(count: int) -> None:
    picture = pixels(groups(names_of(count)))
    named = count <= 53
    left = NAMES_END if named else MARGIN
    assert picture.shape == (MARGIN + SIDE + 70, left + SIDE + MARGIN, 3)
    assert inked(picture[MARGIN : MARGIN + SIDE, left : left + SIDE]).mean() > 0.99
    assert inked(picture[MARGIN : MARGIN + SIDE, :left]).any() == named


def test_the_diagonal_is_darkest_and_groups_are_framed() -> None:
    embeddings = normalize(np.array([[1, 0, 0], [0, 1, 0], [1, 0.1, 0]]))
    picture = pixels(groups(["a", "b", "c"], embeddings))
    heat = picture[MARGIN : MARGIN + SIDE, NAMES_END : NAMES_END + SIDE]
    # Ordered by group: a and c, then b.
    cells = [[tuple(heat[160 + 320 * row, 160 + 320 * column].tolist()) for column in range(3)] for row in range(3)]
    assert cells[0][0] == cells[1][1] == cells[2][2] == DARKEST
    assert sum(cells[0][1]) < sum(cells[1][2]) < sum(cells[0][2])
    assert tuple(heat[300, 1]) == tuple(heat[638, 300]) == tuple(heat[700, 641]) == FRAME
    assert tuple(heat[330, 330]) != FRAME, "no frame inside a group"


@pytest.mark.parametrize("threshold", [-1.0, 0.0, 1.0])
def test_all_alike_is_all_dark(threshold: float) -> None:
    picture = pixels(groups(names_of(4), np.ones((4, 1), dtype=np.float32), threshold=threshold))
    assert tuple(picture[MARGIN + 120, NAMES_END + 600]) == DARKEST


@pytest.mark.parametrize(
    "prompt",
    [
        "🦊 in the ❄️ 👩‍🚀", "كلب في الثلج", "雪の中の猫", "\u202eabc\u202c\u200f", "tab\tand\x07bell", "naïve café",
        "W" * 200, "W W " * 100, "one_word_" * 30, "a very long story, " * 1100, "",
    ],
)  # fmt: skip
def test_any_text_stays_in_its_place(prompt: str) -> None:
    picture = pixels(groups([prompt, "a dog", prompt + "!"]))
    assert not inked(picture[:, :LEFT_OF_NAMES]).any()
    for row in range(3):
        assert inked(picture[MARGIN + 320 * row : MARGIN + 320 * (row + 1), :NAMES_END]).any()


def test_long_prompts_show_their_start() -> None:
    def name_column(prompt: str) -> np.ndarray:
        return pixels(groups([prompt]))[:, :NAMES_END]

    start = "a red car in the snow on a mountain road "
    assert np.array_equal(name_column(start * 5), name_column(start * 6))
    assert not np.array_equal(name_column(start * 5), name_column("a blue car" + start * 5))
    assert not np.array_equal(name_column("W" * 60), name_column("V" * 60)), "a long word is cut, not dropped"
