"""Tells whether a prompt's picture would come out as one that was made before."""

from __future__ import annotations

import json
from hashlib import sha256

from ..grouping.partition import parents_of
from . import latents
from .content import digest
from .prefix import Prefix


def picture_marks(prefix: Prefix, recipe: str) -> list[str]:
    """For every prompt a mark of what decides its pictures: equal marks, equal pictures.

    Args:
        recipe: how the model, the prefix and the decoder are made, see `graph.recipe`. What it names (model files,
            LoRAs) counts by its name.
    """
    groups, plan = prefix.groups, prefix.plan
    group_of = groups.group_of()
    distinct = prefix.record.representative_of or range(len(groups.prompts))
    # What the model said last in the shared steps tells all that it said before.
    shared = [b"".join(map(digest, (x for x in trace[-1].outputs if x is not None))) if trace else b""
              for trace in prefix.traces]  # fmt: skip
    parents = parents_of(plan.levels[-1].clusters, plan.levels[-2].clusters) if shared else []
    start_of = prefix.job.start_of or (0,) * len(groups.prompts)
    starts: dict[int, bytes] = {}  # most often there is one for all prompts
    sigmas, marks = digest(prefix.job.sigmas), []
    for prompt, text in enumerate(groups.prompts):
        if start_of[prompt] not in starts:
            start = prefix.job.start([prompt])
            batches = (start.noise, start.latent_image, start.denoise_mask)
            pieces = (piece for batch in batches if batch is not None for piece in latents.digests(batch, 1))
            starts[start_of[prompt]] = b"".join(pieces)
        together = groups.texts(groups.partition[group_of[prompt]])
        described = [recipe, prompt, text, together, prefix.sampler_name, prefix.cfg]
        parts = [json.dumps(described).encode(), sigmas, starts[start_of[prompt]]]
        parts += [shared[parents[distinct[prompt]]]] if shared else []
        marks.append(sha256(b"".join(parts)).hexdigest()[:32])
    return marks
