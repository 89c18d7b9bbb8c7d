"""One PNG a prompt."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from comfyui_sage.sage_core.provenance import SamplerSettings
from comfyui_sage.sage_core.saving import ImageRecord, file_name, image_records, save_images
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from test_grid import grouped

SETTINGS = SamplerSettings(7, steps=20, cfg=4.0, sampler_name="euler", scheduler="simple", share=0.4, negative="no")
PROMPTS = ["a red car, snow", "日本の赤い車", "../../etc/passwd", "a red car, snow"]


def save(folder: Path, images: torch.Tensor, texts: dict | None, first: int = 1) -> list[str]:
    records = image_records(grouped(((0, 2), (1, 3)), PROMPTS), images, SETTINGS)
    return save_images(images, records, folder, "image", first, texts)


@given(st.text(max_size=500), st.integers(1, 10000))
def test_names_are_safe_on_every_file_system(prompt: str, group: int) -> None:
    name = f"image_00001_{file_name(ImageRecord(prompt, group, 2, 1), variations=3)}.png"
    assert not set(name[:-4]) & set('<>:"/\\|?*. \x00\n\t')
    assert len(name.encode()) <= 255
    assert name[:-4].isprintable()


def test_a_file_a_row_each_with_its_own_prompt(tmp_path: Path) -> None:
    images = torch.rand(8, 16, 24, 3)
    names = save(tmp_path, images, {"prompt": {"1": {}}, "workflow": {"nodes": []}}, first=5)
    assert len(set(names)) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert names[0] == "image_00005_g01_a-red-car-snow_v1.png"
    for row, name in enumerate(names):
        with Image.open(tmp_path / name) as file:
            assert file.size == (24, 16)
            told, text = json.loads(file.text["sage"]), file.text["parameters"]
            assert json.loads(file.text["workflow"]) == {"nodes": []}
            assert json.loads(file.text["prompt"]) == {"1": {}}
        assert told["prompt"] == PROMPTS[row // 2]
        assert told["variation"] == row % 2 + 1
        assert told["group"] == (1, 2, 1, 2)[row // 2]
        assert (told["seed"], told["share"], told["sampler_name"]) == (7, 0.4, "euler")
        assert text.splitlines()[0] == PROMPTS[row // 2]
        assert text.splitlines()[1] == "Negative prompt: no"
        assert "Steps: 20, Sampler: euler simple, CFG scale: 4.0, Seed: 7, Size: 24x16" in text


def test_no_metadata_if_so_asked(tmp_path: Path) -> None:
    name = save(tmp_path, torch.rand(4, 8, 8, 3), None)[0]
    with Image.open(tmp_path / name) as file:
        assert file.text == {}


def test_pixels_come_back(tmp_path: Path) -> None:
    images = torch.rand(4, 8, 8, 4)
    with Image.open(tmp_path / save(tmp_path, images, {})[2]) as file:
        assert file.mode == "RGBA"
        assert list(file.getdata())[0] == tuple((images[2, 0, 0] * 255).round().int().tolist())


def test_a_stop_leaves_whole_files_only(tmp_path: Path) -> None:
    records = image_records(grouped(((0, 1, 2, 3),), PROMPTS), torch.zeros(4, 8, 8, 3), SETTINGS)

    def stop(done: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        save_images(torch.zeros(4, 8, 8, 3), records, tmp_path, "image", 1, {}, stop)
    assert len(list(tmp_path.iterdir())) == 2
    for path in tmp_path.iterdir():
        Image.open(path).load()


def test_a_folder_that_cannot_be_written_leaves_nothing_half(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        save(tmp_path / "missing", torch.zeros(4, 8, 8, 3), {})
    assert not list(tmp_path.iterdir())


def test_images_that_are_not_of_these_prompts() -> None:
    with pytest.raises(ValueError, match=r"images: expected .* 4 prompts, got 6 images"):
        image_records(grouped(((0, 1, 2, 3),), PROMPTS), torch.zeros(6, 8, 8, 3), SETTINGS)
