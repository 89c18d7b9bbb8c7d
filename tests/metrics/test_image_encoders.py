"""Image encoders."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from comfyui_sage.sage_core.demo.judge import load_demo_judge
from comfyui_sage.sage_core.metrics.image_encoders import demo_image_encoder, inception_encoder, open_clip_image_encoder
from models import write_open_clip
from PIL import Image
from safetensors.torch import save_file
from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3
from torch_fidelity.utils import create_feature_extractor

TEXTS = ["a red star at night", "a blue car in the snow", "a red star at night"]


def images(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("shape", [(3, 128, 128, 3), (3, 200, 90, 3), (3, 64, 64, 4), (3, 128, 128, 1)])
def test_the_demo_judge_takes_any_picture(shape: tuple[int, ...]) -> None:
    done: list[int] = []
    features_ = demo_image_encoder().encode(images(*shape), TEXTS, done.append)
    assert features_.features.shape == (3, 224)
    assert features_.images is not None and features_.texts is not None
    np.testing.assert_allclose(np.linalg.norm(features_.images, axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(features_.texts[0], features_.texts[2], atol=1e-6)
    assert np.isfinite(features_.features).all()
    assert done == [3]
    assert features_.notes == ()


def test_batches_do_not_matter_and_are_counted() -> None:
    many, done = images(70, 128, 128, 3), []
    whole = demo_image_encoder().encode(many, None, done.append).features
    assert done == [32, 64, 70]
    np.testing.assert_allclose(
        whole[40:43], demo_image_encoder().encode(many[40:43], None, done.append).features, atol=1e-4
    )


def test_unknown_words_of_the_demo_judge_are_noted() -> None:
    features_ = demo_image_encoder().encode(
        images(1, 128, 128, 3), ["a chartreuse Zeppelin, at night"], lambda done: None
    )
    assert features_.notes == ("the demo judge does not know these words: chartreuse, zeppelin",)


def test_damaged_judge_weights(tmp_path: Path) -> None:
    broken = tmp_path / "judge.safetensors"
    broken.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"judge\.safetensors are missing or damaged"):
        load_demo_judge(broken)


def test_open_clip_sees_as_open_clip_does(tmp_path: Path) -> None:
    folder = write_open_clip(tmp_path)
    batch = (images(2, 32, 32, 3) * 255).round() / 255
    features_ = open_clip_image_encoder(folder).encode(batch, TEXTS[:2], lambda done: None)
    model, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{folder}")
    pictures = [Image.fromarray((each * 255).round().to(torch.uint8).numpy()) for each in batch]
    with torch.no_grad():
        expected = model.eval().encode_image(torch.stack([preprocess(picture) for picture in pictures]))
        texts = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(TEXTS[:2]))
    np.testing.assert_allclose(features_.features, expected.numpy(), atol=1e-4)
    np.testing.assert_allclose(features_.texts, texts.numpy(), atol=1e-4)


def test_open_clip_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="open_clip_model: expected a folder"):
        open_clip_image_encoder(tmp_path / "nothing")


@pytest.fixture(scope="module")
def inception_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The right shape, random numbers: nothing is downloaded."""
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.manual_seed(0)
    network = FeatureExtractorInceptionV3.__new__(FeatureExtractorInceptionV3)
    original = FeatureExtractorInceptionV3.load_state_dict
    FeatureExtractorInceptionV3.load_state_dict = lambda self, state, *args, **kwargs: None
    try:
        torch.save({}, path)
        network.__init__("inception-v3-compat", ["2048"], str(path))
    finally:
        FeatureExtractorInceptionV3.load_state_dict = original
    torch.save(network.state_dict(), path)
    return path


def test_inception_features_are_those_of_torch_fidelity(inception_weights: Path) -> None:
    batch = (images(2, 40, 40, 3) * 255).round() / 255
    features = inception_encoder(inception_weights).encode(batch, None, lambda done: None).features
    network = create_feature_extractor(
        "inception-v3-compat", ["2048"], cuda=False, feature_extractor_weights_path=str(inception_weights)
    )
    with torch.no_grad():
        expected = network((batch.movedim(-1, 1) * 255).round().to(torch.uint8))[0]
    assert features.shape == (2, 2048)
    np.testing.assert_allclose(features, expected.numpy(), rtol=1e-4, atol=1e-5)


def test_inception_weights_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(b"no weights")
    with pytest.raises(ValueError, match=r"inception_weights: expected .* got .*weights\.pth"):
        inception_encoder(path)


def test_inception_weights_with_code_in_them(tmp_path: Path) -> None:
    path, ran = tmp_path / "weights.pth", tmp_path / "ran"

    class Touch:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (ran,)

    torch.save({"weights": Touch()}, path)
    with pytest.raises(ValueError, match=r"inception_weights: expected .* got .*weights\.pth"):
        inception_encoder(path)
    assert not ran.exists()


def test_inception_weights_as_safetensors(inception_weights: Path, tmp_path: Path) -> None:
    state = torch.load(inception_weights, weights_only=True)
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, tmp_path / "weights.safetensors")
    batch = images(1, 32, 32, 3)
    features = inception_encoder(tmp_path / "weights.safetensors").encode(batch, None, lambda done: None).features
    np.testing.assert_array_equal(
        features, inception_encoder(inception_weights).encode(batch, None, lambda done: None).features
    )


def test_no_torch_fidelity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch_fidelity.feature_extractor_inceptionv3", None)
    with pytest.raises(ValueError, match="inception_weights: needs the package torch-fidelity"):
        inception_encoder(tmp_path / "weights.pth")
