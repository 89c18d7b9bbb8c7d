"""What prompts have in common, and what tells them apart."""

from time import process_time

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
    assert without_phrases((CARS[0], BOATS[0]), repeated) == ["red car", "sailing boat"]


def test_a_beginning_that_says_how_it_is_shown_is_set_aside():
    prompts = ("professional product photography of a mug", "Professional product photography of boots", "boots, red")
    assert repeated_phrases(prompts[:2]) == {"professional product photography of …"}
    assert repeated_phrases(prompts) == set()
    assert without_phrases(prompts[:1], repeated_phrases(prompts[:2])) == ["a mug"]


def test_an_end_that_says_how_or_where_is_set_aside():
    prompts = ("a red sports car shot on 35mm film", "a blue sports car shot on 35mm film", "Shot on 35mm film")
    assert repeated_phrases(prompts[:2]) == {"… shot on 35mm film"}
    own = without_phrases(prompts, {"… shot on 35mm film"})
    assert own == ["a red sports car", "a blue sports car", "Shot on 35mm film"]


def test_a_common_subject_stays():
    assert repeated_phrases(("a red sports car", "a blue sports car")) == set()
    assert repeated_phrases(("a cup of tea", "a cup of milk")) == set()


def test_dashes_options_and_words_in_capitals_end_a_phrase():
    assert phrases("Still - a well-lit cat – film AND grain --ar 16:9 --v 6.1") == [
        "Still", "a well-lit cat", "film", "grain", "ar 16:9", "v 6.1",
    ]  # fmt: skip


def test_numbers_of_a_list_are_one_phrase():
    numbered = ("1. a car at sea", "2. a boat", "Scene 12: a cat", "Scene 9: a dog")
    assert repeated_phrases(numbered[:2]) == {"#"} and repeated_phrases(numbered[2:]) == {"scene #"}
    assert without_phrases(numbered[:1], {"#"}) == ["a car at sea"]
    assert repeated_phrases(("2 cars", "3 cars")) == set()
    assert repeated_phrases(("age 20, a woman", "age 80, a woman")) == {"a woman"}


def test_phrases_that_were_saved_by_older_rules_are_still_set_aside():
    prompts = ("a red car, cinematic photo - 35mm film", "scene 1, a red car")
    assert without_phrases(prompts, ("cinematic photo - 35mm film", "scene 1")) == ["a red car"] * 2


def test_phrases_in_other_scripts():
    assert phrases("杰作，最佳质量、一辆红色跑车。夜晚") == ["杰作", "最佳质量", "一辆红色跑车", "夜晚"]
    assert phrases("سيارة، ليل؛ بحر") == ["سيارة", "ليل", "بحر"]


def test_a_label_keeps_what_few_prompts_say():
    tags = ("hatsune miku", "saber (fate)")
    common = "1girl, solo, looking at the viewer, upper body, blue sky, clouds"
    prompts = [f"{common}, {who}, {what}" for who in tags for what in ("standing", "sitting")] + ["a car"] * 2
    assert labels(prompts, 40)[:3] == ["hatsune miku, standing", "hatsune miku, sitting", "saber fate, standing"]


def test_labels_tell_weights_apart():
    start = "portrait of a woman in a red coat on a street at night"
    found = labels([f"{start}, (smile:{weight})" for weight in (0.6, 0.8, 1.2)], 40)
    assert len(set(found)) == 3 and all("smile" in label for label in found)


def test_a_label_without_spaces_shows_where_it_differs():
    start = "一辆红色的跑车停在雪地里的山坡上旁边有一棵很高很大的松树"
    found = labels([f"{start}夜晚" * 2, f"{start}清晨" * 2], 24)
    assert len(set(found)) == 2 and all(len(label) <= 24 for label in found)


def test_no_text_takes_long():
    began = process_time()
    for text in ("." * 100_000 + "x", ":" + "1" * 100_000 + "x", "- " * 50_000):
        phrases(text)
    long = " ".join(f"word{at} of" for at in range(20_000))
    repeated_phrases([f"{long} a", f"{long} b"])
    tags = ", ".join(f"tag {at}" for at in range(10_000))
    assert labels([f"{tags}, a", f"{tags}, b"], 40) == ["a", "b"]
    assert process_time() - began < 5


def test_a_prompt_of_nothing_else_stays_whole():
    (tags,) = prompts = ["masterpiece, best quality"]
    assert without_phrases(prompts, phrases(tags)) == prompts


def test_a_prompt_with_none_of_the_phrases_stays_as_it_is_written():
    prompts = ["a (red:1.2) car,  at sea"]
    assert without_phrases(prompts, {"masterpiece"}) == prompts


def test_a_short_prompt_is_its_own_label():
    assert labels(("a car, bokeh", "a boat, bokeh"), 20) == ["a car, bokeh", "a boat, bokeh"]


def test_a_label_is_without_the_common_tags():
    assert labels((*CARS, *BOATS), 40)[0] == "red car"


def test_a_label_goes_on_where_the_prompt_differs():
    start = "a majestic red fox with a thick winter coat"
    prompts = (f"{start} standing on a hill", f"{start} running over a hill", "a castle above a misty valley in autumn")
    assert labels(prompts, 40) == [
        "a majestic … standing on a hill",
        "a majestic … running over a hill",
        "a castle above a misty valley in autumn",
    ]


def test_a_difference_inside_a_word_shows_the_whole_word():
    start = "a very long common beginning that every prompt has at"
    assert labels((f"{start} sunrise", f"{start} sunset"), 40)[0].endswith("… sunrise")


def test_labels_never_exceed_the_length_whatever_the_prompts():
    prompts = ("x" * 100, "x" * 100 + "y", "word " * 50, "word " * 50 + "end")
    assert all(len(label) <= 30 for label in labels(prompts, 30))


def test_a_start_of_all_texts_is_left_out_where_it_is_long():
    assert without_common_start(labels((*CARS, *BOATS), 80))[2:4] == ["green car", "sailing boat"]
    for texts in (["a red car", "a red boat", "the sea"], ["a car", "a boat"], ["photo of a car"] * 2, []):
        assert without_common_start(texts) == texts
