"""The connected CLIP: its conditionings and embeddings."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from comfyui_sage.sage_core.prompts.embedding_models import Embed
from comfyui_sage.sage_core.prompts.text_encoders import (
    UNRELATED_PROMPTS,
    clip_embeddings,
    encode_prompts,
    piece_size,
    unrelated_embeddings,
)
from embeddings import assert_unit_rows
from models import clip_l, flux_clip, randn

import nodes as comfy_nodes


class TestClip:
    def test_conditionings_equal_clip_text_encode(self) -> None:
        clip = clip_l()
        prompt = "a (red:1.3) car, embedding of nothing"
        found = encode_prompts(clip, [prompt])[prompt]
        expected = comfy_nodes.CLIPTextEncode().encode(clip, prompt)[0]
        assert torch.equal(found[0][0], expected[0][0])
        assert torch.equal(found[0][1]["pooled_output"], expected[0][1]["pooled_output"])

    def test_equal_texts_are_encoded_once(self) -> None:
        progress: list[int] = []
        encoded = encode_prompts(clip_l(), ["b", "a", "b", "a"], progress.append)
        assert list(encoded) == ["b", "a"]
        assert progress == [1, 2]

    def test_the_next_run_encodes_new_texts_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        clip = clip_l().clone()
        first = encode_prompts(clip, ["a", "b"])
        encoded: list[str] = []
        monkeypatch.setattr(clip, "tokenize", lambda text: encoded.append(text) or type(clip).tokenize(clip, text))
        again = encode_prompts(clip, ["b", "c"])
        assert encoded == ["c"]
        assert torch.equal(again["b"][0][0], first["b"][0][0])
        again["b"][0][1]["changed"] = True
        assert "changed" not in encode_prompts(clip, ["b"])["b"][0][1]
        encode_prompts(clip.clone(), ["c"])
        assert encoded == ["c"], "another encoder has a tokenizer of its own"

    def test_pooled_embeddings(self) -> None:
        conditionings = list(encode_prompts(clip_l(), ["a dog", "a cat 🦊", "word " * 4100]).values())
        embeddings = clip_embeddings(conditionings)
        assert_unit_rows(embeddings, 3)
        pooled = conditionings[0][0][1]["pooled_output"][0]
        np.testing.assert_allclose(embeddings[0], (pooled / pooled.norm()).numpy(), atol=1e-6)

    @pytest.mark.parametrize("pooled", [None, torch.zeros(1, 8)])
    def test_the_mean_token_where_nothing_is_pooled(self, pooled: torch.Tensor | None) -> None:
        """Zeros are what an SD3 encoder without its CLIPs gives: all prompts would be equal."""
        text = randn(1, 5, 4, seed=1)
        (found,) = clip_embeddings([[[text, {"pooled_output": pooled}]]])
        mean = text.mean(dim=1)[0]
        np.testing.assert_allclose(found, (mean / mean.norm()).numpy(), atol=1e-6)

    def test_half_precision(self) -> None:
        assert_unit_rows(clip_embeddings([[[randn(1, 5, 4, seed=1).bfloat16(), {}]]]), 1)

    def test_each_conditioning_is_asked_for_once(self) -> None:
        """Those of a long list are on the disk."""
        read = []

        def conditionings() -> Iterator[list]:
            for seed in range(3):
                read.append(seed)
                yield [[randn(1, 5, 4, seed=seed), {}]]

        class Shelved(list):
            def __iter__(self) -> Iterator[list]:
                return conditionings()

        assert_unit_rows(clip_embeddings(Shelved()), 3)
        assert read == [0, 1, 2]

    def test_unrelated_prompts(self) -> None:
        assert_unit_rows(unrelated_embeddings(clip_l()), len(UNRELATED_PROMPTS))

    def test_pieces_of_long_texts(self) -> None:
        """The length of an encoded text tells only on CLIP whether it can be one of words alone."""
        assert piece_size(clip_l()) == 77
        assert piece_size(flux_clip()) is None
        words = [len(encode_prompts(flux_clip(), ["word " * n])["word " * n][0][0][0]) for n in (1, 300, 301, 302)]
        assert words[0] == 256 and words[2] - words[1] == words[3] - words[2] == 1

    def test_no_text_encoder(self) -> None:
        with pytest.raises(ValueError, match="clip: expected a text encoder, got None; the checkpoint"):
            encode_prompts(None, ["a dog"])


def test_the_unrelated_prompts_are_unrelated(minilm: Embed) -> None:
    embeddings = minilm(UNRELATED_PROMPTS)
    pairs = (embeddings @ embeddings.T)[np.triu_indices(len(UNRELATED_PROMPTS), 1)]
    assert len(set(UNRELATED_PROMPTS)) == len(UNRELATED_PROMPTS)
    assert pairs.mean() < 0.15
    assert pairs.max() < 0.5
