"""Embedding models: a real sentence model, and an open_clip model with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import open_clip
import pytest
import safetensors.torch
import torch
from comfyui_sage.sage_core.prompts.embedding_models import Embed, open_clip_encoder, sentence_encoder
from embeddings import assert_unit_rows
from encoders import minilm_folder
from models import OPEN_CLIP, write_open_clip


@pytest.fixture(scope="module")
def open_clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_open_clip(tmp_path_factory.mktemp("open_clip"))


class TestSentence:
    def test_similarity_makes_sense(self, minilm: Embed) -> None:
        embeddings = minilm([
            "a red car in the snow", "a crimson automobile on a snowy road", "a blue car in the snow",
            "portrait of an old fisherman",
        ])  # fmt: skip
        assert_unit_rows(embeddings, 4)
        similarity = embeddings @ embeddings.T
        assert similarity[0, 1] > 0.6
        assert similarity[0, 2] > 0.6
        assert similarity[:3, 3].max() < 0.3

    def test_batches_change_nothing(self, minilm: Embed) -> None:
        texts = ["a dog", "a very long sentence about a dog that " * 20, "x", "two cats", "", "🦊"]
        one_by_one = sentence_encoder(minilm_folder(), batch=1)(texts)
        np.testing.assert_allclose(minilm(texts), one_by_one, atol=1e-5)
        np.testing.assert_allclose(sentence_encoder(minilm_folder(), batch=4)(texts), one_by_one, atol=1e-5)

    def test_order_follows_the_texts(self, minilm: Embed) -> None:
        texts = ["a dog", "a house on a hill at night", "two cats"]
        np.testing.assert_allclose(minilm(texts)[::-1], minilm(texts[::-1]), atol=1e-5)

    @pytest.mark.parametrize("text", ["long " * 4100, "🦊🦊🦊", "كلب في الثلج", "雪の中の猫", "", "\u200f"])
    def test_any_text(self, minilm: Embed, text: str) -> None:
        assert_unit_rows(minilm([text, "a dog"]), 2)

    def test_a_long_text_is_read_from_its_start(self, minilm: Embed) -> None:
        long = "a red car in the snow. " * 1000
        assert len(long) > 20_000
        car, other = minilm([long, long + "portrait of an old fisherman"])
        assert car @ other == pytest.approx(1, abs=1e-5)

    def test_no_gradients_and_no_training_mode(self, minilm: Embed) -> None:
        np.testing.assert_array_equal(minilm(["a dog"]), minilm(["a dog"]))


class TestSentenceErrors:
    def test_no_model_there(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"encoder_model: expected a folder with config\.json.*") as error:
            sentence_encoder(tmp_path)
        assert str(tmp_path) in str(error.value)

    def test_a_file(self) -> None:
        with pytest.raises(ValueError, match="encoder_model: expected a folder"):
            sentence_encoder(minilm_folder() / "config.json")

    @pytest.mark.parametrize("missing", ["model.safetensors", "tokenizer.json"])
    def test_a_part_is_missing(self, tmp_path: Path, missing: str) -> None:
        for name in {"config.json", "model.safetensors", "tokenizer.json"} - {missing}:
            (tmp_path / name).symlink_to(minilm_folder() / name)
        with pytest.raises(ValueError, match="encoder_model: expected a complete model, got .* cannot be loaded"):
            sentence_encoder(tmp_path)

    def test_damaged_weights(self, tmp_path: Path) -> None:
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "vocab.txt"):
            shutil.copy(minilm_folder() / name, tmp_path)
        weights = (minilm_folder() / "model.safetensors").read_bytes()
        (tmp_path / "model.safetensors").write_bytes(weights[: len(weights) // 2])
        with pytest.raises(ValueError, match="encoder_model: expected a complete model"):
            sentence_encoder(tmp_path)

    def test_another_kind_of_model(self, tmp_path: Path) -> None:
        (tmp_path / "config.json").write_text('{"model_type": "no such thing"}')
        with pytest.raises(ValueError, match="encoder_model"):
            sentence_encoder(tmp_path)


class TestOpenClip:
    TEXTS = ("a dog", "a cat on a mat", "word " * 5000, "", "🦊 كلب")

    def test_it_is_the_text_tower_with_the_weights_of_the_folder(self, open_clip_folder: Path) -> None:
        embeddings = open_clip_encoder(open_clip_folder)(self.TEXTS)
        assert_unit_rows(embeddings, len(self.TEXTS))
        model = open_clip.create_model(f"local-dir:{open_clip_folder}").eval()
        stored = safetensors.torch.load_file(open_clip_folder / "open_clip_model.safetensors")
        assert torch.equal(model.state_dict()["text_projection"], stored["text_projection"])
        with torch.no_grad():
            expected = model.encode_text(open_clip.tokenize(list(self.TEXTS)), normalize=True)
        np.testing.assert_allclose(embeddings, expected.numpy(), atol=1e-5)

    @pytest.mark.parametrize("batch", [1, 2])
    def test_batches_change_nothing(self, open_clip_folder: Path, batch: int) -> None:
        found = open_clip_encoder(open_clip_folder, batch=batch)(self.TEXTS)
        np.testing.assert_allclose(found, open_clip_encoder(open_clip_folder)(self.TEXTS), atol=1e-5)

    def test_a_file_named_after_its_architecture(
        self, open_clip_folder: Path, tmp_path: Path, request: pytest.FixtureRequest
    ) -> None:
        configs = tmp_path / "configs"
        configs.mkdir()
        (configs / "tiny-test.json").write_text(json.dumps(OPEN_CLIP["model_cfg"]))
        registry = open_clip.factory
        request.addfinalizer(registry._rescan_model_configs)
        request.addfinalizer(lambda: registry._MODEL_CONFIG_PATHS.remove(configs))
        open_clip.add_model_config(configs)
        weights = tmp_path / "tiny-test.safetensors"
        shutil.copy(open_clip_folder / "open_clip_model.safetensors", weights)
        expected = open_clip_encoder(open_clip_folder)(self.TEXTS)
        np.testing.assert_allclose(open_clip_encoder(weights)(self.TEXTS), expected, atol=1e-5)


class TestOpenClipErrors:
    @pytest.mark.parametrize("name", ["nothing", "no-such-architecture.safetensors", "ViT-B-32.pt", ""])
    def test_neither_folder_nor_known_file(self, tmp_path: Path, name: str) -> None:
        with pytest.raises(ValueError, match=r"encoder_model: expected .*open_clip_config\.json.*") as error:
            open_clip_encoder(tmp_path / name)
        assert str(tmp_path / name) in str(error.value)

    def test_a_folder_without_weights_is_not_random_weights(self, tmp_path: Path) -> None:
        (tmp_path / "open_clip_config.json").write_text(json.dumps(OPEN_CLIP))
        with pytest.raises(ValueError, match="encoder_model: expected a complete model.*weights"):
            open_clip_encoder(tmp_path)

    @pytest.mark.parametrize("content", [b"", b"not a safetensors file"])
    def test_damaged_weights(self, tmp_path: Path, content: bytes) -> None:
        (tmp_path / "open_clip_config.json").write_text(json.dumps(OPEN_CLIP))
        (tmp_path / "open_clip_model.safetensors").write_bytes(content)
        with pytest.raises(ValueError, match="encoder_model: expected a complete model"):
            open_clip_encoder(tmp_path)

    def test_a_damaged_config(self, tmp_path: Path) -> None:
        (tmp_path / "open_clip_config.json").write_text("{")
        with pytest.raises(ValueError, match="encoder_model: expected a complete model"):
            open_clip_encoder(tmp_path)
