"""What prompts have in common, and what tells them apart."""

from comfyui_sage.sage_core.prompts.differences import (
    labels,
    phrases,
    repeated_phrases,
    without_common_start,
    without_phrases,
)

TAGS = "masterpiece, best quality, highly detailed"
CARS = tuple(f"{TAGS}, photo of a {colour} car" for colour in ("red", "blue", "green"))
BOATS = tuple(f"{TAGS}, photo of a {kind} boat" for kind in ("sailing", "wooden"))


def test_phrases_stand_between_commas_line_ends_sentences_and_breaks():
    text = "a car, in snow.\nAt night; cold BREAK 16:9 frame"
    assert phrases(text) == ["a car", "in snow", "At night", "cold", "16:9 frame"]


def test_phrases_are_without_brackets_and_weights():
    assert phrases("(masterpiece, best quality:1.2), [sky:0.5], ((sea))") == [
        "masterpiece",
        "best quality",
        "sky",
        "sea",
    ]


def test_a_lora_is_a_phrase_of_its_own():
    assert phrases("<lora:detail:0.8> a car") == ["<lora:detail:0.8>", "a car"]


def test_a_number_with_a_point_does_not_end_a_phrase():
    assert phrases("85mm f/1.4, ISO 100") == ["85mm f/1.4", "ISO 100"]


def test_what_all_prompts_repeat_is_found_in_any_order_weight_and_case():
    prompts = ("Masterpiece, (best quality:1.2), a car", "best quality, (masterpiece:1.4), a boat")
    assert repeated_phrases(prompts) == {"masterpiece", "best quality"}


def test_one_prompt_of_five_may_lack_a_phrase_but_not_two():
    tagged = tuple(f"{name}, bokeh" for name in ("a cat", "a dog", "a fox", "an owl"))
    assert repeated_phrases((*tagged, "a cow")) == {"bokeh"}
    assert repeated_phrases((*tagged, "a cow", "a pig")) == set()


def test_equal_prompts_count_once():
    assert repeated_phrases(("a cat, bokeh", *["a dog"] * 3, "a cow, bokeh")) == set()
    assert repeated_phrases(("a cat, bokeh",) * 3) == set()


def test_a_common_part_of_a_phrase_stays():
    assert repeated_phrases(("a red car on a hill", "a red car at sea")) == set()


def test_a_prompt_without_the_repeated_phrases_is_what_is_its_own():
    repeated = repeated_phrases((*CARS, *BOATS))
    assert [without_phrases(text, repeated) for text in (CARS[0], BOATS[0])] == [
        "photo of a red car",
        "photo of a sailing boat",
    ]


def test_a_prompt_of_nothing_else_stays_whole():
    assert without_phrases("masterpiece, best quality", {"masterpiece", "best quality"}) == "masterpiece, best quality"


def test_a_prompt_with_none_of_the_phrases_stays_as_it_is_written():
    assert without_phrases("a (red:1.2) car,  at sea", {"masterpiece"}) == "a (red:1.2) car,  at sea"


def test_a_short_prompt_is_its_own_label():
    assert labels(("a car, bokeh", "a boat, bokeh"), 20) == ["a car, bokeh", "a boat, bokeh"]


def test_a_label_is_without_the_common_tags():
    assert labels((*CARS, *BOATS), 40)[0] == "photo of a red car"


def test_a_label_goes_on_where_the_prompt_differs():
    start = "a majestic red fox with a thick winter coat"
    prompts = (f"{start} standing on a hill", f"{start} running over a hill", "a castle above a misty valley in autumn")
    assert labels(prompts, 40) == [
        "a majestic … standing on a hill",
        "a majestic … running over a hill",
        "a castle above a misty valley in autumn",
    ]


def test_a_difference_inside_a_word_shows_the_whole_word():
    start = "a very long common beginning of every prompt at"
    assert labels((f"{start} sunrise", f"{start} sunset"), 40)[0].endswith("… sunrise")


def test_labels_never_exceed_the_length_whatever_the_prompts():
    prompts = ("x" * 100, "x" * 100 + "y", "word " * 50, "word " * 50 + "end")
    assert all(len(label) <= 30 for label in labels(prompts, 30))


def test_a_start_of_all_texts_is_left_out_where_it_is_long():
    assert without_common_start(labels((*CARS, *BOATS), 80))[2:4] == ["green car", "sailing boat"]
    for texts in (["a red car", "a red boat", "the sea"], ["a car", "a boat"], ["photo of a car"] * 2, []):
        assert without_common_start(texts) == texts
