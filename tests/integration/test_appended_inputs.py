"""Inputs that nodes got later: a new node has the default, a graph from before gives what it gave."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any

import install_comfyui
import pytest
from comfyui_sage.nodes.group_prompts import SemanticGroupPrompts
from comfyui_sage.nodes.samplers import BranchKSampler, Guider, OneNodeKSampler, SharedKSamplerPrefix
from comfyui_sage.nodes.share import ShareSampling
from comfyui_sage.sage_core.sampling.reference_memory import MEMORY
from comfyui_server import Server
from graphs import sage_graph
from models import MODELS, conditioning
from reference import SETTINGS, assert_equal, different, grouped, sage, small

GROUPS = grouped(different("sd15", 2), [(0, 1)])
SAMPLERS = (SharedKSamplerPrefix, OneNodeKSampler, Guider)


@pytest.mark.parametrize("node", SAMPLERS)
def test_a_new_node_corrects(node: Any) -> None:
    inputs = {each.id: each for each in node.define_schema().inputs}
    for name, default in (("share_mode", "auto"), ("correction", "on")):
        assert inputs[name].default == default and inputs[name].optional


@pytest.mark.parametrize("node", SAMPLERS)
def test_earlier_renders_are_used_on_demand(node: Any) -> None:
    """Off in new nodes too."""
    reuse = {each.id: each for each in node.define_schema().inputs}["reuse"]
    assert reuse.default is False and reuse.optional


@pytest.mark.parametrize("node", SAMPLERS)
def test_a_new_node_reads_the_mark_of_rows(node: Any) -> None:
    """The last input; without it, rows are variations as they were."""
    last = node.define_schema().inputs[-1]
    assert (last.id, last.default, last.optional) == ("latent_rows", "auto", True)
    wires = (MODELS["sd15"](), GROUPS, conditioning("sd15", seed=1))
    first, _ = OneNodeKSampler.execute(*wires, small("sd15"), **SETTINGS, share=0.5).args
    for settings, rows in (({}, 4), ({"latent_rows": "auto"}, 2)):
        out, _ = OneNodeKSampler.execute(*wires, first, **SETTINGS, share=0.5, **settings).args
        assert len(out["samples"]) == rows


def test_nodes_with_reuse() -> None:
    groups = replace(GROUPS, group_condition="auto")
    wires = (MODELS["sd15"](), groups, conditioning("sd15", seed=1))
    settings = {**SETTINGS, "share": 0.5, "correction": "on", "reuse": True}
    MEMORY.clear()
    first, _ = OneNodeKSampler.execute(*wires, small("sd15"), **settings).args
    prefix, _ = SharedKSamplerPrefix.execute(*wires, small("sd15"), **settings).args
    second, report = BranchKSampler.execute(wires[0], prefix).args
    MEMORY.clear()
    assert_equal(second["samples"], first["samples"])
    assert "- rendered earlier: prompts 1, 2, no evaluations" in report
    assert Guider.execute(*wires, 3.0, 0.5, "fixed", "on", True).args[0].settings.reuse


def test_nodes_without_the_input_do_not_correct() -> None:
    wires = (MODELS["sd15"](), GROUPS, conditioning("sd15", seed=1))
    expected = sage("sd15", GROUPS, small("sd15"), share=0.5, correction="off")
    out, _ = OneNodeKSampler.execute(*wires, small("sd15"), **SETTINGS, share=0.5).args
    assert_equal(out["samples"], expected)
    prefix, _ = SharedKSamplerPrefix.execute(*wires, small("sd15"), **SETTINGS, share=0.5).args
    assert_equal(BranchKSampler.execute(wires[0], prefix).args[0]["samples"], expected)
    assert Guider.execute(*wires, 3.0, 0.5).args[0].settings.correction == "off"


@pytest.mark.parametrize("node", [SemanticGroupPrompts, ShareSampling])
def test_nodes_without_the_input_compare_whole_prompts(node: Any) -> None:
    """As the page's own values for graphs from before, in web/graphs/appended_inputs.js."""
    before = inspect.signature(node.execute).parameters["compare"].default
    page = (install_comfyui.REPO / "web" / "graphs" / "appended_inputs.js").read_text("utf-8")
    assert before == "whole prompts" and f'compare: "{before}"' in page


def test_the_server_adds_no_value(server: Server) -> None:
    reports = [server.queue(sage_graph(**inputs))["8"]["text"][0] for inputs in ({}, {"correction": "on"})]
    assert ["own calls:" in report for report in reports] == [False, True]
