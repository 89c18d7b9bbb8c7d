"""Encoder models that users put into models/sage_encoders."""

from __future__ import annotations

from pathlib import Path

import folder_paths
from comfy_api.latest import io

from ..sage_core.prompts.embedding_models import Embed, open_clip_encoder, sentence_encoder

FOLDER = "sage_encoders"
folder_paths.add_model_folder_path(FOLDER, str(Path(folder_paths.models_dir) / FOLDER))


def model_name_input(name: str, encoders: str) -> io.String.Input:
    """The input for the name of a model.

    Args:
        name: of the input.
        encoders: what the model is for.
    """
    return io.String.Input(
        name,
        default="",
        optional=True,
        tooltip=f"For {encoders}: a folder or file in models/{FOLDER}. Empty: the only one there.",
    )


def encoder_model(name: str, input_name: str) -> Path:
    """A model in the encoder folders, by name; the only one there if no name is given.

    Raises:
        ValueError: there is no such model; the message names the input and lists the models that are there.
    """
    roots = [Path(root) for root in folder_paths.get_folder_paths(FOLDER)]
    entries = (entry for root in reversed(roots) if root.is_dir() for entry in sorted(root.iterdir()))
    found = {entry.name: entry for entry in entries if not entry.name.startswith(".")}
    if not name and len(found) == 1:
        return next(iter(found.values()))
    if name not in found:
        raise ValueError(
            f"{input_name}: expected one of {', '.join(sorted(found)) or '(nothing there yet)'} in {roots[0]}, "
            f"got {name!r}."
        )
    return found[name]


def load_embedder(encoder: str, name: str) -> tuple[Embed | None, str]:
    """What measures similarity (None for the CLIP's own embeddings), and the name of its model."""
    if encoder == "clip":
        return None, ""
    path = encoder_model(name, "encoder_model")
    return {"sentence": sentence_encoder, "open_clip": open_clip_encoder}[encoder](path), path.name
