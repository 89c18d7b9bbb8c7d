"""What a prefix file holds: its keys and the types of their values, checked before anything is made of them."""

from __future__ import annotations

import reprlib
from typing import Annotated, Any

import torch
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, InstanceOf, TypeAdapter, ValidationError
from typing_extensions import NotRequired, TypedDict

_EXACT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


def _finite(tensor: torch.Tensor) -> torch.Tensor:
    bad = int((~torch.isfinite(tensor)).sum())
    if bad:
        raise ValueError(f"expected finite values, got {bad} NaN or infinite of {tensor.numel()}")
    return tensor


def _plain_number(value: Any) -> Any:
    if not isinstance(value, int | float):  # a tensor of one number can be taken for a number
        raise ValueError("expected a number")
    return value


def _latent(value: Any) -> Any:
    """A tensor with rows, or several: latents of several parts (video with sound)."""
    is_nested = isinstance(value, dict) and list(value) == ["parts"] and isinstance(value["parts"], list)
    for part in value["parts"] if is_nested and value["parts"] else [value]:
        if not isinstance(part, torch.Tensor) or part.ndim < 2 or not part.numel():
            raise ValueError("expected latents with one row or more")
        _finite(part)
    return value


def _latent_dict(value: dict[str, Any]) -> dict[str, Any]:
    """ComfyUI's LATENT, or nothing, where no node made the prefix."""
    for key, each in value.items():
        if key == "samples" or isinstance(each, dict):
            _latent(each)
    return value


def _conditioning(value: Any) -> Any:
    """ComfyUI's CONDITIONING: entries of a text embedding (or None) and extras."""
    for entry in value if isinstance(value, list | tuple) and value else [None]:
        if not (isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[1], dict)):
            raise ValueError("expected a conditioning: pairs of a text embedding and its extras")
        text, extras = entry
        for tensor, dimensions in ((text, 3), (extras.get("pooled_output"), 2)):
            if tensor is not None and not (isinstance(tensor, torch.Tensor) and tensor.ndim == dimensions):
                raise ValueError(f"expected an embedding of {dimensions} dimensions, or none")
        for tensor in (text, *extras.values()):
            if isinstance(tensor, torch.Tensor):
                _finite(tensor)
        if not all(isinstance(key, str) for key in extras):
            raise ValueError("expected texts as the names of extras")
    return value


def _matrix(value: torch.Tensor) -> torch.Tensor:
    if value.ndim != 2 or value.dtype not in (torch.float32, torch.float64):
        raise ValueError("expected rows of fp32 or fp64 numbers")
    return value


def _line(value: torch.Tensor) -> torch.Tensor:
    if value.ndim != 1 or len(value) < 2 or not value.is_floating_point():
        raise ValueError("expected two numbers or more in a row")
    return value


def _bytes(value: torch.Tensor) -> torch.Tensor:
    if value.ndim != 1 or value.dtype != torch.uint8:
        raise ValueError("expected bytes")
    return value


_Tensor = Annotated[InstanceOf[torch.Tensor], AfterValidator(_finite)]
_Rows = Annotated[_Tensor, AfterValidator(_matrix)]
_Latent = Annotated[Any, AfterValidator(_latent)]
_Conditioning = Annotated[Any, AfterValidator(_conditioning)]
_Number = Annotated[float, BeforeValidator(_plain_number)]
_Sigma = Annotated[_Number, Field(ge=0)]
_Count = Annotated[int, Field(ge=0)]
_Positive = Annotated[int, Field(ge=1)]
_Cluster = Annotated[tuple[_Count, ...], Field(min_length=1)]
_Partition = Annotated[tuple[_Cluster, ...], Field(min_length=1)]
_Plan = list[tuple[_Partition, _Sigma | None]]
_Texts = tuple[str, ...]
_Seed = Annotated[int, Field(ge=0, lt=2**64)]
_RandomState = Annotated[tuple[Annotated[_Tensor, AfterValidator(_bytes)], ...], Field(min_length=1)]


class _Call(TypedDict):
    """One recorded call. Format 2 has others too: those that were corrected from a `source`."""

    __pydantic_config__ = _EXACT  # type: ignore[misc]
    sigma: _Sigma
    outputs: Annotated[tuple[_Tensor | None, ...], Field(min_length=1)]
    fingerprint: InstanceOf[torch.Tensor] | None
    state: NotRequired[Any]
    source: NotRequired[_Call]


class _Cost(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    per_level: tuple[_Count, ...]
    independent: _Count
    planning: _Count
    corrections: NotRequired[_Count]
    is_bound: NotRequired[bool]
    remembered: NotRequired[_Count]
    probes: NotRequired[Any]  # of format 2


class _Correction(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    share: _Number
    shares: tuple[_Number | None, ...]
    calls: _Positive
    evaluations_per_row: _Positive
    is_controlled: bool
    own_negatives: NotRequired[bool]
    noise: NotRequired[tuple[_Number, ...]]


class _Outcome(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    plan: _Plan
    cost: _Cost | None
    steps: _Positive
    variations: _Positive
    evaluations: _Count
    stands_for: tuple[_Count, ...]
    warnings: _Texts
    correction: NotRequired[_Correction]
    remembered: NotRequired[tuple[str | None, ...]]
    probed: NotRequired[Any]  # of format 2


class _Groups(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    prompts: Annotated[_Texts, Field(min_length=1)]
    conditionings: tuple[_Conditioning, ...]
    embeddings: _Rows
    partition: _Partition
    threshold: _Number
    threshold_mode: str
    encoder: str
    group_condition: str
    notes: _Texts
    auto_threshold: _Number | None
    encoder_model: str
    template: _Conditioning | None
    shared_prompts: NotRequired[tuple[tuple[_Texts, str, _Conditioning], ...]]  # the first files have none
    set_aside: NotRequired[_Texts]


class _Added(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    prompts: Annotated[_Texts, Field(min_length=1)]
    conditionings: tuple[_Conditioning, ...]
    embeddings: _Rows


_Model = TypedDict("_Model", {"model": str, "latent channels": _Positive, "sigma range": tuple[_Number, _Number]})
_Model.__pydantic_config__ = _EXACT  # type: ignore[attr-defined]


class _PrefixState(TypedDict):
    __pydantic_config__ = _EXACT  # type: ignore[misc]
    format: int
    sampler_name: str
    sigmas: Annotated[_Tensor, AfterValidator(_line)]
    seed: _Seed | None
    rng: _RandomState
    noise: _Latent
    latent_image: _Latent
    denoise_mask: _Latent | None
    cfg: _Number
    model: _Model
    latent: Annotated[dict[str, Any], AfterValidator(_latent_dict)]
    plan: _Plan
    traces: list[list[_Call]]
    outcome: _Outcome
    groups: _Groups
    negative: _Conditioning
    added: _Added | None
    start_of: NotRequired[tuple[_Count, ...]]  # where every prompt begins from a latent of its own
    draws: NotRequired[list[tuple[_Seed, _RandomState]]]  # where prompts have seeds of their own


_STATE: TypeAdapter[_PrefixState] = TypeAdapter(_PrefixState)


def check_state(state: Any, name: str) -> None:
    """Check that a file's content has exactly the keys of the format, with values of their types.

    Args:
        name: of the input, for the error.

    Raises:
        ValueError: names the first key that is missing, unknown or of a wrong value.
    """
    try:
        _STATE.validate_python(state)
    except ValidationError as error:
        raise ValueError(f"{name}: {_reason(error)}") from error


def _reason(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    *parents, key = first["loc"]
    words = {"missing": "without", "extra_forbidden": "with the unknown"}.get(first["type"])
    if words:
        where = "/".join(map(str, parents)) or "the prefix"
        return f"expected a whole prefix, got one {words} {key!r} in {where}."
    found = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    if ", got " not in found:
        found += f", got {reprlib.repr(first['input'])}"
    return f"{'/'.join(map(str, first['loc']))}: {found}."
