"""Blocks of a network that keep no inner results for the gradient, but compute them again in the backward pass.

PyTorch's own ``torch.utils.checkpoint`` is not exact here: some blocks add to tensors in place (Flux, HunyuanVideo).
They change their inputs, from which it would compute again, and inner results that the gradient needs.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks


def recompute(module: torch.nn.Module, autocast: Callable[[], AbstractContextManager[Any]]) -> None:
    """Makes every block drop its inner results and compute them again in the backward pass.

    Args:
        module: its blocks are its children, and those of its lists.
        autocast: makes the context that the module is called in; the backward pass has none.
    """
    for block in module.children():
        if isinstance(block, (torch.nn.ModuleList, torch.nn.Sequential, torch.nn.ModuleDict)):
            recompute(block, autocast)
        else:
            block.forward = partial(_forward, block.forward, autocast)


def _forward(
    forward: Callable[..., Any], autocast: Callable[[], AbstractContextManager[Any]], *args: Any, **kwargs: Any
) -> Any:
    """A block's forward pass that keeps no inner results."""
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return _Call(forward, autocast, args, kwargs).first(*args, **kwargs)


class _Handle:
    """Stands in the graph for a tensor that is not kept; gone when the graph needs the tensor no more."""


class _Call:
    """One call of a block. The graph that the call makes keeps it, until the backward pass is through the block."""

    def __init__(
        self, forward: Callable[..., Any], autocast: Callable[[], AbstractContextManager[Any]],
        args: tuple[Any, ...], kwargs: dict[str, Any],
    ) -> None:  # fmt: skip
        self.forward = forward
        self.autocast = autocast
        self.number_of_args = len(args)
        given: dict[Any, Any] = {**dict[Any, Any](enumerate(args)), **kwargs}
        self.inputs = _Inputs({name: value for name, value in given.items() if isinstance(value, torch.Tensor)})
        # The caller may write into a dict before its next call (transformer_options).
        self.others = {
            name: dict(value) if isinstance(value, dict) else value
            for name, value in given.items() if not isinstance(value, torch.Tensor)
        }  # fmt: skip
        self.handles: list[weakref.ref[_Handle]] = []
        self.changed: set[int] = set()
        self.computed: weakref.WeakKeyDictionary[_Handle, torch.Tensor] = weakref.WeakKeyDictionary()

    def first(self, *args: Any, **kwargs: Any) -> Any:
        """The block's outputs. Notes what the gradient needs, and what of it the block changes later on."""
        seen: list[tuple[torch.Tensor, int]] = []

        def pack(tensor: torch.Tensor) -> _Handle:
            seen.append((tensor, tensor._version))
            handle = _Handle()
            self.handles.append(weakref.ref(handle))
            return handle

        with saved_tensors_hooks(pack, self._unpack):
            out = self.forward(*args, **kwargs)
        self.changed = {index for index, (tensor, version) in enumerate(seen) if tensor._version != version}
        self.inputs.note_changes()
        seen.clear()
        return out

    def _unpack(self, handle: _Handle) -> torch.Tensor:
        """A tensor of the graph, in the backward pass."""
        if handle not in self.computed:
            self._again()
        return self.computed[handle]

    def _again(self) -> None:
        """Computes what the gradient needs, in the order in which `first` saw it."""
        handles = enumerate(self.handles)

        def pack(tensor: torch.Tensor) -> _Handle | None:
            index, handle = next(handles)
            wanted = handle()
            if wanted is not None:
                kept = tensor.detach()
                self.computed[wanted] = kept.clone() if index in self.changed else kept
            return wanted

        with torch.enable_grad(), self.autocast(), saved_tensors_hooks(pack, self._unpack):
            given = {**self.others, **self.inputs.values()}
            args = [given.pop(index) for index in range(self.number_of_args)]
            self.forward(*args, **given)


class _Inputs:
    """The tensors that a block is given, with the values that they have then, whoever adds to them later."""

    def __init__(self, tensors: dict[Any, torch.Tensor]) -> None:
        self.trained = {name: tensor.requires_grad for name, tensor in tensors.items()}
        # Autograd keeps them, see `TrainableModel.loaded`. An output without a gradient would keep nothing.
        self.keeper = _Keeper.apply(torch.empty(0, requires_grad=True), *tensors.values())
        self.seen = [(name, tensor, tensor._version) for name, tensor in tensors.items()]
        self.changed: set[Any] = set()

    def note_changes(self) -> None:
        """Notes which of them the block has changed."""
        self.changed = {name for name, tensor, version in self.seen if tensor._version != version}
        self.seen.clear()

    def values(self) -> dict[Any, torch.Tensor]:
        """The tensors by name, for the block to change as it did: other calls may have kept the same ones."""
        out = {}
        for (name, trained), tensor in zip(self.trained.items(), self.keeper.grad_fn.saved_tensors, strict=True):
            start = tensor.detach().requires_grad_(trained)
            out[name] = start.clone() if name in self.changed else start
        return out


class _Keeper(torch.autograd.Function):
    """Has an output that keeps the tensors for a backward pass which never comes."""

    @staticmethod
    def forward(ctx: Any, anchor: torch.Tensor, *tensors: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(*tensors)
        return torch.empty_like(anchor)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> None:
        raise NotImplementedError
