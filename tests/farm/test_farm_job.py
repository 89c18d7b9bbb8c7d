"""A job on the disk: its groups are those of the node, and another job is refused by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comfyui_sage.sage_core.farm.job import Job, check_same, has_job, made_of, make_job, read_job
from comfyui_sage.sage_core.farm.workflow_file import checked_graph
from comfyui_sage.sage_core.grouping.build import group_encoded, phrases_to_set_aside
from comfyui_sage.sage_core.prompts.prompt_list import Prompt, PromptList
from comfyui_sage.sage_core.prompts.text_encoders import UNRELATED_PROMPTS
from embeddings import clustered_directions
from farm_graph import farm_graph, share_graph

TEXTS = tuple(f"a thing {number}, best quality" for number in range(100)) + ("a thing 3, best quality",)
LISTED = PromptList(tuple(map(Prompt, TEXTS)))
VECTORS = dict(zip([f"a thing {number}" for number in range(100)], clustered_directions(0, [20] * 5), strict=True))
OTHERS = dict(zip(UNRELATED_PROMPTS, clustered_directions(1, [1] * len(UNRELATED_PROMPTS)), strict=True))
asked: list[int] = []


def embed(prompts: Sequence[Prompt]) -> np.ndarray:
    asked.append(len(prompts))
    return np.stack([{**VECTORS, **OTHERS}[prompt.text] for prompt in prompts])


def made(folder: Path, listed: PromptList = LISTED, **inputs: Any) -> Job:
    graph = farm_graph()
    graph["2"]["inputs"] |= {"compare": "what differs", **inputs}
    make_job(folder, checked_graph(graph), listed, embed, "SAGE/image", {"prompts": "a"})
    read_job.cache_clear()
    return read_job(folder)


def test_the_groups_are_those_of_the_node(tmp_path: Path) -> None:
    asked.clear()
    assert not has_job(tmp_path)
    job = made(tmp_path)
    set_aside = phrases_to_set_aside(TEXTS, "what differs")
    vectors = np.stack([VECTORS[text.removesuffix(", best quality")] for text in TEXTS])
    whole = group_encoded(
        TEXTS,
        (),
        vectors,
        embed(list(map(Prompt, UNRELATED_PROMPTS))),
        encoder="clip",
        group_condition="auto",
        set_aside=set_aside,
    )
    assert job.groups.partition == whole.partition and len(whole.partition) == 5
    assert (job.groups.threshold, job.groups.set_aside) == (whole.threshold, ("best quality",))
    np.testing.assert_array_equal(job.groups.embeddings, whole.embeddings)
    assert has_job(tmp_path) and asked[:2] == [64, 36]


def test_some_prompts_of_a_job(tmp_path: Path) -> None:
    listed = PromptList(tuple(Prompt(text, seed_offset=at % 2) for at, text in enumerate(TEXTS)))
    found = made(tmp_path, listed, group_condition="mean").groups.only([0, 3, 100])
    assert found.prompts == (TEXTS[0], TEXTS[3], TEXTS[3]) and found.seed_offsets == (0, 1, 0)
    assert found.partition == ((0, 1, 2),) and found.group_condition == "mean"


ROWS = PromptList((Prompt("a", negative="b"), Prompt("a", seed_offset=3), Prompt("c", name="own"), Prompt("c")))


def test_a_list_for_share_sampling(tmp_path: Path) -> None:
    """What the artist's encoders make of every different row is compared; all columns are for the artist's nodes."""
    given: list[Prompt] = []

    def embed_rows(prompts: Sequence[Prompt]) -> np.ndarray:
        given.extend(prompts)
        return np.eye(4, dtype=np.float32)[: len(prompts)]

    make_job(tmp_path, checked_graph(share_graph()), ROWS, embed_rows, "SAGE/image", {})
    read_job.cache_clear()
    job = read_job(tmp_path)
    assert given == list(job.listed) and [each.name for each in job.listed] == ["a", "a_2", "own", "c"]
    assert (job.groups.prompts, job.groups.seed_offsets) == (("a", "a", "c", "c"), ())
    assert [(each.negative, each.seed_offset) for each in job.listed] == [("b", 0), ("", 3), ("", 0), ("", 0)]


@pytest.mark.parametrize("changed", [Prompt("a", negative="c"), Prompt("a", negative="b", name="n")])
def test_all_columns_of_a_list_count_for_share_sampling(changed: Prompt) -> None:
    graph, other = checked_graph(share_graph()), PromptList((changed, *ROWS.prompts[1:]))
    assert made_of(graph, ROWS, {})["prompts"] != made_of(graph, other, {})["prompts"]
    graph = checked_graph(farm_graph())
    assert made_of(graph, ROWS, {})["prompts"] == made_of(graph, other, {})["prompts"]


def test_pins_and_sizes_count(tmp_path: Path) -> None:
    job = made(tmp_path, max_group_size=7, pinned=f'{{"{TEXTS[1]}": "{TEXTS[1]}"}}')
    assert (1,) in job.groups.partition and max(map(len, job.groups.partition)) <= 8


def test_embeddings_that_are_no_numbers_name_their_prompt(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="expected finite embeddings.* 'a'"):
        make_job(
            tmp_path, checked_graph(farm_graph()), PromptList((Prompt("a"),)),
            lambda prompts: np.full((len(prompts), 4), np.nan), "x", {},
        )  # fmt: skip
    assert not has_job(tmp_path)


def test_another_job_is_refused_by_what_differs(tmp_path: Path) -> None:
    graph, other = farm_graph(), farm_graph(seed=2)
    first = made_of(checked_graph(graph), LISTED, {"SAGE version": "1"})
    check_same(first, made_of(checked_graph(graph), LISTED, {"SAGE version": "1"}), tmp_path)
    fewer = PromptList(LISTED.prompts[1:])
    with pytest.raises(ValueError, match="out: .* has other workflow and prompts and SAGE version"):
        check_same(first, made_of(checked_graph(other), fewer, {"SAGE version": "2"}), tmp_path)
    offset = PromptList((*LISTED.prompts[:-1], Prompt(TEXTS[3], seed_offset=1)))
    with pytest.raises(ValueError, match="has other prompts. Choose"):
        check_same(first, made_of(checked_graph(graph), offset, {"SAGE version": "1"}), tmp_path)


@pytest.mark.parametrize("name", ["job.json", "embeddings.npy"])
@pytest.mark.parametrize("cut", [lambda data: data[: len(data) // 2], lambda data: b"", lambda data: b"[]"])
def test_damaged_files_are_named(tmp_path: Path, name: str, cut: Callable[[bytes], bytes]) -> None:
    made(tmp_path)
    read_job.cache_clear()
    (tmp_path / name).write_bytes(cut((tmp_path / name).read_bytes()))
    with pytest.raises(ValueError, match=f"out: expected the files of a job in {tmp_path}, got damaged ones"):
        read_job(tmp_path)
