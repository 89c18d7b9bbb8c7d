"""The evaluation of images and groups, its report and its plot."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.metrics.evaluate import Evaluation, evaluate
from comfyui_sage.sage_core.metrics.image_encoders import ImageEncoder, ImageFeatures
from comfyui_sage.sage_core.metrics.report import evaluation_plot, evaluation_report
from groups import named_groups

GROUPS = named_groups(((0, 2), (1,)), ["red", "blue", "green"])


def encode(images: torch.Tensor, texts: list[str] | None, on_images: object) -> ImageFeatures:
    """The first pixel is the feature; a text fits an image if it names its strongest colour."""
    features = images[:, 0, 0].numpy()
    if texts is None:
        return ImageFeatures(features)
    words = np.array([[text == name for name in ("red", "green", "blue")] for text in texts], dtype=np.float32)
    return ImageFeatures(features, features, words, ("a note",))


ENCODER = ImageEncoder("first pixel", encode)


def plain(*colours: tuple[float, float, float]) -> torch.Tensor:
    return torch.tensor(colours).view(-1, 1, 1, 3).expand(-1, 4, 4, 3)


RED, GREEN, BLUE = (1.0, 0, 0), (0, 1.0, 0), (0, 0, 1.0)


def test_images_that_fit_and_images_that_do_not() -> None:
    assert evaluate(GROUPS, plain(RED, BLUE, GREEN), ENCODER).score == pytest.approx(100)
    assert evaluate(GROUPS, plain(GREEN, RED, BLUE), ENCODER).score == pytest.approx(0)


def test_variations_go_with_their_prompt_and_are_compared_with_their_own() -> None:
    evaluation = evaluate(GROUPS, plain(RED, RED, BLUE, GREEN, RED, GREEN), ENCODER)
    assert evaluation.scores == pytest.approx(np.array([[100, 100], [100, 0], [0, 100]]))
    assert evaluation.within[0] == pytest.approx(0.5)  # equal in variation 1, all different in variation 2
    assert math.isnan(evaluation.within[1])
    assert evaluation.diversity == pytest.approx(0.5)


def test_a_pair_counts_the_same_in_a_large_and_in_a_small_group() -> None:
    groups = named_groups(((0, 1), (2, 3, 4)), ["red"] * 5)
    evaluation = evaluate(groups, plain(RED, GREEN, RED, RED, RED), ENCODER)
    assert evaluation.within == pytest.approx([1, 0])
    assert evaluation.diversity == pytest.approx(1 / 4)


def test_the_distance_is_of_the_reference_network_if_there_is_one() -> None:
    images, other = plain(RED, BLUE, GREEN), plain(RED, BLUE, GREEN, RED)
    same = evaluate(GROUPS, images, ENCODER, images).distance
    assert same is not None
    assert same.frechet == pytest.approx(0, abs=1e-6)
    second = ImageEncoder("second", encode)
    distance = evaluate(GROUPS, images, ENCODER, other, second).distance
    assert distance is not None
    assert (distance.encoder_name, distance.feature_length) == ("second", 3)
    assert (distance.n_images, distance.n_reference) == (3, 4)
    assert distance.frechet > 0


def test_the_report_states_network_number_and_definition() -> None:
    report = evaluation_report(evaluate(GROUPS, plain(RED, BLUE, GREEN), ENCODER, plain(RED, BLUE)))
    assert "Image-text score: 100.00 (100 max(cos, 0), mean over images; first pixel, N = 3)" in report
    assert "over 1 pair of" in report
    assert "N = 3 and 2" in report
    assert "fewer than 50" in report
    assert "Group 2 (1 prompt)" in report
    assert "a note" in report


def test_every_prompt_alone() -> None:
    evaluation = evaluate(named_groups(((0,), (1,)), ["red", "blue"]), plain(RED, BLUE), ENCODER)
    assert math.isnan(evaluation.diversity)
    report = evaluation_report(evaluation)
    assert "within groups: none (no group has two prompts)" in report
    assert "between groups: none" not in report
    assert torch.isfinite(evaluation_plot(evaluation)).all()


def test_one_group_of_all() -> None:
    report = evaluation_report(evaluate(named_groups(((0, 1),), ["red", "blue"]), plain(RED, BLUE), ENCODER))
    assert "between groups: none (there is only one group)" in report


@pytest.mark.parametrize("count", [1, 3, 100])
def test_the_plot_has_one_bar_per_group(count: int) -> None:
    groups = named_groups(tuple((2 * i, 2 * i + 1) for i in range(count)), ["red"] * 2 * count)
    plot = evaluation_plot(evaluate(groups, torch.rand(2 * count, 4, 4, 3), ENCODER))
    assert plot.shape[0] == 1
    assert plot.shape[3] == 3
    assert float(plot.min()) < 0.5


def test_the_line_at_the_mean_crosses_no_figure() -> None:
    groups = named_groups(((0,), (1,), (2,)), ["red"] * 3)
    scores = np.array([[80.0], [85.0], [95.0]])  # the figures behind the first two bars are where the mean is
    black = evaluation_plot(Evaluation(groups, "a network", 3, 1, scores, [math.nan] * 3, math.nan)).eq(0).all(-1)
    assert 0 < int(black.sum(1).max()) < 2 * 22, "the line is as high as all three bars"


def test_too_few_images_for_a_distance() -> None:
    with pytest.raises(ValueError, match="reference: expected two images or more"):
        evaluate(named_groups(((0,),), ["red"]), plain(RED), ENCODER, plain(RED))


def test_images_that_do_not_fit_the_prompts() -> None:
    with pytest.raises(ValueError, match=r"images: expected .* 3 prompts, got 4"):
        evaluate(GROUPS, plain(RED, RED, RED, RED), ENCODER)


@pytest.mark.parametrize("name", ["images", "reference"])
def test_images_that_are_no_numbers(name: str) -> None:
    batches = {"images": plain(RED, BLUE, GREEN), "reference": plain(RED, BLUE)}
    batches[name] = batches[name] * torch.nan
    with pytest.raises(ValueError, match=f"^{name}: expected finite values, got"):
        evaluate(GROUPS, batches["images"], ENCODER, batches["reference"])


def test_a_damaged_network_is_named() -> None:
    damaged = ImageEncoder("broken", lambda images, *_: ImageFeatures(np.full((len(images), 2), np.nan)))
    with pytest.raises(ValueError, match="broken: expected numbers, got NaN or infinite ones: its weights are damaged"):
        evaluate(GROUPS, plain(RED, BLUE, GREEN), ENCODER, plain(RED, BLUE), damaged)
