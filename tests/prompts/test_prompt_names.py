"""Names of prompts, for files."""

from __future__ import annotations

from comfyui_sage.sage_core.prompts.names import file_text, prompt_names
from comfyui_sage.sage_core.prompts.prompt_list import Prompt
from hypothesis import given
from hypothesis import strategies as st


def names(*texts: str) -> tuple[str, ...]:
    return prompt_names([Prompt(text) for text in texts])


def test_the_start_of_the_text() -> None:
    assert names("a red car, (snow:1.2)", "雪の中の猫", "...") == ("a-red-car-snow-1-2", "雪の中の猫", "prompt")
    assert len(file_text("a very long story " * 20)) <= 60


def test_equal_starts_get_a_number() -> None:
    assert names("a car", "A CAR", "a car!", "a car 2") == ("a-car", "A-CAR_2", "a-car_3", "a-car-2")
    long = "masterpiece, best quality, photo of a small wooden house near a lake, {}"
    assert names(long.format("red"), long.format("blue"))[1] == names(long.format("red"))[0] + "_2"


def test_names_of_their_own_stay() -> None:
    prompts = [Prompt("x"), Prompt("x", name="shots/X"), Prompt("y", name="x_2"), Prompt("x"), Prompt("y", name="x_2")]
    assert prompt_names(prompts) == ("x", "shots/X", "x_2", "x_3", "x_2")
    assert prompt_names([Prompt("x"), Prompt("y", name="X")]) == ("x_2", "X")


def test_many_equal_prompts() -> None:
    assert names(*["a car"] * 20_000)[-1] == "a-car_20000"


@given(st.lists(st.text(st.sampled_from("aAbß 2_-é"), max_size=4), max_size=8))
def test_all_are_different_and_safe(texts: list[str]) -> None:
    found = names(*texts)
    assert len({name.casefold() for name in found}) == len(texts)
    assert all(name.replace("-", "").replace("_", "").isalnum() for name in found)
