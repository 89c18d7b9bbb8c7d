"""Assignment of new prompts to the clusters of a prefix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from comfyui_sage.sage_core.grouping.prompt_groups import PromptGroups
from comfyui_sage.sage_core.prefix.assign import Assignment, assign_prompts
from comfyui_sage.sage_core.sharing.plan import SharePlan
from embeddings import directions
from prefixes import BOATS, CARS, THRESHOLD, six_prompts

BRANCHES = ((CARS, 6.0), ((0, 3), 2.0), (BOATS, 4.0))


def known_groups(threshold: float = THRESHOLD) -> PromptGroups:
    return replace(six_prompts([[]] * 6), threshold=threshold)


def assignment(
    degrees: float, *, text: str = "new", plan: SharePlan | None = None, groups: PromptGroups | None = None
) -> Assignment:
    plan = plan or SharePlan.from_branches(BRANCHES, 6)
    return assign_prompts(groups or known_groups(), plan, [text], directions(degrees))[text]


def clusters(found: Assignment) -> list[tuple[int, ...]]:
    levels = SharePlan.from_branches(BRANCHES, 6).levels
    return [levels[depth].clusters[at] for depth, at in enumerate(found.clusters)]


@pytest.mark.parametrize(("degrees", "group", "path"), [
    (1, 0, [CARS, (0, 3), (0, 3)]),  # between the two that are nearly alike
    (15, 0, [CARS]),  # with the cars, but it would make that pair looser
    (30.5, 0, [CARS]),  # nearly prompt 2, which shares with nobody any more
    (123, 1, [BOATS, BOATS]),  # as long as the boats are together
    (262, 2, [(5,)]),  # with one that is alone: as long as any group is together
])  # fmt: skip
def test_a_prompt_joins_clusters_as_far_as_it_is_similar(degrees: float, group: int, path: list) -> None:
    found = assignment(degrees)
    assert found.is_assigned
    assert found.group == group
    assert clusters(found) == path


def test_the_threshold_is_for_the_least_similar_member() -> None:
    assert assignment(39).is_assigned, "39 degrees from prompt 0"
    found = assignment(41)
    assert not found.is_assigned and found.clusters == (), "41 degrees from prompt 0, 11 from prompt 2"
    assert found.group == 0, "which is still the nearest"
    assert found.similarity == pytest.approx((np.cos(np.radians(41)), np.cos(np.radians(11))), abs=1e-5)


def test_a_group_made_by_hand_stays_as_tight() -> None:
    strict = known_groups(threshold=0.99)
    assert assignment(15, groups=strict).is_assigned
    assert not assignment(-5, groups=strict).is_assigned


@pytest.mark.parametrize("prompt", range(6))
def test_a_known_text_joins_its_equal(prompt: int) -> None:
    """Whatever else is near."""
    found = assignment(77, text=f"prompt {prompt}")
    assert found.is_assigned
    assert [prompt in cluster for cluster in clusters(found)] == [True] * 3


def test_repeats_in_the_list_count_once() -> None:
    """Distinct prompts have numbers of their own in a plan."""
    groups = known_groups()
    repeated = replace(
        groups, prompts=("prompt 0", *groups.prompts), conditionings=(*groups.conditionings, []),
        embeddings=np.concatenate([groups.embeddings[:1], groups.embeddings]),
        partition=((0, 1, 3, 4), (2, 5), (6,)),
    )  # fmt: skip
    assert assignment(1, groups=repeated) == assignment(1)
    assert assignment(77, text="prompt 4", groups=repeated).clusters == assignment(77, text="prompt 4").clusters


def test_nothing_to_join() -> None:
    found = assignment(1, plan=SharePlan.from_branches([], 6))
    assert found.is_assigned and found.clusters == ()


def test_assignments_are_independent() -> None:
    plan = SharePlan.from_branches(BRANCHES, 6)
    both = assign_prompts(known_groups(), plan, ["a", "b", "a"], directions(1, 200, 1))
    assert both == {"a": assignment(1), "b": assignment(200)}
