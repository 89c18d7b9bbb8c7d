"""One PNG file per image, with metadata."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from comfyui_sage.nodes.images import SaveImages
from comfyui_sage.sage_core.images.graph_settings import SamplerSettings
from comfyui_sage.sage_core.images.png_files import ImageFiles, ImageRecord, file_name
from groups import named_groups
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

SETTINGS = SamplerSettings(7, steps=20, cfg=4.0, sampler_name="euler", scheduler="simple", share=0.4, negative="no")
PROMPTS = ["a red car, snow", "日本の赤い車", "../../etc/passwd", "a red car, snow"]


def save(folder: Path, images: torch.Tensor, texts: dict | None, first: int = 1) -> list[str]:
    files = ImageFiles(named_groups(((0, 2), (1, 3)), PROMPTS), SETTINGS, folder, "image", first, texts)
    return [name for prompt, its in enumerate(images.split(len(images) // 4)) for name in files.save(prompt, its)]


@given(st.text(max_size=500), st.integers(1, 10000))
def test_names_are_safe_on_every_file_system(prompt: str, group: int) -> None:
    name = f"image_00001_{file_name(ImageRecord(prompt, group, 2, 1), variations=3)}.png"
    assert not set(name[:-4]) & set('<>:"/\\|?*. \x00\n\t')
    assert len(name.encode()) <= 255
    assert name[:-4].isprintable()


@pytest.mark.parametrize("letter", ["a", "日", "𝒳"])
def test_long_prompts_after_a_long_prefix(tmp_path: Path, letter: str) -> None:
    """The prompt's part of the name takes the room that is left: no name is too long for a folder."""
    files = ImageFiles(named_groups(((0,),), [letter * 300]), SETTINGS, tmp_path, "p" * 195, 1, None)
    name = files.save(0, torch.zeros(2, 8, 8, 3))[1]
    assert letter * 5 in name and name.endswith("_v2.png")
    assert len(name.encode()) <= 255


def test_one_file_per_row_with_its_prompt(tmp_path: Path) -> None:
    images = torch.rand(8, 16, 24, 3)
    names = save(tmp_path, images, {"prompt": {"1": {}}, "workflow": {"nodes": []}}, first=5)
    assert len(set(names)) == 8
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)
    assert names[0] == "image_00005_g01_a-red-car-snow_v1.png"
    for row, name in enumerate(names):
        with Image.open(tmp_path / name) as file:
            assert file.size == (24, 16)
            metadata, text = json.loads(file.text["sage"]), file.text["parameters"]
            assert json.loads(file.text["workflow"]) == {"nodes": []}
            assert json.loads(file.text["prompt"]) == {"1": {}}
        assert metadata["prompt"] == PROMPTS[row // 2]
        assert metadata["variation"] == row % 2 + 1
        assert metadata["group"] == (1, 2, 1, 2)[row // 2]
        assert (metadata["seed"], metadata["share"], metadata["sampler_name"]) == (7, 0.4, "euler")
        assert text.splitlines()[0] == PROMPTS[row // 2]
        assert text.splitlines()[1] == "Negative prompt: no"
        assert "Steps: 20, Sampler: euler simple, CFG scale: 4.0, Seed: 7, Size: 24x16" in text


@pytest.mark.parametrize(("has_own_seeds", "expected"), [(True, [7, 12, 6, 7]), (False, [7, 7, 7, 7])])
def test_every_prompt_has_its_own_seed(tmp_path: Path, has_own_seeds: bool, expected: list[int]) -> None:
    groups = replace(named_groups(((0, 2), (1, 3)), PROMPTS), seed_offsets=(0, 5, -1, 0))
    files = ImageFiles(groups, replace(SETTINGS, has_own_seeds=has_own_seeds), tmp_path, "image", 1, {})
    seeds = []
    for prompt in range(4):
        with Image.open(tmp_path / files.save(prompt, torch.rand(1, 8, 8, 3))[0]) as file:
            metadata = json.loads(file.text["sage"])
            assert f"Seed: {metadata['seed']}," in file.text["parameters"] and "has_own_seeds" not in metadata
            seeds.append(metadata["seed"])
    assert seeds == expected


def test_no_metadata_if_disabled(tmp_path: Path) -> None:
    name = save(tmp_path, torch.rand(4, 8, 8, 3), None)[0]
    with Image.open(tmp_path / name) as file:
        assert file.text == {}


def test_pixels_come_back(tmp_path: Path) -> None:
    images = torch.rand(4, 8, 8, 4)
    with Image.open(tmp_path / save(tmp_path, images, {})[2]) as file:
        assert file.mode == "RGBA"
        assert list(file.getdata())[0] == tuple((images[2, 0, 0] * 255).round().int().tolist())


def test_any_order_gives_the_same_files(tmp_path: Path) -> None:
    images = torch.rand(4, 2, 8, 8, 3)
    names = save(tmp_path, images.flatten(0, 1), {})
    pixels = [Image.open(tmp_path / name).tobytes() for name in names]
    later = tmp_path / "later"
    later.mkdir()
    files = ImageFiles(named_groups(((0, 2), (1, 3)), PROMPTS), SETTINGS, later, "image", 1, {})
    found = {prompt: files.save(prompt, images[prompt]) for prompt in (2, 0, 3, 1)}
    assert [name for prompt in range(4) for name in found[prompt]] == names
    assert [Image.open(later / name).tobytes() for name in names] == pixels


def test_a_stop_leaves_whole_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written, link = [], os.link

    def stop(source: Path, target: Path) -> None:
        if len(written) == 2:
            raise KeyboardInterrupt
        link(source, target)
        written.append(target)

    monkeypatch.setattr("os.link", stop)
    with pytest.raises(KeyboardInterrupt):
        save(tmp_path, torch.zeros(4, 8, 8, 3), {})
    assert len(list(tmp_path.iterdir())) == 2
    for path in tmp_path.iterdir():
        Image.open(path).load()


def test_a_full_disk_leaves_nothing_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(OSError, match="No space left"):
        save(tmp_path, torch.zeros(4, 8, 8, 3), {})
    assert not list(tmp_path.iterdir())


def test_a_number_that_is_taken_meanwhile_is_left_alone(tmp_path: Path) -> None:
    mine, theirs = torch.zeros(4, 8, 8, 3), torch.ones(4, 8, 8, 3)
    names = [*save(tmp_path, mine, {}), *save(tmp_path, theirs, {})]
    assert len(set(names)) == len(list(tmp_path.iterdir())) == 8
    assert names[4] == "image_00005_g01_a-red-car-snow.png"
    assert [Image.open(tmp_path / name).getpixel((0, 0))[0] for name in names] == [0] * 4 + [255] * 4


def test_a_folder_that_cannot_be_written_leaves_nothing_half(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="missing"):
        save(tmp_path / "missing", torch.zeros(4, 8, 8, 3), {})
    assert not list(tmp_path.iterdir())


def test_images_that_are_not_of_these_prompts() -> None:
    groups = named_groups(((0, 1, 2, 3),), PROMPTS)
    with pytest.raises(ValueError, match=r"images: expected .* 4 prompts, got 6 images"):
        SaveImages.execute(torch.zeros(6, 8, 8, 3), groups, "image")


def test_names_begin_with_what_differs(tmp_path: Path) -> None:
    tags = "masterpiece, best quality, highly detailed, sharp focus, studio light"
    prompts = [f"{tags}, photo of a {thing}" for thing in ("red car", "green boat")]
    files = ImageFiles(named_groups(((0, 1),), prompts), SETTINGS, tmp_path, "image", 1, None)
    names = [files.save(prompt, torch.zeros(1, 8, 8, 3))[0] for prompt in (0, 1)]
    assert names == ["image_00001_g01_red-car.png", "image_00002_g01_green-boat.png"]
