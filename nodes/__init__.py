"""Thin nodes: a schema and one call into sage_core each."""

from comfy_api.latest import io

from .demo_model import DemoModel
from .grouping import SemanticGroupPrompts
from .sampling import BranchKSampler, Guider, OneNodeKSampler, SharedKSamplerPrefix

NODES: list[type[io.ComfyNode]] = [
    SemanticGroupPrompts,
    SharedKSamplerPrefix,
    BranchKSampler,
    OneNodeKSampler,
    Guider,
    DemoModel,
]
