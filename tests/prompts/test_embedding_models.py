"""Embedding models: a real sentence model, and an open_clip model with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import huggingface_hub
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
        part = {"model.safetensors": "weights are", "tokenizer.json": "tokenizer is"}[missing]
        for name in {"config.json", "model.safetensors", "tokenizer.json"} - {missing}:
            (tmp_path / name).symlink_to(minilm_folder() / name)
        with pytest.raises(ValueError, match=f"encoder_model: .* complete model, got .* where the {part} missing: put"):
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

    @pytest.mark.parametrize("config", ["[]", "{}", '{"model_cfg": []}', '{"model_cfg": {"text_cfg": null}}'])
    def test_a_config_of_something_else(self, open_clip_folder: Path, tmp_path: Path, config: str) -> None:
        shutil.copy(open_clip_folder / "open_clip_model.safetensors", tmp_path)
        (tmp_path / "open_clip_config.json").write_text(config)
        with pytest.raises(ValueError, match="encoder_model: expected a complete model.* no text_cfg in model_cfg"):
            open_clip_encoder(tmp_path)

    def test_weights_that_are_no_numbers(self, open_clip_folder: Path, tmp_path: Path) -> None:
        weights = safetensors.torch.load_file(open_clip_folder / "open_clip_model.safetensors")
        weights["text_projection"].fill_(torch.nan)
        safetensors.torch.save_file(weights, tmp_path / "open_clip_model.safetensors")
        shutil.copy(open_clip_folder / "open_clip_config.json", tmp_path)
        with pytest.raises(ValueError, match="encoder_model: expected numbers, got NaN .* weights are damaged"):
            open_clip_encoder(tmp_path)(["a dog"])


class _Touch:
    """As a pickle, it makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


class TestNoCodeRuns:
    """A model folder is data. Nothing in it runs, and nothing that it names is fetched."""

    CODE = "from pathlib import Path\nPath(__file__).with_name('ran').touch()\nclass Any: pass\n"

    @pytest.fixture
    def folder(self, open_clip_folder: Path, tmp_path: Path) -> Path:
        folder = shutil.copytree(open_clip_folder, tmp_path / "model")
        (folder / "code.py").write_text(self.CODE)
        for name in ("tokenizer.json", "tokenizer_config.json"):
            shutil.copy(minilm_folder() / name, folder)
        return folder

    def text_config(self, folder: Path, **more: Any) -> None:
        path = folder / "open_clip_config.json"
        config = json.loads(path.read_text())
        config["model_cfg"]["text_cfg"] |= more
        path.write_text(json.dumps(config))

    def test_code_of_a_tokenizer(self, folder: Path) -> None:
        self.text_config(folder, hf_tokenizer_name="x", tokenizer_kwargs={"trust_remote_code": True})
        (folder / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["code.Any", null]}}')
        with pytest.raises(ValueError, match="asks to run code: 'trust_remote_code' in open_clip_config.json"):
            open_clip_encoder(folder)
        self.text_config(folder, tokenizer_kwargs={})
        with pytest.raises(ValueError, match="asks to run code: 'auto_map' in tokenizer_config.json"):
            open_clip_encoder(folder)
        assert not list(folder.rglob("ran"))

    def test_code_of_a_sentence_model(self, tmp_path: Path) -> None:
        shutil.copytree(minilm_folder(), tmp_path, dirs_exist_ok=True)
        config = json.loads((tmp_path / "config.json").read_text())
        (tmp_path / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModel": "code.Any"}}))
        (tmp_path / "code.py").write_text(self.CODE)
        with pytest.raises(ValueError, match="encoder_model: .*asks to run code: 'auto_map' in config.json"):
            sentence_encoder(tmp_path)
        assert not list(tmp_path.rglob("ran"))

    @pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "model.pth"])
    def test_pickled_weights_are_not_opened(self, folder: Path, name: str) -> None:
        (folder / "open_clip_model.safetensors").unlink()
        torch.save({"weights": _Touch(folder / "ran")}, folder / name)
        with pytest.raises(ValueError, match=f"weights are missing: put a .safetensors .*{name} can hold code"):
            open_clip_encoder(folder)
        assert not (folder / "ran").exists()

    def test_pickled_weights_beside_safe_ones(self, folder: Path) -> None:
        (folder / "open_clip_model.safetensors").rename(folder / "weights.safetensors")
        torch.save({"weights": _Touch(folder / "ran")}, folder / "open_clip_pytorch_model.bin")
        assert_unit_rows(open_clip_encoder(folder)(["a dog"]), 1)
        assert not (folder / "ran").exists()

    def test_nothing_is_fetched(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """As for a user, who has not set HF_HUB_OFFLINE."""
        asked: list[Any] = []
        monkeypatch.setattr("socket.getaddrinfo", lambda *args, **kwargs: asked.append(args))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        (folder / "tokenizer.json").unlink()
        self.text_config(folder, hf_tokenizer_name="org/tokenizer", hf_model_name="org/text-model")
        with pytest.raises(ValueError, match="needs the config.json and the tokenizer of org/text-model and org"):
            open_clip_encoder(folder)
        assert asked == [] and not huggingface_hub.constants.HF_HUB_OFFLINE

    def test_a_text_tower_in_the_folder(self, folder: Path) -> None:
        """Its config and its tokenizer are there; the name is only where they came from."""
        sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
        (folder / "config.json").write_text(json.dumps({"model_type": "roberta", "vocab_size": 31000, **sizes}))
        self.text_config(folder, hf_tokenizer_name="org/name", hf_model_name="org/name", hf_pooler_type="mean_pooler")
        config = json.loads((folder / "open_clip_config.json").read_text())["model_cfg"]
        text = {**config["text_cfg"], "hf_model_name": str(folder), "hf_model_pretrained": False}
        model = open_clip.create_model(f"local-dir:{folder}", load_weights=False, pretrained_text=False, text_cfg=text)
        weights = {name: weight.clone() for name, weight in model.state_dict().items()}
        safetensors.torch.save_file(weights, folder / "open_clip_model.safetensors")
        assert_unit_rows(open_clip_encoder(folder)(["a dog", "a cat"]), 2)
