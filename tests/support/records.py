"""Records of sampling runs that were never made."""

from __future__ import annotations

from comfyui_sage.sage_core.sharing.plan import SharePlan
from comfyui_sage.sage_core.sharing.sampling_record import SamplingRecord

SIGMAS = [8.0, 6.0, 4.0, 2.0, 1.0]


def shared_to(sigma: float | None, clusters: list) -> SharePlan:
    return SharePlan.from_branches([(cluster, sigma) for cluster in clusters], sum(map(len, clusters)))


def sampling_record(*, variations: int = 2, cost: bool = True, groups: list | None = None) -> SamplingRecord:
    plan = shared_to(4.0, groups or [(0, 2), (1,)])
    planned = plan.cost(SIGMAS, variations=variations, evaluations_per_row=2) if cost else None
    return SamplingRecord(plan, planned, steps=len(SIGMAS), variations=variations)
