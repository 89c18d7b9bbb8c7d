"""A training run from a node's inputs to its results, with what is shown meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import comfy.utils
import torch
from PIL import Image

from ..conditioning.combine import Conditioning
from ..grouping.prompt_groups import PromptGroups, check_groups
from ..images.convert import picture_to_tensor, tensor_to_picture
from ..phrases import counted
from .checkpoint import load_state
from .dataset import make_training_set, training_copy
from .existing_lora import read_lora
from .lora_file import SageLora, trained_lora
from .loss_plot import loss_plot
from .objective import TERMS, LossSettings
from .run_lock import locked_run
from .sample_images import SampleSettings, check_vae, sample_sheet
from .trainer import Trainer, TrainSettings, train

# Options whose names differ from those of the settings.
_SETTING_NAMES = {"gradient_clip": "clip", "warmup_steps": "warmup"}
_SAMPLE_SETTING_NAMES = {"sample_steps": "steps", "sample_cfg": "cfg", "sample_share": "share", "seed": "seed"}
# The loss of one step is mostly chance: how many are compared, and which rise is none.
_STEPS_THAT_TELL, _RISEN = 10, 4


class TrainingListener(Protocol):
    """Who hears of a training while it runs."""

    def start(self) -> None:
        """The training begins or continues."""

    def step(self) -> None:
        """A step is done, or there was none left to do."""

    def sampled(self, sheet: Image.Image) -> None:
        """There are new sample images."""

    def end(self) -> None:
        """The training is over: done, ended early, stopped or failed."""


# Makes the listener of a training; the training says by itself how far it is.
MakeListener = Callable[[Trainer], TrainingListener]


@dataclass(frozen=True)
class TrainingResult:
    """What a training run gives.

    Attributes:
        losses: of every step, by name: "loss" of all, then each of `TERMS`; ComfyUI's LOSS_MAP.
        steps: that are done.
        plot: the losses, (1, height, width, 3), values 0 to 1.
        samples: the last sample images as one sheet, in the same form; the plot where there are none.
        report: text for the user.
    """

    lora: SageLora
    losses: dict[str, list[float]]
    steps: int
    plot: torch.Tensor
    samples: torch.Tensor
    report: str


def run_training(
    model: Any, latents: Sequence[dict[str, Any]], positive: Sequence[Any], path: Path, options: Mapping[str, Any], *,
    groups: PromptGroups | None = None, negative: Conditioning | None = None, vae: Any = None,
    existing_lora: Path | None = None,
    make_listener: MakeListener | None = None, should_stop: Callable[[], bool] = lambda: False,
) -> TrainingResult:  # fmt: skip
    """Trains a LoRA, or continues its training. To call outside inference mode.

    Args:
        model: the user's ModelPatcher, which is not changed.
        latents, positive, groups: see `make_training_set`.
        path: of the saved state.
        options: all else, by the names that the node Train SAGE LoRA gives its inputs. `seed` is among them; for others
            that are missing or None, the settings' defaults are taken.
        negative: the empty caption, for caption dropout and sample images.
        vae: for sample images; there are none without `negative`, `vae` and `sample_every`.
        existing_lora: the file of a LoRA to go on from.
        should_stop: asked after every step; see `train`.

    Raises:
        ValueError: an input is out of range or does not fit the others, the training of this name runs already, or a
            step fails.
        OSError: the folder cannot be written to, or there is too little room in it.
    """
    if groups is not None:
        check_groups(groups)
    with locked_run(path):
        is_early = path.exists() and "format" not in load_state(path)
        training_set = make_training_set(latents, positive, groups, within_sizes=not is_early)
        empty = None if negative is None else training_copy(negative)
        existing = None if existing_lora is None else read_lora(existing_lora)
        trainer = Trainer(model, training_set, empty, _train_settings(options, model.load_device), existing)
        samples = None
        if vae is not None and empty is not None and (every := options.get("sample_every")):
            samples = _SampleImages(trainer, vae, empty, _sample_settings(options), every)
            check_vae(trainer, vae)
        with _Display(trainer, make_listener) as display:
            try:
                notes = _train(trainer, path, display, samples, should_stop)
                if existing_lora is not None:
                    notes.append(_note_on_existing(existing_lora, trainer.settings))
                lora = trained_lora(trainer)
            finally:
                trainer.trainable_model.unload()
    plot = picture_to_tensor(loss_plot(trainer.losses, trainer.rates))
    return TrainingResult(
        lora=lora,
        losses=_loss_map(trainer.losses),
        steps=trainer.done,
        plot=plot,
        samples=plot if display.sheet is None else display.sheet,
        report=training_report(trainer, [*notes, *training_set.groups.notes]),
    )


def training_report(trainer: Trainer, notes: Sequence[str] = ()) -> str:
    """What was trained on what, and how large the loss is now."""
    groups = trainer.training_set.groups
    sharing = [members for members in groups.partition if len(members) > 1]
    alone = len(groups.prompts) - sum(map(len, sharing))
    numbers = sum(tensor.numel() for tensor in trainer.trainable)
    lines = [
        f"{counted(trainer.done, 'step')} on {counted(len(groups.prompts), 'image')}: {counted(len(sharing), 'group')} "
        f"of two or more, and {counted(alone, 'image')} alone (trained with the plain term only).",
        f"{numbers:,} weights are trained, in {len(trainer.trainable)} tensors.",
    ]
    if trainer.losses:
        lines.append(f"Mean loss of the last 10% of the steps: {_last_loss(trainer.losses):.4g}.")
    notes = [*notes, *_nothing_learnt(trainer.rates), *_risen_loss(trainer.losses)]
    return "\n\n".join([*lines, *(f"Note: {note}" for note in notes)])


@dataclass(frozen=True)
class _SampleImages:
    """Makes sample images of a training, every `every` steps."""

    trainer: Trainer
    vae: Any
    empty: Conditioning
    settings: SampleSettings
    every: int

    def are_due(self) -> bool:
        """Whether the step that was done is followed by sample images."""
        return self.trainer.finished or self.trainer.done % self.every == 0

    def sheet(self) -> torch.Tensor:
        """See `sample_sheet`."""
        return sample_sheet(self.trainer, self.vae, self.empty, self.settings)


class _Display:
    """Shows a training while it runs: on the listener, and on the node as ComfyUI shows any progress.

    A context: the listener hears when it begins and when it ends. The node's own preview is for pages without our
    panel; it is the plot of the losses with the last sample images below it.
    """

    def __init__(self, trainer: Trainer, make_listener: MakeListener | None) -> None:
        self.trainer = trainer
        self.listener = None if make_listener is None else make_listener(trainer)
        self.bar = comfy.utils.ProgressBar(trainer.settings.steps)
        self.sheet: torch.Tensor | None = None

    def __enter__(self) -> _Display:
        if self.listener is not None:
            self.listener.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.listener is not None:
            self.listener.end()

    def sampled(self, sheet: torch.Tensor) -> None:
        """Show new sample images."""
        self.sheet = sheet
        if self.listener is not None:
            self.listener.sampled(tensor_to_picture(sheet[0]))

    def step(self) -> None:
        """Show the step that was done; in the node's preview only some 50 steps of a training."""
        done, steps = self.trainer.done, self.trainer.settings.steps
        preview = self.trainer.finished or done % max(1, steps // 50) == 0
        self.bar.update_absolute(done, steps, ("JPEG", self._picture(), 1024) if preview else None)
        if self.listener is not None:
            self.listener.step()

    def _picture(self) -> Image.Image:
        """The plot, and the last sample images below it."""
        plot = loss_plot(self.trainer.losses, self.trainer.rates)
        if self.sheet is None:
            return plot
        sheet = tensor_to_picture(self.sheet[0])
        both = Image.new("RGB", (max(plot.width, sheet.width), plot.height + sheet.height), "white")
        both.paste(plot)
        both.paste(sheet, (0, plot.height))
        return both


def _train(
    trainer: Trainer, path: Path, display: _Display, samples: _SampleImages | None, should_stop: Callable[[], bool]
) -> list[str]:
    """Trains, and shows it. Returns notes for the user."""

    def on_step(trainer: Trainer) -> None:
        if samples is not None and samples.are_due():
            display.sampled(samples.sheet())
        display.step()

    notes = train(trainer, path, on_step, should_stop)
    if samples is not None and display.sheet is None:  # no step was left to do
        with trainer.trainable_model.loaded():
            on_step(trainer)
    return notes


def _note_on_existing(file: Path, settings: TrainSettings) -> str:
    """Which LoRA was the start, and what of the settings it decides."""
    return (
        f"started from {file.name}, which decides the layers, adapter ({settings.adapter}), rank ({settings.rank}) and "
        f"alpha ({settings.alpha:g})."
    )


def _train_settings(options: Mapping[str, Any], device: torch.device) -> TrainSettings:
    """The settings of a training; precision "auto" is bf16 on any device but the CPU."""
    precision = options.get("precision") or "auto"
    bf16 = precision == "bf16" or precision == "auto" and device.type != "cpu"
    given = {_SETTING_NAMES.get(name, name): value for name, value in options.items()}
    return _settings(TrainSettings, {**given, "bf16": bf16, "loss": _settings(LossSettings, given)})


def _sample_settings(options: Mapping[str, Any]) -> SampleSettings:
    """The settings of sample images."""
    given = {name: options.get(option) for option, name in _SAMPLE_SETTING_NAMES.items()}
    return _settings(SampleSettings, given)


def _settings(kind: Any, given: Mapping[str, Any]) -> Any:
    """A dataclass of settings with those values that are its own; its defaults where one is missing or None."""
    return kind(**{name: given[name] for name in kind.__dataclass_fields__ if given.get(name) is not None})


def _loss_map(losses: Sequence[Sequence[float]]) -> dict[str, list[float]]:
    """The losses of every step by name."""
    columns = [list(column) for column in zip(*losses, strict=True)]
    return dict(zip(("loss", *TERMS), columns, strict=True))


def _last_loss(losses: Sequence[Sequence[float]]) -> float:
    """Mean loss of the last tenth of the steps, of one at least."""
    last = [row[0] for row in losses[-max(1, len(losses) // 10) :]]
    return sum(last) / len(last)


def _nothing_learnt(rates: Sequence[float]) -> list[str]:
    """A note where all steps had a learning rate of 0: the first one of a warm-up."""
    if not rates or any(rates):
        return []
    return ["the learning rate was 0 in every step, so nothing is learnt. Set more steps, or warmup_steps to 0."]


def _risen_loss(losses: Sequence[Sequence[float]]) -> list[str]:
    """A note where the loss is much larger in the last quarter of the steps than in the first one."""
    quarter = len(losses) // 4
    if quarter < _STEPS_THAT_TELL:
        return []
    first, last = (sum(row[0] for row in part) / quarter for part in (losses[:quarter], losses[-quarter:]))
    if last < _RISEN * first:
        return []
    return [f"the loss has risen from {first:.3g} to {last:.3g}. Try a lower learning_rate, with another run_name."]
