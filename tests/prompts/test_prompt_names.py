"""Names of prompts, for files."""

from __future__ import annotations

import pytest
from comfyui_sage.sage_core.prompts.names import file_text, prompt_names
from comfyui_sage.sage_core.prompts.prompt_list import Prompt
from hypothesis import given
from hypothesis import strategies as st


def names(*texts: str) -> tuple[str, ...]:
    return prompt_names([Prompt(text) for text in texts])


def test_the_start_of_the_text() -> None:
    assert names("a red car, (snow:1.2)", "雪の中の猫", "...") == ("a-red-car-snow-1-2", "雪の中の猫", "prompt")
    assert len(file_text("a very long story " * 20)) <= 60


@pytest.mark.parametrize("text, name", [
    ("\u092c\u093f\u0932\u094d\u0932\u0940 \u0914\u0930 \u0915\u0941\u0924\u094d\u0924\u093e",
     "\u092c\u093f\u0932\u094d\u0932\u0940-\u0914\u0930-\u0915\u0941\u0924\u094d\u0924\u093e"),
    ("\u0e17\u0e35\u0e48\u0e19\u0e31\u0e48\u0e19!", "\u0e17\u0e35\u0e48\u0e19\u0e31\u0e48\u0e19"),
    ("s\u200doft\u00adhyphen", "softhyphen"),
    ("\U0001f697", "automobile"), ("\u2764\ufe0f \U0001f408", "heavy-black-heart-cat"),
    ("\U0001f697 red", "red"), ("\ud800", "prompt"), ("\u0301", "prompt"),
])  # fmt: skip
def test_marks_and_symbols(text: str, name: str) -> None:
    assert file_text(text) == name


@given(st.text(), st.integers(30, 240))
def test_room_in_bytes(text: str, most: int) -> None:
    assert len(file_text(text, most).encode()) <= most


def test_equal_starts_get_a_number() -> None:
    assert names("a car", "A CAR", "a car!", "a car 2") == ("a-car", "A-CAR_2", "a-car_3", "a-car-2")


def test_long_prompts_are_named_by_what_differs() -> None:
    long = "masterpiece, best quality, photo of a small wooden house near a lake, {}"
    assert names(long.format("red"), long.format("blue")) == ("red", "blue")


def test_names_of_their_own_stay() -> None:
    prompts = [Prompt("x"), Prompt("x", name="shots/X"), Prompt("y", name="x_2"), Prompt("x"), Prompt("y", name="x_2")]
    assert prompt_names(prompts) == ("x", "shots/X", "x_2", "x_3", "x_2")
    assert prompt_names([Prompt("x"), Prompt("y", name="X")]) == ("x_2", "X")


@pytest.mark.parametrize("name, message", [
    ("../a", "inside the output folder, got '../a'"), ("a/../../b", "inside the output folder"),
    ("..", "inside the output folder"), ("/etc/a", "inside the output folder"), ("x" * 245, "at most 244 bytes"),
])  # fmt: skip
def test_a_bad_name_is_refused_before_anything_is_sampled(name: str, message: str) -> None:
    with pytest.raises(ValueError, match=f"^name of prompt 2: .*{message}"):
        prompt_names([Prompt("a cat", name="shots/day 1.5/雪"), Prompt("a car", name=name)])


@pytest.mark.parametrize("name", ["Scene 3: the chase?", "%date:yyyy%/a", "./a", "shots/"])
def test_what_some_systems_take_stays(name: str) -> None:
    assert prompt_names([Prompt("a car", name=name)]) == (name,)


def test_many_equal_prompts() -> None:
    assert names(*["a car"] * 20_000)[-1] == "a-car_20000"


@given(st.lists(st.text(st.sampled_from("aAbß 2_-é"), max_size=4), max_size=8))
def test_all_are_different_and_safe(texts: list[str]) -> None:
    found = names(*texts)
    assert len({name.casefold() for name in found}) == len(texts)
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in found)
