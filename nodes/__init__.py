"""Thin nodes: a schema and one call into sage_core each."""

from comfy_api.latest import io

from .adding import AddPrompts
from .demo_images import DemoImages
from .demo_model import DemoModel
from .grid import ComparisonGrid
from .grouping import SemanticGroupPrompts
from .metrics import Metrics
from .prefix_files import LoadPrefix, SavePrefix
from .sampling import BranchKSampler, Guider, OneNodeKSampler, SharedKSamplerPrefix
from .saving import BranchSave, SaveImages
from .training import SaveLora, TrainLora

NODES: list[type[io.ComfyNode]] = [
    SemanticGroupPrompts,
    SharedKSamplerPrefix,
    AddPrompts,
    BranchKSampler,
    SavePrefix,
    LoadPrefix,
    OneNodeKSampler,
    Guider,
    ComparisonGrid,
    Metrics,
    SaveImages,
    BranchSave,
    TrainLora,
    SaveLora,
    DemoModel,
    DemoImages,
]
