"""The training loop: steps of L_SAGE on a LoRA, which can stop after any step and continue exactly there."""

from __future__ import annotations

import contextlib
import hashlib
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import comfy.model_management
import torch

from ..conditioning.combine import Conditioning, text_width
from ..output_space import check_room
from .adapters import add_adapters
from .checkpoint import FORMAT, StateFile, load_state
from .dataset import TrainingSet
from .existing_lora import add_existing
from .input_digests import input_digests, is_same_input
from .losses import weighted_error
from .objective import TERMS, Batch, BatchSampler, LossSettings, Term
from .optimizers import make_optimizer, make_schedule
from .trainable_model import TrainableModel

# Settings that may change when a training is continued.
_MAY_CHANGE = ("steps", "save_every", "gradient_checkpointing", "offloading")
# How many times as large the square of a prediction's error can be as those of its state and target together; it is
# about as large in a model that has learnt nothing.
_EXPLODED = 1000


class Diverged(ValueError):
    """The loss is not finite, or it has exploded."""


@dataclass(frozen=True)
class TrainSettings:
    """How a LoRA is trained. The names are in saved states: they must stay.

    Attributes:
        steps: updates of the weights, each of `batch_size` images `accumulation` times.
        warmup: steps in which the learning rate rises.
        clip: largest norm of the gradient; 0 for no limit.
        ema: which part of the moving average of the weights a step keeps at most; 0 for no average.
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
        existing_fingerprint: of the LoRA that it goes on from; empty where there is none.
        input_digests: of all else that decides what is learnt, see `input_digests`.
        weights: the adapters' tensors by name; the alphas among them are not trained.
        trainable: those of them that are.
        average: moving average of the weights.
        done: steps that are done.
        updating: whether the weights are being changed, or a change of them was cut off.
        finished: whether no step follows; set before `on_step` is called for the last one.
        losses: one row per step: the mean error of the batch, then that of each term (NaN where a step had none of it).
        rates: learning rate of every step.
    """

    def __init__(
        self, model: Any, training_set: TrainingSet, empty: Conditioning | None, settings: TrainSettings,
        existing: dict[str, torch.Tensor] | None = None,
    ) -> None:  # fmt: skip
        """Prepare a training; nothing is trained yet.

        Args:
            model: the user's ModelPatcher, which is not changed.
            empty: conditioning of the empty caption; with None no caption is dropped.
            existing: tensors of a LoRA to go on from; its kind, rank and alpha take the place of the settings'.

        Raises:
            ValueError: a setting is out of range, the model cannot be trained, or the LoRA does not fit it.
        """
        _check(settings)
        self.training_set = training_set
        self.trainable_model = TrainableModel(
            model, bf16=settings.bf16, gradient_checkpointing=settings.gradient_checkpointing,
            offloading=settings.offloading,
        )  # fmt: skip
        _check_dimensions(training_set.latents, self.trainable_model.patcher.get_model_object("latent_format"))
        self.trainable_model.check_latents(training_set.latents)
        self.base_fingerprint = fingerprint(self.trainable_model.patcher.model.state_dict())
        self.existing_fingerprint = "" if existing is None else fingerprint(existing)
        if existing is None:
            self.weights = add_adapters(
                self.trainable_model.patcher, kind=settings.adapter, rank=settings.rank, alpha=settings.alpha,
                layers=settings.layers, seed=settings.seed,
            )  # fmt: skip
        else:
            self.weights, of_the_file = add_existing(self.trainable_model.patcher, existing)
            settings = replace(settings, **of_the_file)
        self.settings = settings
        sampling = self.trainable_model.patcher.get_model_object("model_sampling")
        latents = self.trainable_model.latents_in(list(training_set.latents))
        self.batch_sampler = BatchSampler(training_set, latents, sampling, settings.loss, empty)
        used = empty if settings.loss.caption_dropout else None  # else it is for sample images only
        self.input_digests = input_digests(training_set, used, model.patches, sampling)
        self.trainable = [tensor for tensor in self.weights.values() if tensor.requires_grad]
        self.optimizer = make_optimizer(
            settings.optimizer, self.trainable, settings.learning_rate, settings.weight_decay
        )
        self.schedule = make_schedule(settings.lr_schedule, self.optimizer, settings.warmup, settings.steps)
        self.average = {name: tensor.detach().clone() for name, tensor in self.weights.items()}
        self.generator = torch.Generator().manual_seed(settings.seed)
        self.done = 0
        self.updating = False
        self.finished = False
        self.losses: list[list[float]] = []
        self.rates: list[float] = []

    def check_captions(self) -> None:
        """Asks the model about a caption of every kind, before hours are spent on the others.

        To call inside the trainable model's `loaded`.

        Raises:
            ValueError: the model does not take a caption, or the empty one.
        """
        captions = [("positive", caption) for caption in self.training_set.groups.conditionings]
        if self.batch_sampler.empty is not None:
            captions.append(("negative", self.batch_sampler.empty))
        kinds = {(name, text_width(caption)): caption for name, caption in captions}
        for (name, _), caption in kinds.items():
            self.trainable_model.check_caption(caption, self.batch_sampler.latents[0], name)

    def step(self) -> None:
        """Updates the weights once. To call inside the trainable model's `loaded`.

        Where it is stopped before it changes the weights, nothing has changed, the generator's numbers neither.

        Raises:
            Diverged: a loss is not finite, or has exploded.
            ValueError: the gradient is not finite, or the model has no gradients.
        """
        before = self.generator.get_state()
        try:
            losses = self._gradients()
        except BaseException:  # the stop button too
            self.generator.set_state(before)
            raise
        self._update(losses)

    def _gradients(self) -> list[float]:
        """Computes the gradients of a step. Returns its row of `losses`."""
        errors: list[torch.Tensor] = []
        terms: list[Term] = []
        self.optimizer.zero_grad(set_to_none=True)
        for _ in range(self.settings.accumulation):
            batch = self.batch_sampler.sample_batch(self.settings.batch_size, self.generator)
            denoised = self.trainable_model.denoised(batch)
            error = weighted_error(denoised, batch.targets.to(denoised.device), batch.weights.to(denoised.device))
            self._check_errors(error.detach().cpu(), batch)
            _backward(error.mean() / self.settings.accumulation)
            errors.append(error.detach().cpu())
            terms += batch.terms
        norm = torch.nn.utils.clip_grad_norm_(self.trainable, self.settings.clip or math.inf)
        if not torch.isfinite(norm):
            raise ValueError(f"The gradient is not finite at step {self.done + 1}. Try a lower learning_rate, or fp32.")
        return _means(torch.cat(errors), torch.tensor(terms))

    def _update(self, losses: list[float]) -> None:
        """Changes the weights by the gradients."""
        self.updating = True
        self.rates.append(self.schedule.get_last_lr()[0])
        self.optimizer.step()
        self.schedule.step()
        # A young average would be made of the start, where the LoRA changes nothing: it forgets faster.
        kept = min(self.settings.ema, (1 + self.done) / (10 + self.done))
        for name, tensor in self.weights.items():
            self.average[name].lerp_(tensor.detach().to(self.average[name].device), 1 - kept)
        self.losses.append(losses)
        self.done += 1
        self.updating = False

    def is_finite(self) -> bool:
        """Whether no weight is NaN or infinite."""
        return all(bool(torch.isfinite(tensor).all()) for tensor in self.trainable)

    def lora(self) -> dict[str, torch.Tensor]:
        """What is learnt so far, as ComfyUI's LORA_MODEL: tensors by name, on the CPU."""
        source = self.average if self.settings.ema else self.weights
        return {name: tensor.detach().cpu().clone() for name, tensor in source.items()}

    @contextlib.contextmanager
    def as_learnt(self) -> Iterator[None]:
        """Context in which the model has the weights of `lora`, to sample with: their average where there is one."""
        if not self.settings.ema:
            yield
            return
        live = {name: tensor.detach().clone() for name, tensor in self.weights.items()}
        self._set_weights(self.average)
        try:
            yield
        finally:
            self._set_weights(live)

    def _set_weights(self, values: dict[str, torch.Tensor]) -> None:
        """Gives the adapters' tensors other values."""
        with torch.no_grad():
            for name, tensor in self.weights.items():
                tensor.copy_(values[name])

    def state(self) -> dict[str, Any]:
        """All that a training needs to continue here, as plain data. The keys are those of saved files."""
        return {
            "format": FORMAT,
            "base": self.base_fingerprint,
            "existing": self.existing_fingerprint,
            "inputs": self.input_digests,
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

    def bytes_to_write(self, again: bool) -> int:
        """Room on the disk for its state and its LoRA.

        Args:
            again: whether there is a state already, which the next one replaces when it is whole.
        """
        weights = sum(tensor.nbytes for tensor in self.weights.values())
        moments = 2 * sum(tensor.nbytes for tensor in self.trainable) if self.settings.optimizer == "AdamW" else 0
        return (2 * weights + moments) * (1 if again else 2) + weights

    def restore(self, state: dict[str, Any]) -> None:
        """Continues from a saved state.

        Raises:
            ValueError: it is the state of another training; says what differs.
        """
        self._check_same_training(state)
        self._set_weights(state["weights"])
        for name, tensor in self.average.items():
            tensor.copy_(state["average"][name])
        self.optimizer.load_state_dict(state["optimiser"])
        self.schedule.last_epoch = state["schedule"]["last_epoch"]
        self.generator.set_state(state["generator"])
        self.done, self.losses = state["done"], state["losses"].tolist()
        self.rates = state["rates"].tolist()
        for group, rate in zip(self.optimizer.param_groups, self._rates_now(), strict=True):
            group["lr"] = rate

    def _check_same_training(self, state: dict[str, Any]) -> None:
        """Raises ValueError where the state is of another model, other images, captions, groups or settings."""
        now = self.state()
        state = {"format": 0, "existing": "", "inputs": {}, **state}  # the first files have none of them
        if missing := now.keys() - state.keys():
            raise ValueError(
                f"run_name: the saved state is damaged: it has no {', '.join(sorted(missing))}. Choose another name."
            )
        names = {"base": "model", "data": "images", "groups": "groups", "existing": "existing_lora"}
        different = [name for key, name in names.items() if state[key] != now[key]]
        different += ["layers"] * (state["weights"].keys() != now["weights"].keys())
        different += [
            name for name, digest in now["inputs"].items()
            if name not in different and not is_same_input(state["inputs"].get(name, digest), digest)
        ]  # fmt: skip
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

    def _check_errors(self, errors: torch.Tensor, batch: Batch) -> None:
        """Raises Diverged where a row's error, (B,), is not finite or past all reason; names its term."""
        squares = [tensor.float().square().flatten(1).mean(1) for tensor in (batch.states, batch.targets)]
        excess = errors / batch.weights / (squares[0] + squares[1])
        for error, much, term in zip(errors.tolist(), excess.tolist(), batch.terms, strict=True):
            if not (math.isfinite(error) and much < _EXPLODED):
                raise Diverged(f"The loss is {error:.3g} at step {self.done + 1}, in the {TERMS[term]} term.")


def train(
    trainer: Trainer, path: Path, on_step: Callable[[Trainer], None] = lambda trainer: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> list[str]:  # fmt: skip
    """Trains to the last step, from the state in `path` if there is one.

    The state is saved every `save_every` steps, at the end, and whenever the training stops: by an error, or by
    ComfyUI's stop button. Where it cannot be written, the training goes on; only the log and the notes say so.

    Args:
        on_step: called after every step.
        should_stop: asked after every step whether to end the training as if this step were the last one.

    Returns:
        Notes for the user.

    Raises:
        ValueError: the saved state is damaged or of another training, or a step fails; see `Trainer.step`.
        OSError: there is too little room for the state and the LoRA.
    """
    notes: list[str] = []
    if path.exists():
        trainer.restore(load_state(path))
        notes.append(f"continued from step {trainer.done}, saved in {path}")
    trainer.finished = trainer.done >= trainer.settings.steps
    if trainer.finished:
        return notes
    check_room(path.parent, trainer.bytes_to_write(path.exists()))
    file = StateFile(path, trainer.done)
    with trainer.trainable_model.loaded(), torch.enable_grad():
        trainer.check_captions()
        _steps(trainer, file, on_step, should_stop)
    if file.error:
        notes.append(f"{file.error}. {file.kept()} The LoRA has all {trainer.done} steps")
    if trainer.done < trainer.settings.steps:
        notes.append(f"you ended it after step {trainer.done} of {trainer.settings.steps}; change steps to continue")
    return notes


def _steps(
    trainer: Trainer, file: StateFile, on_step: Callable[[Trainer], None], should_stop: Callable[[], bool]
) -> None:
    """The steps that are left, and the states of them in the file; see `train`."""
    try:
        while not trainer.finished:
            comfy.model_management.throw_exception_if_processing_interrupted()
            trainer.step()
            trainer.finished = trainer.done >= trainer.settings.steps or should_stop()
            is_saved = trainer.finished or trainer.done % trainer.settings.save_every == 0
            if is_saved and not trainer.is_finite():  # else the next step's loss tells
                raise Diverged(f"The weights are not finite after step {trainer.done}.")
            on_step(trainer)
            if is_saved and not trainer.finished:
                file.save(trainer)
    except Diverged as error:
        if not file.done and trainer.is_finite():  # an earlier state is better than the last one
            file.save(trainer)
        if 0 < file.done < trainer.done:
            raise ValueError(
                f"{error}\n{file.kept()} For its LoRA, set steps to {file.done}. To train on, choose another run_name "
                "and a lower learning_rate, or fp32; look for damaged images too."
            ) from error
        # The loss is that of the last state itself.
        raise ValueError(
            f"{error}\n{file.kept()} To train, choose another run_name and a lower learning_rate, or fp32; look for "
            "damaged images too."
        ) from error
    except BaseException:  # the stop button too
        if trainer.is_finite():
            file.save(trainer)
        raise
    file.save(trainer)


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


def _check_dimensions(latents: Iterable[torch.Tensor], latent_format: Any) -> None:
    """Raises ValueError where latents, (1, channels, ...), are pictures in a model of videos, or videos in another."""
    expected = 2 + latent_format.latent_dimensions
    for latent in latents:
        if latent.ndim != expected:
            raise ValueError(
                f"latents: expected {expected} dimensions, got {latent.ndim} (shape {tuple(latent.shape)}). Encode the "
                "images with the model's VAE."
            )


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
