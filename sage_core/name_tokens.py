"""Replaces tokens in file names: %date:yyyy-MM-dd% and %KSampler.seed% of ComfyUI's page, %year% of its server.

The page does it only for a fixed list of ComfyUI's own nodes, and not at all for a graph that a program sends.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

from .graph import Graph, plain_value

# The parts of a date, as the page knows them, in Python's words; one letter is without a zero in front.
_DATE = {"d": "day", "M": "month", "h": "hour", "m": "minute", "s": "second"}
_DATE_PARTS = "dd?|MM?|hh?|mm?|ss?|yyyy|yy"
# Tokens of ComfyUI's server. It would put in the time of every single file, and scatter what belongs together.
_TIMES = ("year", "month", "day", "hour", "minute", "second")


def replace_tokens(prefix: str, now: datetime, graph: Graph | None = None, workflow: Any = None) -> str:
    """A file name with values for the tokens that the page knows; what it does not know stays.

    Args:
        graph: where %Node.input% takes its value from. A node is named by its class, by the name that the user has
            given it for this, or by its title.
        workflow: the graph as the page stores it, which has the names that users give.
    """
    names = _names(workflow)

    def value(match: re.Match[str]) -> str:
        token = match[1]
        if token.startswith("date:"):
            found: Any = _date(token.removeprefix("date:"), now)
        elif token in _TIMES:
            found = f"{getattr(now, token):02}"
        else:
            found = _input(graph or {}, names, *token.split(".")) if token.count(".") == 1 else None
        # A date with a colon, and a model in a folder, make no folders and no names that Windows does not take.
        return match[0] if found is None else re.sub(r'[/?<>\\:*|"\x00-\x1f\x7f]', "_", str(found))

    return re.sub("%([^%]+)%", value, prefix)


def _date(form: str, now: datetime) -> str:
    """A date in a form such as "yyyy-MM-dd"."""

    def part(match: re.Match[str]) -> str:
        letters = match[0]
        if letters[0] == "y":
            return f"{now.year:04}"[-len(letters) :]
        return str(getattr(now, _DATE[letters[0]])).zfill(len(letters))

    return re.sub(_DATE_PARTS, part, form)


def _input(graph: Graph, names: dict[str, str], name: str, given: str) -> Any:
    """The plain value of an input of the first node with a name; None where there is none."""
    named = [node for key, node in graph.items() if names.get(key, node.get("class_type")) == name]
    named += [node for node in graph.values() if node.get("_meta", {}).get("title") == name]
    return plain_value(graph, named[0].get("inputs", {}).get(given)) if named else None


def _names(workflow: Any) -> dict[str, str]:
    """The names that the user has given to nodes for file names, by the nodes' ids."""
    nodes = workflow.get("nodes", []) if isinstance(workflow, dict) else []
    properties = {str(node.get("id")): node.get("properties") or {} for node in nodes}
    return {key: each["Node name for S&R"] for key, each in properties.items() if "Node name for S&R" in each}
