"""Guiders that share evaluations, for any node that takes a GUIDER."""

from __future__ import annotations

from typing import Any

import comfy.model_patcher
import comfy.samplers
import torch

from ..conditioning.combine import Conditioning
from ..grouping.prompt_groups import PromptGroups
from ..sharing.sampling_record import SamplingRecord
from ..sharing.settings import SharingSettings
from ..validation import check_cfg, check_choice
from . import latents
from .job import Job
from .latent_rows import LATENT_ROWS, continues_rows
from .level_runner import plain_guider
from .own_seeds import OwnSeeds
from .prefix import Prefix, check_prefix, model_identity
from .progress import StepCallback
from .prompt_conditions import PromptConditions
from .shared_sampling import MakeListener, OnFinished, SharedSampling, make_job
from .validation import check_model, check_text_width


class SageGuider(comfy.samplers.CFGGuider):
    """Samples every prompt of some groups; the steps above the branch sigma run once per group.

    A drop-in for ComfyUI's CFGGuider, except that it returns one row per (prompt, variation), prompt-major, for a
    latent that holds the variations.

    Attributes:
        gives_denoised: whether the last callback carries all denoised rows. The preview then ends on the first of
            them, so nodes that do not need them switch it off.
        record: what was planned and done, after `sample`.
        make_listener: makes the listener of the run; None for no listener.
        on_finished: gets the rows of every prompt as soon as they are finished; None if nobody waits for them.
        own_seeds: the noise that the guider is given, where prompts have seeds of their own.
    """

    own_seeds: OwnSeeds | None = None
    gives_denoised = True
    make_listener: MakeListener | None = None
    on_finished: OnFinished | None = None
    record: SamplingRecord | None = None

    def __init__(
        self,
        model_patcher: comfy.model_patcher.ModelPatcher,
        groups: PromptGroups,
        negative: Conditioning,
        cfg: float,
        share: float,
        share_mode: str = "fixed",
        correction: str = "off",
        reuse: bool = False,
        latent_rows: str = "variations",
    ) -> None:
        """Prepare the sampling of some groups.

        Args:
            share, share_mode, correction, reuse: see `SharingSettings`.
            latent_rows: what the rows of the latent are, one of `LATENT_ROWS`.

        Raises:
            ValueError: an input is out of range, or the groups do not fit the model or the negative prompt.
        """
        super().__init__(model_patcher)
        check_cfg(cfg)
        check_text_width(model_patcher, groups, negative)
        check_choice("latent_rows", latent_rows, LATENT_ROWS)
        self.settings = SharingSettings(share, share_mode, correction, reuse)
        self.set_cfg(cfg)
        self.groups = groups
        self.negative = negative
        self.latent_rows = latent_rows

    def sample(
        self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, denoise_mask: Any = None,
        callback: StepCallback | None = None, disable_pbar: bool = False, seed: int | None = None,
    ) -> Any:  # fmt: skip
        """Sample all prompts; arguments as ComfyUI's `CFGGuider.sample`.

        Returns:
            Latents, one per (prompt, variation).
        """
        job = self._job(noise, latent_image, sampler, sigmas, denoise_mask, seed)
        sampling = self._sampling(job, callback, disable_pbar)
        if sigmas.shape[-1] == 0:
            return _unchanged(sampling)
        result = sampling.run()
        self.record = sampling.record
        return result.samples

    def _job(
        self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, mask: Any, seed: int | None
    ) -> Job:
        prompts, own_seeds = len(self.groups.prompts), self.own_seeds
        if own_seeds is None and any(self.groups.seed_offsets):
            raise ValueError(
                "groups: the prompts have seed offsets, but here the noise comes from another node, whose seed is one "
                "for all. Use SAGE KSampler or Shared KSampler Prefix, or a list without the column 'seed offset'."
            )
        own_rows = self.latent_rows == "prompts"
        if self.latent_rows == "auto":
            own_rows = continues_rows(noise, latent_image, prompts)
        return make_job(
            self.model_patcher, noise, latent_image, sampler, sigmas, mask, seed, prompts=prompts if own_rows else 0,
            draws=() if own_seeds is None else own_seeds.draws,
        )  # fmt: skip

    def _sampling(self, job: Job, callback: StepCallback | None, disable_pbar: bool) -> SharedSampling:
        guider = plain_guider(self.model_patcher, self.model_options, self.cfg)
        conditions = PromptConditions(self.groups, {"negative": self.negative})
        sampling = SharedSampling(guider, conditions, self.settings, job)
        sampling.callback, sampling.shows_progress = callback, not disable_pbar
        sampling.gives_denoised = self.gives_denoised
        sampling.make_listener, sampling.on_finished = self.make_listener, self.on_finished
        return sampling


def _unchanged(sampling: SharedSampling) -> Any:
    """The latent once per prompt, where there is no step to run."""
    rows = sampling.job.start(range(len(sampling.groups.prompts))).latent_image
    for distinct, its_rows in enumerate(latents.chunk(rows, len(sampling.groups.prompts))):
        sampling.hand_out(distinct, its_rows)
    return latents.select_clusters(rows, sampling.representative_of, len(sampling.groups.prompts))


class PrefixGuider(SageGuider):
    """Runs the shared levels only.

    Attributes:
        prefix: what `BranchGuider` goes on from, after `sample`.
    """

    prefix: Prefix | None = None

    def sample(
        self, noise: Any, latent_image: Any, sampler: Any, sigmas: torch.Tensor, denoise_mask: Any = None,
        callback: StepCallback | None = None, disable_pbar: bool = False, seed: int | None = None,
    ) -> Any:  # fmt: skip
        """Sample the shared steps; arguments as ComfyUI's `CFGGuider.sample`.

        Returns:
            The last denoised prediction, one per (group, variation).
        """
        job = self._job(noise, latent_image, sampler, sigmas, denoise_mask, seed)
        sampling = self._sampling(job, callback, disable_pbar)
        self.prefix, preview = sampling.run_prefix()
        if preview is not None:
            return preview.samples
        central = [members[0] for members in sampling.groups.partition]
        return sampling.job.start(central).latent_image


class BranchGuider(SageGuider):
    """Finishes a prefix: every prompt on its own from its branch sigma on.

    Attributes:
        finished, keeps_rows: see `SharedSampling`.
    """

    finished: frozenset[int] = frozenset()
    keeps_rows: bool = True

    def __init__(
        self, model_patcher: comfy.model_patcher.ModelPatcher, prefix: Prefix, reshared: SharingSettings | None = None
    ) -> None:
        """Prepare the rest of a prefix.

        Args:
            reshared: what to share in place of what the prefix planned, see `SharedSampling.reshared`.

        Raises:
            ValueError: the model is of another family than the one the prefix was made with.
        """
        check_prefix(prefix)
        check_model(model_identity(model_patcher), prefix.model)
        super().__init__(model_patcher, prefix.groups, prefix.negative, prefix.cfg, share=0.0)
        self.prefix = prefix
        self.reshared = reshared
        if reshared is not None:
            self.settings = reshared

    def sample(
        self, noise: Any = None, latent_image: Any = None, sampler: Any = None, sigmas: Any = None,
        denoise_mask: Any = None, callback: StepCallback | None = None, disable_pbar: bool = False,
        seed: int | None = None,
    ) -> Any:  # fmt: skip
        """Sample the prefix's own job; only `callback` and `disable_pbar` are read."""
        sampling = self._sampling(self.prefix.job, callback, disable_pbar)
        sampling.finished, sampling.keeps_rows = self.finished, self.keeps_rows
        if len(self.prefix.job.sigmas) == 0:
            return _unchanged(sampling)
        result = sampling.run_branch(self.prefix if self.reshared is None else sampling.reshared(self.prefix))
        self.record = sampling.record
        return result.samples
