"""The training loop: steps of L_SAGE on a LoRA, which can stop after any step and continue exactly there."""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import comfy.model_management
import torch

from ..conditioning.combine import Conditioning
from .adapters import add_adapters
from .checkpoint import load_state, save_state
from .dataset import TrainingSet
from .losses import weighted_error
from .objective import TERMS, BatchSampler, LossSettings, Term
from .optimizers import make_optimizer, make_schedule
from .trainable_model import TrainableModel

log = logging.getLogger(__name__)
# Settings that may change when a training is continued.
_MAY_CHANGE = ("steps", "save_every", "gradient_checkpointing", "offloading")


@dataclass(frozen=True)
class TrainSettings:
    """How a LoRA is trained. The names are in saved states: they must stay.

    Attributes:
        steps: updates of the weights, each of `batch_size` images `accumulation` times.
        warmup: steps in which the learning rate rises.
        clip: largest norm of the gradient; 0 for no limit.
        ema: which part of the moving average of the weights a step keeps; 0 for no average.
        save_every: steps from one saved state to the next.
    """

    steps: int = 500
    batch_size: int = 4
    accumulation: int = 1
    learning_rate: float = 1e-4
    lr_schedule: str = "cosine"
    warmup: int = 20
    optimizer: str = "AdamW"
    weight_decay: float = 0.01
    clip: float = 1.0
    rank: int = 16
    alpha: float = 16.0
    adapter: str = "LoRA"
    layers: str = "attention and feed-forward"
    ema: float = 0.0
    bf16: bool = False
    gradient_checkpointing: bool = False
    offloading: bool = False
    seed: int = 0
    save_every: int = 100
    loss: LossSettings = field(default_factory=LossSettings)


class Trainer:
    """A training: a model, what it is trained on, and how far it is.

    Attributes:
        base_fingerprint: of the model's weights, see `fingerprint`.
        weights: the adapters' tensors by name; the alphas among them are not trained.
        trainable: those of them that are.
        average: moving average of the weights.
        done: steps that are done.
        finished: whether no step follows; set before `on_step` is called for the last one.
        losses: one row per step: the mean error of the batch, then that of each term (NaN where a step had none of it).
        rates: learning rate of every step.
    """

    def __init__(
        self, model: Any, training_set: TrainingSet, empty: Conditioning | None, settings: TrainSettings
    ) -> None:
        """
        Args:
            model: the user's ModelPatcher, which is not changed.
            empty: conditioning of the empty caption; with None no caption is dropped.

        Raises:
            ValueError: a setting is out of range, or the model cannot be trained.
        """
        _check(settings)
        self.settings, self.training_set = settings, training_set
        self.trainable_model = TrainableModel(
            model, bf16=settings.bf16, gradient_checkpointing=settings.gradient_checkpointing,
            offloading=settings.offloading,
        )  # fmt: skip
        self.base_fingerprint = fingerprint(self.trainable_model.patcher.model.state_dict())
        self.weights = add_adapters(
            self.trainable_model.patcher, kind=settings.adapter, rank=settings.rank, alpha=settings.alpha,
            layers=settings.layers, seed=settings.seed,
        )  # fmt: skip
        sampling = self.trainable_model.patcher.get_model_object("model_sampling")
        latents = self.trainable_model.latents_in(list(training_set.latents))
        self.batch_sampler = BatchSampler(training_set, latents, sampling, settings.loss, empty)
        self.trainable = [tensor for tensor in self.weights.values() if tensor.requires_grad]
        self.optimizer = make_optimizer(
            settings.optimizer, self.trainable, settings.learning_rate, settings.weight_decay
        )
        self.schedule = make_schedule(settings.lr_schedule, self.optimizer, settings.warmup, settings.steps)
        self.average = {name: tensor.detach().clone() for name, tensor in self.weights.items()}
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.done = 0
        self.finished = False
        self.losses: list[list[float]] = []
        self.rates: list[float] = []

    def step(self) -> None:
        """Updates the weights once. To call inside the trainable model's `loaded`.

        Raises:
            ValueError: a loss or the gradient is not finite (the weights stay as they were), or the model has no
                gradients.
        """
        errors: list[torch.Tensor] = []
        terms: list[Term] = []
        self.optimizer.zero_grad(set_to_none=True)
        for _ in range(self.settings.accumulation):
            batch = self.batch_sampler.sample_batch(self.settings.batch_size, self.generator)
            denoised = self.trainable_model.denoised(batch)
            error = weighted_error(denoised, batch.targets.to(denoised.device), batch.weights.to(denoised.device))
            self._check_finite(error, batch.terms)
            _backward(error.mean() / self.settings.accumulation)
            errors.append(error.detach().cpu())
            terms += batch.terms
        norm = torch.nn.utils.clip_grad_norm_(self.trainable, self.settings.clip or math.inf)
        if not torch.isfinite(norm):
            raise ValueError(f"The gradient is not finite at step {self.done + 1}. Try a lower learning_rate, or fp32.")
        self.rates.append(self.schedule.get_last_lr()[0])
        self.optimizer.step()
        self.schedule.step()
        for name, tensor in self.weights.items():
            self.average[name].lerp_(tensor.detach().to(self.average[name].device), 1 - self.settings.ema)
        self.losses.append(_means(torch.cat(errors), torch.tensor(terms)))
        self.done += 1

    def lora(self) -> dict[str, torch.Tensor]:
        """What is learnt so far, as ComfyUI's LORA_MODEL: tensors by name, on the CPU."""
        source = self.average if self.settings.ema else self.weights
        return {name: tensor.detach().cpu().clone() for name, tensor in source.items()}

    def state(self) -> dict[str, Any]:
        """All that a training needs to continue here, as plain data. The keys are those of saved files."""
        return {
            "base": self.base_fingerprint,
            "data": fingerprint({str(index): latent for index, latent in enumerate(self.training_set.latents)}),
            "groups": [list(members) for members in self.training_set.groups.partition],
            "settings": asdict(self.settings),
            "done": self.done,
            "weights": dict(self.weights),
            "average": self.average,
            "optimiser": self.optimizer.state_dict(),
            "schedule": {"last_epoch": self.schedule.last_epoch},
            "generator": self.generator.get_state(),
            "losses": torch.tensor(self.losses, dtype=torch.float64),
            "rates": torch.tensor(self.rates, dtype=torch.float64),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from a saved state.

        Raises:
            ValueError: it is the state of another training; says what differs.
        """
        self._check_same_training(state)
        with torch.no_grad():
            for name, tensor in self.weights.items():
                tensor.copy_(state["weights"][name])
                self.average[name].copy_(state["average"][name])
        self.optimizer.load_state_dict(state["optimiser"])
        self.schedule.last_epoch = state["schedule"]["last_epoch"]
        self.generator.set_state(state["generator"])
        self.done, self.losses = state["done"], state["losses"].tolist()
        self.rates = state["rates"].tolist()
        for group, rate in zip(self.optimizer.param_groups, self._rates_now(), strict=True):
            group["lr"] = rate

    def _check_same_training(self, state: dict[str, Any]) -> None:
        """Raises ValueError where the state is of another model, other images, groups or settings."""
        now = self.state()
        names = {"base": "model", "data": "images", "groups": "groups"}
        different = [name for key, name in names.items() if state[key] != now[key]]
        then, here = _flat_settings(state["settings"]), _flat_settings(now["settings"])
        different += [
            f"{key} {then.get(key)} then, {here[key]} now"
            for key in here if key not in _MAY_CHANGE and then.get(key) != here[key]
        ]  # fmt: skip
        if different:
            raise ValueError(
                f"run_name: the training of this name was started with other inputs ({'; '.join(different)}). Choose "
                "another run_name, or use the inputs that it was started with."
            )

    def _rates_now(self) -> list[float]:
        """Learning rates at the schedule's step, which the schedule then gives too."""
        at = self.schedule.last_epoch
        rates = [base * part(at) for base, part in zip(self.schedule.base_lrs, self.schedule.lr_lambdas, strict=True)]
        self.schedule._last_lr = rates
        return rates

    def _check_finite(self, error: torch.Tensor, terms: list[Term]) -> None:
        """Raises ValueError where a row's error is not finite; names its term."""
        for value, term in zip(error.tolist(), terms, strict=True):
            if not math.isfinite(value):
                raise ValueError(
                    f"The loss is {value} at step {self.done + 1}, in the {TERMS[term]} term. The state before it is "
                    "saved. Try a lower learning_rate, or fp32, or look for damaged images."
                )


def train(
    trainer: Trainer, path: Path, on_step: Callable[[Trainer], None] = lambda trainer: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[str]:  # fmt: skip
    """Trains to the last step, from the state in `path` if there is one.

    The state is saved every `save_every` steps, at the end, and whenever the training stops: by an error, or by
    ComfyUI's stop button.

    Args:
        on_step: called after every step.
        should_stop: asked after every step whether to end the training as if this step were the last one.

    Returns:
        Notes for the user.

    Raises:
        ValueError: the saved state is damaged or of another training, or a step fails; see `Trainer.step`.
        OSError: the last state cannot be written.
    """
    notes: list[str] = []
    if path.exists():
        trainer.restore(load_state(path))
        notes.append(f"continued from step {trainer.done}, saved in {path}")
    trainer.finished = trainer.done >= trainer.settings.steps
    if trainer.finished:
        return notes
    saved = trainer.done
    with trainer.trainable_model.loaded(), torch.enable_grad():
        try:
            while not trainer.finished:
                comfy.model_management.throw_exception_if_processing_interrupted()
                trainer.step()
                trainer.finished = trainer.done >= trainer.settings.steps or should_stop()
                on_step(trainer)
                if trainer.done % trainer.settings.save_every == 0:
                    _save(trainer, path, notes)
                    saved = trainer.done
        finally:
            if trainer.done > saved:
                save_state(path, trainer.state())
    if trainer.done < trainer.settings.steps:
        notes.append(f"you ended it after step {trainer.done} of {trainer.settings.steps}; change steps to continue")
    return notes


def fingerprint(tensors: dict[str, torch.Tensor]) -> str:
    """A digest of tensors' names, shapes and some of their values: it tells one model or set of images from another.

    It is in saved states: how it is made must stay.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        some = tensor.detach().flatten()[:: max(1, tensor.numel() // 16)][:16]
        digest.update(some.to("cpu", torch.float32).numpy().tobytes())
    return digest.hexdigest()


def _save(trainer: Trainer, path: Path, notes: list[str]) -> None:
    """Saves the state in the middle of a training.

    A full disk becomes a note: it is no reason to stop, since what is learnt so far is in memory.
    """
    try:
        save_state(path, trainer.state())
    except OSError as error:
        log.warning("SAGE: %s", error)
        notes.append(str(error))


def _backward(loss: torch.Tensor) -> None:
    """Computes the gradients; raises ValueError where the model's weights have none."""
    try:
        loss.backward()
    except (NotImplementedError, RuntimeError) as error:
        if "derivative" in str(error) or "does not require grad" in str(error):
            raise ValueError(
                f"model: weights of this format cannot be trained ({error}). Load the model in fp16, bf16, or fp8 "
                "without fast matrix multiplication."
            ) from error
        raise


def _means(errors: torch.Tensor, terms: torch.Tensor) -> list[float]:
    """Mean of all errors, then of those of each term (NaN where there is none); both (rows,)."""
    return [float(errors.mean()), *(float(errors[terms == index].mean()) for index in range(len(TERMS)))]


def _flat_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """All settings side by side, those of the loss too."""
    return {**{key: value for key, value in settings.items() if key != "loss"}, **settings["loss"]}


def _check(settings: TrainSettings) -> None:
    """Raises ValueError where a setting is out of range."""
    for name in ("steps", "batch_size", "accumulation", "rank", "save_every"):
        if getattr(settings, name) < 1:
            raise ValueError(f"{name}: expected at least 1, got {getattr(settings, name)}.")
    for name in ("learning_rate", "alpha"):
        value = getattr(settings, name)
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name}: expected a number above 0, got {value}.")
    if not 0 <= settings.ema < 1:
        raise ValueError(f"ema: expected 0 to less than 1, got {settings.ema}.")
