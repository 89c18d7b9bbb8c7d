"""What the sampling panel shows while a sampler runs: evaluations, time left, and all rows in one picture."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import latent_preview
import torch
from PIL import Image

from ..grouping.partition import Cluster
from ..grouping.prompt_groups import PromptGroups
from ..grouping.repeats import copies_of
from ..images.palette import hex_colour
from ..phrases import shorten
from ..prompts.differences import without_common_start
from ..sampling.contact_sheet import contact_sheet, layout
from ..sampling.shared_sampling import MakeListener, SharedSampling
from ..sharing.plan import Level
from ..sharing.sampling_record import SamplingRecord
from .throttle import SendUpdate, Throttle, data_url

log = logging.getLogger(__name__)

# Makes a picture of a batch of one latent, (1, channels, ...).
Decode = Callable[[torch.Tensor], Image.Image]

# More rows make a picture too large to send.
_MOST_ROWS = 256
# Of a cluster: prompts that are named, and characters of each.
_MOST_TEXTS, _MOST_CHARACTERS = 20, 300
# Characters of a prompt below its picture.
_LABEL = 80


def sampling_monitor(send: SendUpdate | None) -> MakeListener | None:
    """A function that makes the `SamplingMonitor` of a run; None where no page listens."""
    if send is None:
        return None

    def make(sampling: SharedSampling, predicted: SamplingRecord) -> SamplingMonitor:
        names = ClusterLabels(sampling.all_groups, sampling.representative_of)
        return SamplingMonitor(send, names, predicted, preview_decoder(sampling.model_patcher))

    return make


class SamplingMonitor:
    """Sends progress updates of a sampling run, throttled to 2% of its time.

    Its methods are those of a `ProgressListener`; `done` and `total` count evaluations.
    """

    def __init__(
        self, send: SendUpdate, labels: ClusterLabels, predicted: SamplingRecord, decode: Decode | None
    ) -> None:
        """Prepare the updates of one run.

        Args:
            predicted: the run's plan and what it will cost.
            decode: None where latents of this model have no picture.
        """
        self.send, self.labels, self.predicted, self.decode = send, labels, predicted, decode
        self.saving, self.at_most = predicted.saving, False
        self.level: Level | None = None
        self.variations = 1
        self.throttle = Throttle()

    def start(self, done: int, total: int) -> None:
        """The run begins: everything that the page knows of an earlier run is replaced."""
        cost = self.predicted.cost
        self.at_most = cost is not None and cost.is_bound and total == cost.total  # the shared runs alone are certain
        self.send({
            **self._numbers(done, total), "running": True, "stopped": False, "shared": None, "sheet": None,
            "finished": None, "earlier": _earlier(self.predicted),
        })  # fmt: skip

    def start_level(self, level: Level, variations: int) -> None:
        """What follows is of this level; its first rows are shown at once."""
        self.level, self.variations = level, variations
        self.throttle.force()

    def evaluated(self, done: int) -> None:
        """Some evaluations reached the model."""
        self.throttle.count(done)

    def show(self, latents: torch.Tensor, done: int, total: int) -> None:
        """Send the level's newest denoised rows, (rows, channels, ...), where an update is due."""
        if self.throttle.due():
            self.send({**self._numbers(done, total), **self._sheet(latents)})
            self.throttle.sent()

    def end(self, latents: torch.Tensor | None, done: int, total: int) -> None:
        """Send the last rows; None where the run was stopped, failed or made none."""
        sheet = {} if latents is None else self._sheet(latents)
        stopped = done < total and latents is None
        if self.at_most and not stopped:
            self.saving, self.at_most = self.predicted.saving_of(done), False
        self.send({**self._numbers(done, total), **sheet, "running": False, "stopped": stopped})

    def _numbers(self, done: int, total: int) -> dict[str, Any]:
        """What every update has."""
        corrected = self.predicted.correction is not None
        return {
            **self.throttle.timing(done, total), "saving": self.saving, "at_most": self.at_most, "corrected": corrected,
        }  # fmt: skip

    def _sheet(self, latents: torch.Tensor) -> dict[str, Any]:
        """A picture of all rows, and what the page needs to cut it into rows: the part of an update that shows them.

        Args:
            latents: (rows, channels, ...); a row per cluster of the level and variation.
        """
        assert self.level is not None
        shared = self.level.branch_sigma is not None
        if len(latents) > _MOST_ROWS:
            return {"shared": shared, "sheet": {"too_many": len(latents)}}
        picture = self._picture(latents)
        if picture is None:
            return {"shared": shared, "sheet": None}
        height, width = latents.shape[-2:]
        columns, lines = layout(len(latents), height, width)
        return {"shared": shared, "sheet": {
            "picture": picture, "columns": columns, "lines": lines, "aspect": width / height,
            "variations": self.variations, "clusters": [self.labels.of(cluster) for cluster in self.level.clusters],
        }}  # fmt: skip

    def _picture(self, latents: torch.Tensor) -> str | None:
        """The contact sheet of all rows as a data: URL; None where these latents have no picture."""
        if self.decode is None or latents.ndim < 4:
            return None
        try:
            return data_url(self.decode(contact_sheet(latents)))
        except Exception as error:  # a picture is not worth a run
            log.warning("SAGE: no previews of these latents on the panel: %s", error)
            self.decode = None
            return None


def _earlier(record: SamplingRecord) -> dict[str, Any] | None:
    """How many prompts take earlier renders, and how many follow each; None where earlier renders are not used."""
    if not record.remembered:
        return None
    followed = [{"text": shorten(text, _LABEL), "prompts": len(prompts)}
                for text, prompts in record.following_earlier.items()]  # fmt: skip
    return {"taken": len(record.rendered_earlier), "followed": followed}


class ClusterLabels:
    """Names clusters of distinct prompts by the prompts and groups of the user's list."""

    def __init__(self, groups: PromptGroups, representative_of: Sequence[int]) -> None:
        """Prepare the labels of a list.

        Args:
            groups: of all prompts of the list.
            representative_of: for every prompt of the list, the distinct one that stands for it.
        """
        self.prompts, self.partition = groups.prompts, groups.partition
        self.group_of = groups.group_of()
        self.copies = copies_of(representative_of)
        self.labels = without_common_start(groups.labels(_LABEL))

    def of(self, cluster: Cluster) -> dict[str, Any]:
        """Title (of one prompt a text, of several the numbers for it), texts and colour of a cluster, as plain data.

        Where all its prompts are equal, also the prompt, and its places in the list; else None, and no places.
        """
        members = [index for distinct in cluster for index in self.copies[distinct]]
        group = self.group_of[members[0]]
        size = len(self.partition[group])
        texts = [f"{index + 1}. {self.prompts[index]}"[:_MOST_CHARACTERS] for index in members[:_MOST_TEXTS]]
        alone = len(cluster) == 1
        part = {"group": group + 1, "prompts": len(members), "size": size}
        return {
            "title": f"{members[0] + 1}. {self.labels[members[0]]}" if alone else part, "texts": texts,
            "colour": hex_colour(group, size), "prompt": self.prompts[members[0]] if alone else None,
            "members": members if alone else [],
        }  # fmt: skip


def preview_decoder(model_patcher: Any) -> Decode | None:
    """ComfyUI's preview of a model's latents, of the kind that the user has chosen; the simplest where they are off.

    Returns:
        None where this model's latents have no preview.
    """
    latent_format = model_patcher.model.latent_format
    previewer = latent_preview.get_previewer(model_patcher.load_device, latent_format)
    if previewer is None and latent_format.latent_rgb_factors is not None:
        previewer = latent_preview.Latent2RGBPreviewer(
            latent_format.latent_rgb_factors, latent_format.latent_rgb_factors_bias,
            latent_format.latent_rgb_factors_reshape,
        )  # fmt: skip
    if previewer is None:
        return None
    return lambda latent: previewer.decode_latent_to_preview_image("JPEG", latent)[1]
