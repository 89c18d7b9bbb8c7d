"""Renders some prompts in several ways, and runs once what these have in common."""

from __future__ import annotations

from typing import Any

from ..conditioning.combine import Conditioning
from ..grouping.prompt_groups import PromptGroups
from ..sampling.ksampler import sample_prefix, sample_recorded, sample_reshared
from ..sampling.latent_rows import Latent
from ..sampling.prefix import Prefix
from ..sharing.sampling_record import SamplingRecord
from ..sharing.settings import SharingSettings
from .settings import Setting


class Renderer:
    """Renders the prompts of some groups.

    The groups' runs of the first share are those of all smaller ones, too: once without and once with correction.
    """

    def __init__(
        self, model: Any, groups: PromptGroups, negative: Conditioning, latent: Latent, **sampler: Any
    ) -> None:
        """Prepare the renders.

        Args:
            sampler: the fields of `KSamplerSettings` that are the same for all of them.
        """
        self.model = model
        self.inputs = (model, groups, negative, latent)
        self.sampler = sampler
        self._prefixes: dict[tuple[int, str], Prefix] = {}

    def render(self, setting: Setting) -> tuple[Latent, SamplingRecord]:
        """The rows, prompt-major, and a record whose evaluations are those of this setting alone.

        Args:
            setting: with no larger share than the first one of as many steps and the same correction.
        """
        steps, share, correction = setting.steps, setting.share, setting.correction
        if not share:
            return sample_recorded(*self.inputs, steps=steps, share=share, **self.sampler)
        if (steps, correction) not in self._prefixes:
            prefix, _ = sample_prefix(*self.inputs, steps=steps, share=share, correction=correction, **self.sampler)
            self._prefixes[steps, correction] = prefix
        sharing = SharingSettings(share, correction=correction)
        return sample_reshared(self.model, self._prefixes[steps, correction], sharing)
