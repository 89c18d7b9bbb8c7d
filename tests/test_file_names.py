"""Names of files that not every system can hold are refused with the input's name."""

from __future__ import annotations

import pytest
from comfyui_sage.sage_core.file_names import check_file_name

DEVICES = ("CON", "nul", "Prn", "aux", "COM1", "lpt9", "COM¹", "CONIN$", "nul.old", "con .x")


@pytest.mark.parametrize(
    "value", ["my_lora", "Łódź 2", "赤い車", "a.b", ".x", "console", "com", "com10", "nul_1", "é" * 121]
)
def test_names_that_are_fine(value: str) -> None:
    check_file_name("run_name", value, ".safetensors")


@pytest.mark.parametrize("value", ["", "  ", ".", "..", "x.", "x ", *DEVICES])
def test_names_that_windows_cannot_have(value: str) -> None:
    with pytest.raises(ValueError, match=r"^run_name: expected a name.*, got '"):
        check_file_name("run_name", value)


@pytest.mark.parametrize("letter", [*'<>:"|?*/\\', "\0", "\n", "\x1f", "\ud83d"])
def test_letters_that_no_name_can_have(letter: str) -> None:
    with pytest.raises(ValueError, match=r"^run_name: expected a name without") as error:
        check_file_name("run_name", f"a{letter}b")
    assert repr(letter) in str(error.value)
    str(error.value).encode()


def test_the_length_is_counted_in_bytes_with_the_ending() -> None:
    check_file_name("run_name", "🚗" * 60, "." * 15)
    with pytest.raises(ValueError, match=r"^run_name: expected a name of at most 243 bytes.*got 244 bytes"):
        check_file_name("run_name", "🚗" * 61, ".safetensors")
