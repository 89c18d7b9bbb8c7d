"""Remembers runs of prompts, so that later renders with the same settings can take or follow them.

The runs of a model are kept as long as the model is: ComfyUI's call to free memory drops them with it.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import comfy.samplers
import numpy as np
import torch

from ..grouping.prompt_groups import PromptGroups
from .content import Content, content
from .job import Job
from .model_patches import SHARE_KEY
from .prompt_conditions import PromptConditions
from .trace import Call, ClusterTrace

# System memory for all remembered runs: about a hundred images of 1024 x 1024 in 20 steps with CFG.
MOST_BYTES = 1_000_000_000

# Of ComfyUI's ModelPatcher: what else than the weights and the wrappers decides the model's answers.
_PATCHES = (
    "patches_uuid", "object_patches", "weight_wrapper_patches", "attachments", "additional_models", "callbacks",
    "injections",
)  # fmt: skip


@dataclass(frozen=True)
class RunKey:
    """What decides a run.

    Attributes:
        settings: all that it depends on but the prompt and the model's weights.
        sharing: the share and the share mode, on which a run depends that follows another one.
        asks_negative: whether the model is asked for the negative prompt too.
    """

    settings: Content
    sharing: tuple[float, str]
    asks_negative: bool


@dataclass(frozen=True, eq=False)
class RememberedRun:
    """A prompt's run from the first step to the last.

    Attributes:
        settings: as in `RunKey`.
        sharing: as in `RunKey`, of a run that followed another one; None for a whole run of the model.
        text: the prompt.
        conditioning: the content of its own conditionings.
        encoder: what made the embedding.
        embedding: a unit vector.
        trace: all calls of the model.
    """

    settings: Content
    sharing: tuple[float, str] | None
    text: str
    conditioning: Content
    encoder: tuple[str, str]
    embedding: np.ndarray
    trace: ClusterTrace

    @property
    def size(self) -> int:
        """Bytes of the trace."""
        return trace_size(self.trace)

    def replaces(self, other: RememberedRun) -> bool:
        """Whether both are runs of one prompt in one way."""
        own, others = ((run.conditioning, run.sharing, run.settings) for run in (self, other))
        return own == others


class ReferenceMemory:
    """Runs by their model, the oldest first; models are not kept alive.

    Attributes:
        most_bytes: of all runs together. The oldest ones go first.
    """

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.most_bytes = most_bytes
        self._age = itertools.count()
        self._runs: weakref.WeakKeyDictionary[Any, list[tuple[int, RememberedRun]]] = weakref.WeakKeyDictionary()

    def runs(self, model: Any, key: RunKey) -> list[RememberedRun]:
        """Those of a model that a run with this key can use, the newest first."""
        return [
            run for _, run in reversed(self._runs.get(model, []))
            if run.sharing in (None, key.sharing) and run.settings == key.settings
        ]  # fmt: skip

    def add(self, model: Any, runs: Iterable[RememberedRun]) -> None:
        """Remember runs as the newest, in the place of equal ones."""
        known = self._runs.setdefault(model, [])
        for run in runs:
            known[:] = [(age, other) for age, other in known if not run.replaces(other)]
            known.append((next(self._age), run))
        while self.size > self.most_bytes:
            oldest = min((runs for runs in self._runs.values() if runs), key=lambda runs: runs[0][0])
            oldest.pop(0)

    def clear(self) -> None:
        """Forget everything."""
        self._runs.clear()

    @property
    def size(self) -> int:
        """Bytes of all runs."""
        return sum(run.size for runs in self._runs.values() for _, run in runs)


MEMORY = ReferenceMemory()


def run_key(
    guider: comfy.samplers.CFGGuider, job: Job, conditions: PromptConditions, sharing: tuple[float, str], *,
    asks_negative: bool,
) -> RunKey:  # fmt: skip
    """The key of a job's runs; the guider's model itself is what the memory is kept for."""
    # The random state counts too: a sampler may draw from it.
    drawn = (job.noise, job.latent_image, job.denoise_mask, job.sigmas, job.seed, job.rng)
    patches = [getattr(guider.model_patcher, name) for name in _PATCHES]
    asked = conditions.asked(negative=asks_negative)
    conditioned = (dict(asked.common), asked.negatives_differ, guider.cfg)
    decides = (drawn, job.sampler, patches, _wrappers(guider.model_patcher), guider.model_options, conditioned)
    return RunKey(content(decides, as_data=(comfy.samplers.Sampler,)), sharing, asks_negative)


def _wrappers(model_patcher: Any) -> list[Any]:
    """The wrappers of a model but ours, which is made anew for every list of prompts."""
    return [
        (kind, key, each)
        for kind, by_key in model_patcher.wrappers.items() for key, each in by_key.items() if key != SHARE_KEY
    ]  # fmt: skip


def own_content(key: RunKey, conditions: PromptConditions, prompt: int) -> Content:
    """The content of a prompt's own conditionings, as far as the model is asked for them."""
    return content(conditions.asked(negative=key.asks_negative).own_of(prompt))


def remembered_run(
    key: RunKey, conditions: PromptConditions, prompt: int, trace: ClusterTrace, *, is_whole: bool
) -> RememberedRun:
    """The run of a prompt, to be remembered."""
    groups = conditions.groups
    return RememberedRun(
        key.settings, None if is_whole else key.sharing, groups.prompts[prompt], own_content(key, conditions, prompt),
        encoder_of(groups), groups.embeddings[prompt], [_alone(call) for call in trace],
    )  # fmt: skip


def encoder_of(groups: PromptGroups) -> tuple[str, str]:
    """What made the embeddings of some groups: those of others are not comparable."""
    return groups.encoder, groups.encoder_model


def trace_size(trace: ClusterTrace) -> int:
    """Bytes of a trace."""
    return sum(kept.nbytes for call in trace for kept in (*call.kept, call.fingerprint) if kept is not None)


def _alone(call: Call) -> Call:
    """A call in memory of its own: a part of a batch would keep the whole batch."""
    outputs = tuple(None if output is None else _own_memory(output) for output in call.outputs)
    return replace(call, kept=outputs, fingerprint=_own_memory(call.fingerprint))


def _own_memory(part: torch.Tensor) -> torch.Tensor:
    is_whole = part.untyped_storage().nbytes() == part.numel() * part.element_size()
    return part if is_whole else part.clone()
