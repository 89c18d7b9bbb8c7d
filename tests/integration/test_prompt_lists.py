"""Lists of prompts, out of Prompt List and into the nodes that take prompts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import folder_paths
import numpy as np
import pytest
import torch
from comfyui_sage.nodes.group_prompts import SemanticGroupPrompts
from comfyui_sage.nodes.list_inputs import takes_lists
from comfyui_sage.nodes.prompt_list import PromptList
from comfyui_server import Graph, Server, ServerError
from graphs import sage_graph, split_graph
from list_calls import execute_listed
from PIL import Image

THREE = "a {red|blue} car in the snow\na small boat on the sea"
TEXTS = ["a red car in the snow", "a blue car in the snow", "a small boat on the sea"]
TABLE = "name;prompt;negative\nsnow;a red car, in the snow;a blue car\n;a small boat on the sea;\n"


def show(node: str, output: int) -> dict[str, Any]:
    return {"class_type": "PreviewAny", "inputs": {"source": [node, output]}}


def listed(**inputs: Any) -> dict[str, Any]:
    return {"class_type": "SagePromptList", "inputs": {"prompts": THREE, **inputs}}


def grouping_of_a_list(**inputs: Any) -> Graph:
    """Prompt List (node 20) into Semantic Group Prompts (node 2), and its report."""
    graph = sage_graph()
    graph["2"]["inputs"]["prompts"] = ["20", 0]
    return {"1": graph["1"], "2": graph["2"], "8": show("2", 1), "20": listed(**inputs)}


class TestNode:
    def test_one_item_per_prompt(self) -> None:
        prompts, negatives, names, offsets = execute_listed(PromptList, THREE, negative="blurry").args
        assert prompts == TEXTS
        assert negatives == ["blurry"] * 3
        assert offsets == [0] * 3
        assert names == ["a-red-car-in-the-snow", "a-blue-car-in-the-snow", "a-small-boat-on-the-sea"]

    def test_the_log_says_how_a_table_was_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(folder_paths, "get_input_directory", lambda: str(tmp_path))
        (tmp_path / "bare.csv").write_text("a red car, snow\na boat\n", "utf-8")
        assert execute_listed(PromptList, "", prompt_file="bare.csv").args[0] == ["a red car, snow", "a boat"]
        assert "SAGE: prompt_file: bare.csv: no column is called prompt; every line is one prompt" in caplog.messages

    def test_the_node_search_finds_it(self, comfyui_version: tuple[int, ...]) -> None:
        known = comfyui_version >= (0, 30)
        assert ("storyboard" in getattr(PromptList.define_schema(), "search_aliases", [])) is known


class TestChosen:
    def graph(self, **inputs: Any) -> Graph:
        """One picture per prompt, every prompt on its own."""
        graph = sage_graph(share=0.0, seed=4)
        graph["4"]["inputs"]["batch_size"] = 1
        graph["2"]["inputs"] |= inputs
        return {**graph, "9": show("2", 1)}

    def test_the_pictures_are_those_of_the_whole_list(self, server: Server) -> None:
        whole = server.queue(self.graph())
        some = server.queue(self.graph(chosen=json.dumps([TEXTS[2], TEXTS[0], "gone"])))
        before, its = ([np.array(Image.open(path), int) for path in server.files(run["7"])] for run in (whole, some))
        assert len(its) == 2
        for picture, before_it in zip(its, (before[0], before[2]), strict=True):
            assert abs(picture - before_it).max() <= 1
        assert "only 2 of 3 prompts: your favourites." in some["9"]["text"][0]

    def test_a_list_gives_all_that_the_chosen_prompts_have(self) -> None:
        """Also the names that they have in the whole list."""
        text, chosen = "a red car\na red car\na blue car", json.dumps(["a red car", "gone"])
        prompts, negatives, names, offsets = execute_listed(PromptList, text, negative="blurry", chosen=chosen).args
        assert prompts == ["a red car"] * 2
        assert (negatives, offsets) == (["blurry"] * 2, [0] * 2)
        assert names == execute_listed(PromptList, text).args[2][:2]

    def test_the_log_says_that_a_list_is_not_whole(self, caplog: pytest.LogCaptureFixture) -> None:
        execute_listed(PromptList, THREE, chosen=json.dumps(TEXTS[:1]))
        assert "SAGE: only 1 of 3 prompts: your favourites." in caplog.text

    @pytest.mark.parametrize("node", [SemanticGroupPrompts, PromptList])
    def test_it_is_the_last_input_and_nothing_by_default(self, node: Any) -> None:
        last = node.define_schema().inputs[-1]
        assert (last.id, last.default, last.optional) == ("chosen", "", True)


class TestListInputs:
    @staticmethod
    def call(**inputs: Any) -> dict[str, Any]:
        return takes_lists("prompts")(lambda cls, **values: values)(object, **inputs)

    def test_lists_stay_and_others_are_unwrapped(self) -> None:
        values = torch.ones(2), [1, 2]
        got = self.call(prompts=["a", "b"], clip=[values[0]], steps=[5, 5], shared=[values[1]] * 3, later=(None,))
        assert got == {"prompts": ["a", "b"], "clip": values[0], "steps": 5, "shared": values[1], "later": None}

    @pytest.mark.parametrize(("values", "got"), [
        (["a", "b", "a"], "a list of 3 that differ"), ([torch.ones(2), torch.ones(2)], "a list of 2 that differ"),
        ([], "an empty list"),
    ])  # fmt: skip
    def test_others_have_one_value(self, values: list[Any], got: str) -> None:
        with pytest.raises(ValueError, match=f"clip: expected one value for all prompts, got {got}"):
            self.call(prompts=["a", "b"], clip=values)


class TestOut:
    @pytest.fixture
    def table(self, server: Server) -> Iterator[Path]:
        path = server.folder / "input" / "list.csv"
        path.write_text(TABLE, "utf-8")
        yield path
        path.unlink()

    def test_an_encoder_and_all_after_it_run_once_per_prompt(self, server: Server, table: Path) -> None:
        """Every picture is that of the same nodes with the prompt typed in, and has the prompt's name."""
        graph = sage_graph()
        sampler = {key: graph["5"]["inputs"][key] for key in ("model", "latent_image", "seed", "steps", "cfg",
                                                              "sampler_name", "scheduler", "denoise")}  # fmt: skip
        graph = {key: graph[key] for key in "13467"} | {
            "2": {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ["20", 0]}},
            "5": {"class_type": "KSampler", "inputs": sampler | {"positive": ["2", 0], "negative": ["3", 0]}},
            "20": listed(prompts="a blue car in the snow", negative="a red boat", prompt_file=table.name),
        }
        graph["4"]["inputs"]["batch_size"] = 1
        graph["3"]["inputs"]["text"] = ["20", 1]
        graph["7"]["inputs"]["filename_prefix"] = ["20", 2]
        files = server.files(server.queue(graph)["7"])
        names = ["a-blue-car-in-the-snow", "snow", "a-small-boat-on-the-sea"]
        assert [file.name for file in files] == [f"{name}_00001_.png" for name in names]
        prompts = ["a blue car in the snow", "a red car, in the snow", "a small boat on the sea"]
        for file, prompt, negative in zip(files, prompts, ["a red boat", "a blue car", "a red boat"], strict=True):
            graph["2"]["inputs"]["text"], graph["3"]["inputs"]["text"] = prompt, negative
            graph["7"]["inputs"]["filename_prefix"] = "alone"
            (alone,) = server.files(server.queue(graph)["7"])
            assert Image.open(file).tobytes() == Image.open(alone).tobytes()

    def test_a_list_makes_one_list(self, server: Server) -> None:
        graph = {"20": listed(), "21": listed(prompts=["20", 0]), "8": show("21", 2)}
        graph["20"]["inputs"]["prompts"] = "a {red|red} car\na boat"
        shown = server.queue(graph)["8"]["text"]
        assert shown == ["a-red-car", "a-red-car_2", "a-boat"]


class TestIn:
    def test_a_list_is_grouped_in_one_run(self, server: Server) -> None:
        outputs = server.queue(grouping_of_a_list())
        (payload,) = outputs["2"]["sage_groups"]
        assert payload["prompts"] == TEXTS
        assert len(outputs["8"]["text"]) == 1 and outputs["8"]["text"][0].startswith("3 prompts in 2 groups")
        (typed,) = server.queue(sage_graph())["2"]["sage_groups"]
        assert {**payload, "made_of": {}} == {**typed, "made_of": {}}, "as if they were typed"

    def test_the_whole_workflow_runs_once(self, server: Server) -> None:
        graph = sage_graph()
        graph["2"]["inputs"]["prompts"] = ["20", 0]
        outputs = server.queue({**graph, "20": listed()})
        assert len(server.files(outputs["7"])) == 3 * 2
        assert len(outputs["8"]["text"]) == 1 and "evaluations" in outputs["8"]["text"][0]

    def test_one_text_is_parsed(self, server: Server) -> None:
        graph = grouping_of_a_list()
        graph["20"] = {"class_type": "PrimitiveStringMultiline", "inputs": {"value": THREE}}
        assert server.queue(graph)["2"]["sage_groups"][0]["prompts"] == TEXTS

    def test_a_list_of_one_text_is_not_parsed(self, server: Server) -> None:
        graph = grouping_of_a_list(prompts=["21", 0])
        graph["21"] = listed(prompts=r"a \{red\|blue\} car")
        assert server.queue(graph)["2"]["sage_groups"][0]["prompts"] == ["a {red|blue} car"]

    def test_lists_stay_in_the_cache_until_they_change(self, server: Server) -> None:
        """Also when the change is in a file."""
        path = server.folder / "input" / "changing.txt"
        path.write_text("a red tree\n", "utf-8")
        graph = grouping_of_a_list(prompt_file=path.name)
        graph["2"]["inputs"]["prompt_file"] = path.name
        ran: list[str] = []

        def note(kind: str, data: dict[str, Any]) -> None:
            if kind == "executing" and data["node"]:
                ran.append(data["node"])

        assert server.queue(graph, note)["2"]["sage_groups"][0]["prompts"] == [*TEXTS, "a red tree", "a red tree"]
        assert {"2", "20"} <= set(ran)
        ran.clear()
        server.queue(graph, note)
        assert not {"2", "20"} & set(ran)
        path.write_text("a blue tree on a hill\n", "utf-8")
        changed = server.queue(graph, note)["2"]["sage_groups"][0]["prompts"]
        assert changed == [*TEXTS, "a blue tree on a hill", "a blue tree on a hill"]

    def test_a_reloaded_page_gets_the_groups_of_a_list(self, server: Server) -> None:
        server.queue(grouping_of_a_list(prompts="a tree\na house"), workflow={"id": "a list"}, client="lists")
        status, text = server.ask("/sage/groups?client=lists&workflow=a%20list")
        assert status == 200 and '"prompts": ["a tree", "a house"]' in text

    def test_added_prompts(self, server: Server) -> None:
        graph = split_graph()
        graph["22"] = listed(prompts="a {green|white} car in the snow")
        graph["20"] = {
            "class_type": "SageAddPrompts",
            "inputs": {"prefix": ["5", 0], "clip": ["1", 1], "prompts": ["22", 0]},
        }
        graph["21"]["inputs"]["prefix"] = ["20", 0]
        graph["8"]["inputs"]["source"] = ["20", 2]
        outputs = server.queue(graph)
        assert len(server.files(outputs["7"])) == 2 * 2
        assert len(outputs["8"]["text"]) == 1 and outputs["8"]["text"][0].startswith("2 new prompts")
        graph["20"]["inputs"]["prompts"] = "# new\na white car"
        assert "\n\nNote: prompts: 1 comment skipped" in server.queue(graph)["8"]["text"][0]

    def test_other_inputs_have_one_value(self, server: Server) -> None:
        graph = grouping_of_a_list()
        graph["21"] = {"class_type": "CLIPTextEncode", "inputs": {"clip": ["1", 1], "text": ["20", 0]}}
        graph["2"]["inputs"]["template"] = ["21", 0]
        with pytest.raises(ServerError, match="SageSemanticGroupPrompts.*template: expected one value .* list of 3"):
            server.queue(graph)

    def test_the_report_says_how_a_table_was_read(self, server: Server) -> None:
        (server.folder / "input" / "bare.csv").write_text("a red car,1\na blue car,2\n", "utf-8")
        graph = grouping_of_a_list()
        graph["2"]["inputs"] |= {"prompts": "", "prompt_file": "bare.csv"}
        report = server.queue(graph)["8"]["text"][0]
        assert "Note: prompt_file: bare.csv: no column is called prompt; the first of the 2 columns was used" in report

    def test_the_report_says_what_of_a_table_is_not_used(self, server: Server) -> None:
        (server.folder / "input" / "scenes.csv").write_text("prompt,negative\na red car,blurry\na blue car,\n", "utf-8")
        graph = grouping_of_a_list()
        graph["2"]["inputs"] |= {"prompts": "", "prompt_file": "scenes.csv"}
        report = server.queue(graph)["8"]["text"][0]
        assert "Note: 1 prompt with a negative prompt in the file, which is not used here; Prompt List" in report
