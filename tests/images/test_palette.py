"""Colours of groups."""

from comfyui_sage.sage_core.images.palette import ALONE, group_colour


def test_the_first_ten_groups_have_different_colours() -> None:
    assert len({group_colour(number, 2) for number in range(10)}) == 10


def test_prompts_alone_are_gray_and_no_group_is() -> None:
    assert {group_colour(number, 1) for number in range(30)} == {ALONE}
    assert ALONE not in {group_colour(number, 3) for number in range(30)}
