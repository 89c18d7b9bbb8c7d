"""Some prompts of a list, chosen by their texts."""

from __future__ import annotations

import pytest
from comfyui_sage.sage_core.prompts.chosen import only_chosen
from comfyui_sage.sage_core.prompts.prompt_list import Prompt, PromptList

LIST = PromptList((Prompt("a", "no a"), Prompt("b"), Prompt("a"), Prompt("c", name="sea")), ("read",))


@pytest.mark.parametrize("nothing", ["", " \n"])
def test_without_a_choice_it_is_the_list(nothing: str) -> None:
    assert only_chosen(LIST, nothing) is LIST


def test_in_the_order_of_the_list_with_all_that_they_have() -> None:
    some = only_chosen(LIST, '["c", "a"]')
    assert some.prompts == (LIST.prompts[0], LIST.prompts[2], LIST.prompts[3])
    assert some.notes == (
        "read",
        'only 3 of 4 prompts: your favourites. For all prompts, press "All prompts"',
    )


def test_those_that_are_gone_are_counted() -> None:
    some = only_chosen(LIST, '["b", "d"]')
    assert some.texts == ("b",) and some.notes[-1].endswith(". 1 favourite no longer in the list")


@pytest.mark.parametrize(
    "chosen, got",
    [
        ("[", "no JSON"),
        ('{"a": "b"}', "'{"),
        ("[1]", "'"),
        ('["x", "y"]', "2 that are not"),
        ("[]", "0"),
    ],
)
def test_a_bad_choice(chosen: str, got: str) -> None:
    with pytest.raises(ValueError, match=f"chosen: expected .*prompts.* got .*{got}"):
        only_chosen(LIST, chosen)


def test_choices_of_graphs_that_had_several_lines_in_one() -> None:
    listed = PromptList((Prompt("[verse]\none"), Prompt("two")), ())
    assert only_chosen(listed, '["[verse] one"]').texts == ("[verse]\none",)
