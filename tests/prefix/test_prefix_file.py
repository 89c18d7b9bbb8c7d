"""Saved prefixes: bit-identical images in another process, checks of the file, nodes."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import comfy.hooks
import folder_paths
import numpy as np
import pytest
import torch
from comfy.nested_tensor import NestedTensor
from comfy_extras import nodes_pag
from comfyui_sage.nodes import prefix as prefix_nodes
from comfyui_sage.nodes.prefix import LoadPrefix, SavePrefix
from comfyui_sage.nodes.samplers import BranchKSampler
from comfyui_sage.sage_core.conditioning.template import apply_template
from comfyui_sage.sage_core.prefix.extend import extend_prefix
from comfyui_sage.sage_core.prefix.file import load_prefix, prefix_state, restore_prefix, save_prefix
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.sampling.prefix import Prefix
from comfyui_sage.sage_core.serialization import read_data, write_data
from comfyui_sage.sage_core.sharing.correction_plan import spread_calls
from models import MODELS, conditioning, controlnet, middle_block_unet
from prefixes import new_prompts, sample_branch, sample_prefix, six_prompts
from reference import SETTINGS, assert_equal, small
from safetensors.torch import load_file

TESTS = Path(__file__).resolve().parent.parent
BRANCH = """
import sys
sys.path[:0] = sys.argv[1:3]
import conftest, torch
from comfyui_sage.sage_core.sampling import ksampler
from comfyui_sage.sage_core.prefix.file import load_prefix
from models import MODELS
from pathlib import Path
from safetensors.torch import save_file
folder = Path(sys.argv[3])
rows = {path.name: ksampler.sample_branch(MODELS["sd15"](), load_prefix(path))[0]["samples"]
        for path in folder.glob("*.prefix.safetensors")}
save_file(rows, folder / "rows.safetensors")
"""


def saved(prefix: Prefix, folder: Path) -> Path:
    save_prefix(prefix, folder / "a.prefix.safetensors")
    return folder / "a.prefix.safetensors"


def test_a_branch_in_a_new_process_is_bit_identical(tmp_path: Path) -> None:
    prefixes = {
        f"{sampler}.prefix.safetensors": sample_prefix(
            six_prompts(), variations=2, sampler_name=sampler, share_mode=mode, share=0.4
        )
        for sampler, mode in (("euler", "fixed"), ("dpmpp_2m_sde", "fixed"), ("euler_ancestral", "tree"),
                              ("uni_pc", "tree"))
    }  # fmt: skip
    prefixes["added.prefix.safetensors"] = extend_prefix(
        prefixes["uni_pc.prefix.safetensors"], *new_prompts(1, 15, 190)
    )[0]
    for name, prefix in prefixes.items():
        save_prefix(prefix, tmp_path / name)
    subprocess.run([sys.executable, "-P", "-c", BRANCH, TESTS, TESTS / "support", tmp_path], check=True)
    rows = load_file(tmp_path / "rows.safetensors")
    assert set(rows) == set(prefixes)
    for name, prefix in prefixes.items():
        assert torch.equal(rows[name], sample_branch(prefix)), name


def test_more_prompts_can_be_added_to_a_loaded_prefix(tmp_path: Path) -> None:
    prefix = sample_prefix(six_prompts(), share_mode="tree")
    expected = sample_branch(extend_prefix(prefix, *new_prompts(1, 15))[0])
    assert torch.equal(
        sample_branch(extend_prefix(load_prefix(saved(prefix, tmp_path)), *new_prompts(1, 15))[0]), expected
    )


def test_plain_extras_of_a_template_are_kept(tmp_path: Path) -> None:
    template = conditioning("sd15", seed=3)
    template[0][1] |= {"area": ("percentage", 0.5, 0.5, 0, 0), "strength": 0.8, "start_percent": 0.1}
    groups = six_prompts()
    dressed = tuple(apply_template(one, template) for one in groups.conditionings)
    prefix = sample_prefix(replace(groups, conditionings=dressed, template=template))
    loaded = load_prefix(saved(prefix, tmp_path))
    assert loaded.groups.conditionings[0][0][1]["area"] == ("percentage", 0.5, 0.5, 0, 0)
    assert torch.equal(sample_branch(loaded), sample_branch(prefix))


def test_prompts_for_the_shared_steps_are_kept(tmp_path: Path) -> None:
    groups = six_prompts()
    own = ((groups.texts(groups.partition[0]), "of my own", conditioning("sd15", seed=77)),)
    prefix = sample_prefix(replace(groups, shared_prompts=own))
    loaded = load_prefix(saved(prefix, tmp_path))
    assert loaded.groups.condition_source(groups.partition[0]) == "prompt"
    assert torch.equal(sample_branch(loaded), sample_branch(prefix))


def test_guidance_that_asks_more_at_some_calls(tmp_path: Path) -> None:
    """Perturbed attention guidance makes a call with one answer after every call with two."""
    model = nodes_pag.PerturbedAttentionGuidance.execute(middle_block_unet(), 3.0).args[0]
    settings = {"share": 0.5, "share_mode": "tree", **SETTINGS}
    prefix, _ = ksampler.sample_prefix(model, six_prompts(), conditioning("sd15", seed=1), small("sd15"), **settings)
    assert {len(call.outputs) for trace in prefix.traces for call in trace} == {1, 2}
    expected, _ = ksampler.sample_branch(model, prefix)
    found, _ = ksampler.sample_branch(model, load_prefix(saved(prefix, tmp_path)))
    assert torch.equal(found["samples"], expected["samples"])


def test_the_phrases_that_were_set_aside_are_kept(tmp_path: Path) -> None:
    prefix = sample_prefix(replace(six_prompts(), set_aside=("bokeh", "masterpiece")))
    assert load_prefix(saved(prefix, tmp_path)).groups.set_aside == ("bokeh", "masterpiece")


class TestCorrection:
    def file(self, folder: Path) -> tuple[Prefix, dict[str, Any], Path]:
        prefix = sample_prefix(six_prompts(), share=0.5, correction="on", scheduler="karras")
        path = saved(prefix, folder)
        return prefix, read_data(path), path

    def test_the_own_calls_are_kept(self, tmp_path: Path) -> None:
        prefix, _, path = self.file(tmp_path)
        assert load_prefix(path).record.correction == prefix.record.correction
        assert torch.equal(sample_branch(load_prefix(path)), sample_branch(prefix))

    def test_those_of_a_file_without_its_noise_are_evenly_spread(self, tmp_path: Path) -> None:
        """As they were when such files were saved."""
        prefix, state, path = self.file(tmp_path)
        del state["outcome"]["correction"]["noise"]
        write_data(path, state)
        old, now = load_prefix(path).record.correction, prefix.record.correction
        assert old is not None and now is not None and old == replace(now, noise=())
        prompt = old.following[0]
        assert old.own_calls(prompt) == spread_calls(old.calls, 0.5) != now.own_calls(prompt)

    def test_noise_of_another_run(self, tmp_path: Path) -> None:
        _, state, path = self.file(tmp_path)
        calls = len(state["outcome"]["correction"]["noise"])
        state["outcome"]["correction"]["noise"] += (0.5,)
        write_data(path, state)
        with pytest.raises(ValueError, match=f"calls with their noise: expected {calls}, got {calls + 1}"):
            load_prefix(path)


def test_masks_and_batch_indices_are_kept(tmp_path: Path) -> None:
    image = {**small("sd15", batch=2, seed=3), "noise_mask": torch.rand(2, 64, 64), "batch_index": [4, 7]}
    prefix, _ = ksampler.sample_prefix(
        MODELS["sd15"](), six_prompts(), conditioning("sd15", seed=1), image, share=0.5, **SETTINGS
    )
    loaded = load_prefix(saved(prefix, tmp_path))
    out, _ = ksampler.sample_branch(MODELS["sd15"](), loaded)
    expected, _ = ksampler.sample_branch(MODELS["sd15"](), prefix)
    assert out.keys() == expected.keys() and out["batch_index"] == expected["batch_index"]
    assert torch.equal(out["samples"], expected["samples"]) and torch.equal(out["noise_mask"], expected["noise_mask"])


def test_latents_of_several_parts(tmp_path: Path) -> None:
    prefix = sample_prefix(six_prompts())
    both = NestedTensor([torch.zeros(1, 4, 8, 8), torch.ones(1, 2, 5)])
    job = replace(prefix.job, noise=both, latent_image=both)
    nested = replace(prefix, job=job, traces=[], plan=type(prefix.plan)(prefix.plan.levels[-1:]))
    loaded = load_prefix(saved(nested, tmp_path))
    assert [part.shape for part in loaded.job.noise.unbind()] == [part.shape for part in both.unbind()]


@pytest.mark.parametrize(("extra", "message"), [
    ({"control": controlnet()}, "got ControlNet in groups/conditionings/0/0/1/control"),
    ({"hooks": comfy.hooks.HookGroup()}, "got HookGroup in groups/conditionings/0/0/1/hooks"),
    ({"extra": np.zeros(3)}, "got ndarray in groups/conditionings/0/0/1/extra"),
])  # fmt: skip
def test_what_is_no_plain_data_is_refused(tmp_path: Path, extra: dict[str, Any], message: str) -> None:
    prefix = sample_prefix(six_prompts())
    prefix.groups.conditionings[0][0][1].update(extra)
    with pytest.raises(ValueError, match=f"prefix: cannot be saved, only plain data can be: .*{message}"):
        saved(prefix, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_another_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="model SD15 in the prefix|latent channels 4 in the prefix, 16 here"):
        BranchKSampler.execute(MODELS["sd3"](), load_prefix(saved(sample_prefix(six_prompts()), tmp_path)))


@pytest.mark.parametrize(("change", "message"), [
    ({"format": 4}, "file: expected a prefix of format 1 to 3, got 4"),
    ({"sampler_name": "quantum"}, "file: sampler_name: expected one of euler.*, got 'quantum'"),
    ({"cfg": float("inf")}, "cfg: expected a finite number, got inf"),
    ({"sigmas": torch.tensor([1.0, 2.0, 0.0])}, r"sigmas: expected \[2.0, 1.0, 0.0\], got \[1.0, 2.0, 0.0\]"),
    ({"noise": torch.zeros(1, 4, 8, 16)}, r"latent_image: expected \[\(1, 4, 8, 16\)\], got \[\(1, 4, 8, 8\)\]"),
    ({"noise": torch.zeros(1, 4, 4, 4), "latent_image": torch.zeros(1, 4, 4, 4)},
     r"expected {\(1, 64\)}, got {\(1, 256\)}"),
    ({"latent_image": torch.full((1, 4, 8, 8), torch.nan)}, "latent_image: expected finite values, got 256 NaN"),
    ({"traces": []}, "recorded clusters: expected 3, got 0"),
])  # fmt: skip
def test_an_inconsistent_file(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = saved(sample_prefix(six_prompts()), tmp_path)
    write_data(path, {**read_data(path), **change})
    with pytest.raises(ValueError, match=message):
        load_prefix(path)


def _at(state: Any, path: str) -> Any:
    """The part of a nested state that a path such as `traces/0/1` leads to."""
    for part in path.split("/") if path else ():
        state = state[int(part) if part.isdigit() else part]
    return state


@pytest.mark.parametrize(("where", "key", "named"), [
    ("", "negative", "the prefix"), ("groups", "encoder", "groups"), ("outcome", "steps", "outcome"),
    ("outcome/cost", "planning", "outcome/cost"), ("traces/0/1", "sigma", "traces"), ("added", "prompts", "added"),
])  # fmt: skip
def test_missing_and_unknown_keys_are_named(tmp_path: Path, where: str, key: str, named: str) -> None:
    path = saved(extend_prefix(sample_prefix(six_prompts()), *new_prompts(1))[0], tmp_path)
    state = read_data(path)
    _at(state, where)["new_field"] = 1
    write_data(path, state)
    with pytest.raises(ValueError, match=f"got one with the unknown 'new_field' in {named}"):
        load_prefix(path)
    del _at(state, where)["new_field"], _at(state, where)[key]
    write_data(path, state)
    with pytest.raises(ValueError, match=f"got one without '{key}' in {named}"):
        load_prefix(path)


class TestFormat1:
    """A file saved before the packages of sage_core were made, with everything in it that a prefix can hold."""

    FILE = Path(__file__).parent / "fixtures" / "format_1.prefix.safetensors"

    def test_loaded_and_saved_again_it_is_the_same(self, tmp_path: Path) -> None:
        state, again = read_data(self.FILE), read_data(saved(load_prefix(self.FILE), tmp_path))
        assert _plain(again) == _plain(state)

    def test_its_branch_gives_the_saved_images(self) -> None:
        expected = load_file(self.FILE.with_name("format_1.samples.safetensors"))["samples"]
        assert_equal(sample_branch(load_prefix(self.FILE)), expected)

    def test_the_first_files_had_no_shared_prompts(self, tmp_path: Path) -> None:
        state = read_data(self.FILE)
        del state["groups"]["shared_prompts"]
        write_data(tmp_path / "old.safetensors", state)
        assert load_prefix(tmp_path / "old.safetensors").groups.shared_prompts == ()

    def test_a_file_of_format_2_is_branched_without_its_correction(self, tmp_path: Path) -> None:
        """Its calls had states, and those of inner clusters were corrected from the recorded ones."""
        state = read_data(self.FILE)
        for trace in state["traces"]:
            trace[0]["state"] = torch.zeros(1)
            trace[1] = {**trace[1], "outputs": (None, None), "fingerprint": None, "source": trace[1]}
        state["format"], state["outcome"]["probed"], state["outcome"]["cost"]["probes"] = 2, (0, 2), (0, 8)
        write_data(tmp_path / "old.safetensors", state)
        prefix = load_prefix(tmp_path / "old.safetensors")
        expected = load_file(self.FILE.with_name("format_1.samples.safetensors"))["samples"]
        assert_equal(sample_branch(prefix), expected)
        assert any("corrected in an earlier way" in warning for warning in prefix.record.warnings)


def _plain(value: Any) -> Any:
    """Nested data with tensors as their type, shape and bits, so that `==` compares all of it."""
    if isinstance(value, torch.Tensor):
        return str(value.dtype), tuple(value.shape), value.contiguous().numpy().tobytes()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return type(value)(map(_plain, value)) if isinstance(value, list | tuple) else value


class TestDamage:
    FILE = TestFormat1.FILE
    INSTEAD = (
        None, True, -1, 10**6, 0.5, float("nan"), "", "text", [], {}, (), (7,), ("text",), [{}], b"", torch.zeros(3),
        torch.zeros(2, 2), torch.zeros(1, dtype=torch.uint8), torch.full((2, 4, 8, 8), torch.inf),
    )  # fmt: skip

    def changed(self, value: Any, random: Random) -> Any:
        """The data with one change somewhere, at a random depth."""
        pairs = list(value.items() if isinstance(value, dict) else enumerate(value))
        if not pairs:
            return random.choice(self.INSTEAD)
        at = random.randrange(len(pairs))
        key, old = pairs[at]
        if isinstance(old, dict | list | tuple) and random.random() < 0.8:
            pairs[at] = key, self.changed(old, random)
        else:
            kinds = ([(key, random.choice(self.INSTEAD))], [], [pairs[at]] * 2, [("added", 1), pairs[at]])
            pairs[at : at + 1] = random.choice(kinds)
        return dict(pairs) if isinstance(value, dict) else type(value)(each for _, each in pairs)

    def test_a_changed_tree_is_refused_or_what_it_says(self) -> None:
        state, random, refused = read_data(self.FILE), Random(1), 0
        for _ in range(500):
            changed = self.changed(state, random)
            try:
                prefix = restore_prefix(changed)
            except ValueError as error:
                refused += 1
                assert str(error).startswith(("file: ", "plan: ")), error
            else:
                changed["groups"].setdefault("shared_prompts", ())  # the first files have none
                assert _plain(prefix_state(prefix)) == _plain(changed)
        assert refused > 200

    def test_a_flipped_bit_is_seen(self, tmp_path: Path) -> None:
        path, random = saved(load_prefix(self.FILE), tmp_path), Random(2)
        whole = path.read_bytes()
        for _ in range(100):
            damaged = bytearray(whole)
            damaged[random.randrange(len(whole))] ^= 1 << random.randrange(8)
            path.write_bytes(damaged)
            with pytest.raises(ValueError, match=r"^file: expected a file of Save Prefix, got one that cannot be read"):
                load_prefix(path)

    def test_a_run_of_nan_is_not_saved(self, tmp_path: Path) -> None:
        prefix = load_prefix(self.FILE)
        prefix.traces[0][1].outputs[0].fill_(torch.nan)
        with pytest.raises(ValueError, match="prefix: traces/0/1/outputs/0: expected finite values, got 512 NaN"):
            saved(prefix, tmp_path)


def test_a_file_of_something_else(tmp_path: Path) -> None:
    path = saved(sample_prefix(six_prompts()), tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="file: expected a file of Save Prefix, got one that cannot be read"):
        load_prefix(path)


class TestNodes:
    @pytest.fixture(autouse=True)
    def folders(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("input", "output"):
            (tmp_path / name).mkdir()
            monkeypatch.setattr(folder_paths, f"get_{name}_directory", lambda name=name: str(tmp_path / name))

    def test_saved_files_are_listed_and_loaded(self, tmp_path: Path) -> None:
        prefix = sample_prefix(six_prompts())
        paths = [Path(SavePrefix.execute(prefix, "prefixes/cars").args[0]) for _ in range(2)]
        assert [path.name for path in paths] == [f"cars_0000{number}_.prefix.safetensors" for number in (1, 2)]
        paths[1].rename(tmp_path / "input" / "b.prefix.safetensors")
        files = ["prefixes/cars_00001_.prefix.safetensors [output]", "b.prefix.safetensors"]
        assert LoadPrefix.define_schema().inputs[0].options == files
        for file in files:
            assert torch.equal(sample_branch(LoadPrefix.execute(file).args[0]), sample_branch(prefix))

    def test_a_file_that_is_written_anew_is_loaded_again(self, tmp_path: Path) -> None:
        """It may have its old time and its old size."""
        prefix = load_prefix(TestFormat1.FILE)
        path = Path(SavePrefix.execute(prefix, "prefixes/cars").args[0])
        file, time = "prefixes/cars_00001_.prefix.safetensors [output]", path.stat().st_mtime_ns
        before = LoadPrefix.fingerprint_inputs(file)
        assert LoadPrefix.fingerprint_inputs(file) == before
        save_prefix(replace(prefix, cfg=prefix.cfg + 1), path)
        os.utime(path, ns=(time, time))
        assert LoadPrefix.fingerprint_inputs(file) != before

    def test_a_number_that_is_taken_meanwhile(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """By another ComfyUI, after this one has looked which is free."""
        monkeypatch.setattr(prefix_nodes, "output_path", lambda name: (tmp_path / "output", "cars", 1, ""))
        prefix = load_prefix(TestFormat1.FILE)
        paths = [Path(SavePrefix.execute(prefix, "cars").args[0]) for _ in range(2)]
        assert [path.name[:10] for path in paths] == ["cars_00001", "cars_00002"]

    def test_a_full_disk_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object, **__: object) -> None:
            raise OSError("No space left on device")

        monkeypatch.setattr("comfyui_sage.sage_core.serialization.save_file", full)
        with pytest.raises(OSError, match="prefix cannot be written to .*output/prefixes: No space left on device"):
            SavePrefix.execute(load_prefix(TestFormat1.FILE), "prefixes/cars")
        assert list((tmp_path / "output" / "prefixes").iterdir()) == []

    def test_the_folder_is_checked_before_the_run(self, tmp_path: Path) -> None:
        assert SavePrefix.validate_inputs("prefixes/cars") is True
        assert SavePrefix.validate_inputs() is True, "the name comes from another node"
        (tmp_path / "output" / "file").touch()
        assert "file" in SavePrefix.validate_inputs("file/cars")
        assert "inside the output folder" in SavePrefix.validate_inputs("../cars")
        assert "filename_prefix: expected a name without" in SavePrefix.validate_inputs("a\0b")

    @pytest.mark.parametrize("file", ["../../etc/passwd", "nope.prefix.safetensors", "", "../input/x [output]"])
    def test_no_other_file_is_read(self, file: str) -> None:
        with pytest.raises(ValueError, match=r"file: expected one of \(nothing there yet\), got"):
            LoadPrefix.execute(file)
        assert LoadPrefix.fingerprint_inputs(file) == ""

    def test_files_stay_in_the_output_folder(self) -> None:
        with pytest.raises(ValueError, match="filename_prefix: expected a name inside the output folder, got '../x'"):
            SavePrefix.execute(sample_prefix(six_prompts()), "../x")

    def test_something_else_than_a_prefix(self) -> None:
        with pytest.raises(ValueError, match="prefix: expected the output of Shared KSampler Prefix, got str"):
            SavePrefix.execute("a string", "prefixes/x")
