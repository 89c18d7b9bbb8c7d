"""The translations: complete, and matching the node schemas."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from comfyui_server import Server
from export_texts import LANGUAGES, LOCALES, node_texts

FILES = ("nodeDefs.json", "settings.json", "commands.json")  # tests/web/texts.test.mjs checks main.json


def read(language: str, file: str) -> dict[str, Any]:
    return json.loads((LOCALES / language / file).read_text("utf-8"))


def leaves(texts: dict[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    for key, value in texts.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{path}/{key}")
        else:
            yield f"{path}/{key}", value


def test_english_equals_the_node_schemas(server: Server) -> None:
    assert read("en", "nodeDefs.json") == node_texts(server.get("/object_info")), "run scripts/export_texts.py"


def test_the_server_serves_them(server: Server) -> None:
    served = server.get("/i18n")
    assert set(LANGUAGES) <= set(served)
    assert served["ja"]["nodeDefs"] == read("ja", "nodeDefs.json")
    assert served["ja"]["SAGE"] == read("ja", "main.json")["SAGE"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_headings_of_settings(language: str) -> None:
    assert read(language, "main.json")["settingsCategories"].keys() == {"Panels"}


def test_every_setting_is_there() -> None:
    source = (LOCALES.parent / "web" / "progress_panels.js").read_text("utf-8")
    known = {name.replace(".", "_") for name in re.findall(r'"(SAGE\.\w+)"', source)}
    assert known == set(read("en", "settings.json"))


def test_every_command_is_there() -> None:
    source = (LOCALES.parent / "web" / "share_here.js").read_text("utf-8")
    known = {
        name.replace(".", "_"): label
        for name, label in re.findall(r'COMMAND = "([^"]+)";\nconst LABEL = "([^"]+)"', source)
    }
    assert known == {name: command["label"] for name, command in read("en", "commands.json").items()}


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_complete_and_readable(language: str, file: str) -> None:
    texts = dict(leaves(read(language, file)))
    assert list(texts) == [path for path, _ in leaves(read("en", file))]
    for path, text in texts.items():
        assert text.strip(), path
        assert not set(text) & set("{}|@"), f"{path}: the page reads these signs as commands"


@pytest.mark.parametrize("language", LANGUAGES[1:])
def test_translated(language: str) -> None:
    english, texts = (dict(leaves(read(each, "nodeDefs.json"))) for each in ("en", language))
    same = [path for path in english if path.endswith(("tooltip", "description")) and english[path] == texts[path]]
    assert not same
