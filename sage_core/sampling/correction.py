"""Corrects recorded answers for a prompt of the group: by what the prompt's own condition says at some of the states.

A group's run visits states x_i under its condition c and records the answers D(x_i; c). A prompt with condition c_m is
probed at a few of these states: r_i = D(x_i; c_m) - D(x_i; c). The residuals, interpolated over sigma, are added to all
recorded answers, and the prompt's run walks the corrected way by itself. It is the first term of the prompt's own
answer around the group's states; equal conditions have r = 0.

Source: ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from .trace import Call, ClusterTrace

CORRECTIONS = {"off": 0, "on": 2, "thorough": 3}


def probed_calls(levels: Sequence[int], probes: int) -> list[int]:
    """Which calls of a run are probed: in every level so many, spread evenly from its first call to its last.

    Args:
        levels: the level that answers each call of the run, see `SharePlan.level_of_calls`; the last level is not
            shared, and not to be in it.
        probes: per level; a level of fewer calls is probed at every call.

    Returns:
        Indices into `levels`, rising.
    """
    found = []
    for level in sorted(set(levels)):
        calls = [index for index, own in enumerate(levels) if own == level]
        count = min(probes, len(calls))
        found += [calls[round(place * (len(calls) - 1) / max(count - 1, 1))] for place in range(count)]
    return found


def residuals(calls: Mapping[int, Call], answers: Mapping[int, torch.Tensor]) -> dict[int, torch.Tensor]:
    """What a prompt's own condition says at each probed state, minus what was recorded there.

    Args:
        calls: the probed calls, by index.
        answers: the prompt's denoised predictions at their states, (variations, *latent).
    """
    recorded = {index: call.recorded.outputs[0] for index, call in calls.items()}
    return {index: answers[index] - answer for index, answer in recorded.items() if answer is not None}


def correct(trace: ClusterTrace, levels: Sequence[int], found: Mapping[int, torch.Tensor]) -> ClusterTrace:
    """A trace whose conditional answers are corrected by residuals, level by level.

    Args:
        trace: the recorded calls.
        levels: the level that answered each of them.
        found: residuals by index of the probed call.
    """
    corrected = []
    for index, call in enumerate(trace):
        known = {trace[at].sigma: residual for at, residual in found.items() if levels[at] == levels[index]}
        base = call.recorded
        cond, *others = base.outputs
        if cond is None or not known:
            corrected.append(call)
            continue
        corrected.append(Call(base.sigma, (cond + interpolate(known, base.sigma), *others), None, None, base))
    return corrected


def interpolate(known: Mapping[float, torch.Tensor], sigma: float) -> torch.Tensor:
    """Linear interpolation over sigma; beyond the first and the last known sigma the value there."""
    sigmas = sorted(known)
    above = next((each for each in sigmas if each >= sigma), sigmas[-1])
    below = next((each for each in reversed(sigmas) if each <= sigma), sigmas[0])
    if above == below:
        return known[above]
    return torch.lerp(known[below], known[above], (sigma - below) / (above - below))
