"""The nodes that take the place of an artist's in the graphs of a farm. ComfyUI's page does not know them."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import comfy.utils
import numpy as np
from comfy.cli_args import args
from comfy_api.latest import io

from ..routes.json_body import server
from ..sage_core.atomic_file import replacing
from ..sage_core.farm.job import Job, read_job
from ..sage_core.grouping.build import encode_and_embed
from ..sage_core.grouping.conditionings import own_embeddings
from ..sage_core.grouping.repeats import first_indices
from ..sage_core.images.graph_settings import SamplerSettings, read_sampler_settings, stated_variations
from ..sage_core.images.png_files import ImageFiles
from ..sage_core.images.saveable import not_saved, variations_to_save
from ..sage_core.prefix.file import load_prefix
from ..sage_core.prefix.parts import NotShareable, part_of, write_shared_steps
from ..sage_core.prompts.prompt_list import Prompt
from ..sage_core.prompts.text_encoders import clip_embeddings, encode_prompts
from ..sage_core.sampling.ksampler import sample_prefix
from ..sage_core.sharing.sampling_record import SamplingRecord
from .encoder_folder import load_embedder
from .graph import output_type, place_in_graph
from .images import check_branch, picture_size, save_each
from .list_inputs import takes_lists
from .output_path import output_path
from .prompt_list import PromptList, as_outputs
from .samplers import SharedKSamplerPrefix
from .sockets import Groups, Prefix

# What the nodes that save send when all files of a prompt are there.
SAVED = "sage.farm.saved"

_HIDDEN = [io.Hidden.prompt, io.Hidden.unique_id, io.Hidden.extra_pnginfo]

_cached_embedder = functools.lru_cache(1)(load_embedder)


class FarmEmbed(io.ComfyNode):
    """Embeds texts as Semantic Group Prompts does."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.String.Input("prompts"), io.String.Input("encoder"), io.Clip.Input("clip", optional=True),
                  io.String.Input("encoder_model", optional=True)]  # fmt: skip
        return io.Schema(node_id="SageFarmEmbed", inputs=inputs, outputs=[], is_output_node=True)

    @classmethod
    def execute(cls, prompts: str, encoder: str, clip: Any = None, encoder_model: str = "") -> io.NodeOutput:
        listed = [prompt.text for prompt in _listed(prompts)]
        embed, _ = _cached_embedder(encoder, encoder_model)
        if embed is not None:
            vectors = embed(listed)
        else:  # one by one: a conditioning can be large
            encoded = (list(encode_prompts(clip, [text]).values()) for text in listed)
            vectors = np.concatenate([clip_embeddings(conditioning) for conditioning in encoded])
        return io.NodeOutput(ui={"vectors": vectors.tolist()})


class FarmList(io.ComfyNode):
    """Gives prompts as Prompt List does, to see what the artist's encoders make of them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.String.Input("prompts"), io.String.Input("negative", optional=True)]
        return io.Schema(node_id="SageFarmList", inputs=inputs, outputs=_list_outputs())

    @classmethod
    def execute(cls, prompts: str, negative: str = "") -> io.NodeOutput:
        return as_outputs(_listed(prompts), negative)


class FarmEmbedConditionings(io.ComfyNode):
    """Embeds conditionings as Share Sampling does."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Conditioning.Input("positive"), io.String.Input("prompts")]
        return io.Schema(
            node_id="SageFarmEmbedConditionings", inputs=inputs, outputs=[], is_output_node=True, is_input_list=True
        )

    @classmethod
    @takes_lists("positive")
    def execute(cls, positive: Sequence[Any], prompts: str) -> io.NodeOutput:
        if len(positive) != (count := len(json.loads(prompts))):
            raise ValueError(f"positive: expected one for each of {count} prompts of Prompt List, got {len(positive)}.")
        return io.NodeOutput(ui={"vectors": own_embeddings(positive).tolist()})


class FarmPrompts(io.ComfyNode):
    """Gives some prompts of a job as Prompt List does."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.String.Input("job"), io.String.Input("prompts"), io.String.Input("negative", optional=True)]
        return io.Schema(node_id="SageFarmPrompts", inputs=inputs, outputs=_list_outputs())

    @classmethod
    def execute(cls, job: str, prompts: str, negative: str = "") -> io.NodeOutput:
        listed = read_job(Path(job)).listed
        return as_outputs([listed[number] for number in json.loads(prompts)], negative)


def _listed(prompts: str) -> list[Prompt]:
    """The prompts of `JobGraph.embedding`."""
    return [Prompt(*each) for each in json.loads(prompts)]


def _list_outputs() -> list[Any]:
    return PromptList.define_schema().outputs


class FarmPartition(io.ComfyNode):
    """Gives the groups of some prompts of a job, without conditionings: Share Sampling has its own."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.String.Input("job"), io.String.Input("prompts")]
        return io.Schema(node_id="SageFarmPartition", inputs=inputs, outputs=[Groups.Output("groups")])

    @classmethod
    def execute(cls, job: str, prompts: str) -> io.NodeOutput:
        return io.NodeOutput(read_job(Path(job)).groups.only(json.loads(prompts)))


class FarmGroups(io.ComfyNode):
    """Gives some prompts of a job, in their groups."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Clip.Input("clip"), io.String.Input("job"), io.String.Input("prompts"),
                  io.Conditioning.Input("template", optional=True)]  # fmt: skip
        return io.Schema(node_id="SageFarmGroups", inputs=inputs, outputs=[Groups.Output("groups")])

    @classmethod
    def execute(cls, clip: Any, job: str, prompts: str, template: Any = None) -> io.NodeOutput:
        groups = read_job(Path(job)).groups.only(json.loads(prompts))
        different = list(first_indices(groups.prompts).values())
        bar = comfy.utils.ProgressBar(len(different))
        conditionings, _ = encode_and_embed(
            clip, groups.prompts, lambda texts: groups.embeddings[different], template, bar.update_absolute
        )
        return io.NodeOutput(replace(groups, conditionings=conditionings, template=template))


class FarmShared(io.ComfyNode):
    """Writes the shared steps of a group for `FarmPart`, where others can go on from them."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [Prefix.Input("prefix"), io.String.Input("file")]
        return io.Schema(node_id="SageFarmShared", inputs=inputs, outputs=[], is_output_node=True)

    @classmethod
    def execute(cls, prefix: Any, file: str) -> io.NodeOutput:
        with contextlib.suppress(NotShareable):
            write_shared_steps(prefix, Path(file))
        return io.NodeOutput()


class FarmPart(io.ComfyNode):
    """The prefix of some prompts of a group, whose shared steps have run elsewhere."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [Groups.Input("groups"), io.String.Input("file")]
        return io.Schema(node_id="SageFarmPart", inputs=inputs, outputs=[Prefix.Output("prefix")])

    @classmethod
    def execute(cls, groups: Any, file: str) -> io.NodeOutput:
        return io.NodeOutput(part_of(load_prefix(Path(file)), groups))


class FarmSave(io.ComfyNode):
    """SAGE Branch and Save for some prompts of a job: names and numbers are those of the whole list."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Model.Input("model"), Prefix.Input("prefix"), io.Vae.Input("vae"), io.String.Input("job"),
                  io.String.Input("prompts"), io.String.Input("done")]  # fmt: skip
        return io.Schema(node_id="SageFarmSave", inputs=inputs, outputs=[], hidden=_HIDDEN, is_output_node=True)

    @classmethod
    def execute(cls, model: Any, prefix: Any, vae: Any, job: str, prompts: str, done: str) -> io.NodeOutput:
        check_branch(prefix, vae)
        saver = _TaskSaver(cls.hidden, "prefix", job, prompts, done)
        saver.open(*picture_size(prefix, vae))
        save_each(model, prefix, vae, saver.save, cls.hidden, saver.kept)
        saver.check()
        return io.NodeOutput()


class FarmSaveImages(io.ComfyNode):
    """SAGE Save Images, or ComfyUI's Save Image, for some prompts of a job."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Image.Input("images"), io.String.Input("job"), io.String.Input("prompts"), io.String.Input("done"),
                  Groups.Input("groups", optional=True)]  # fmt: skip
        return io.Schema(
            node_id="SageFarmSaveImages", inputs=inputs, outputs=[], hidden=_HIDDEN, is_output_node=True,
            is_input_list=True,
        )  # fmt: skip

    @classmethod
    @takes_lists("images")
    def execute(cls, images: Sequence[Any], job: str, prompts: str, done: str, groups: Any = None) -> io.NodeOutput:
        saver = _TaskSaver(cls.hidden, "images", job, prompts, done)
        for prompt, its_images in enumerate(_by_prompt(images, len(saver.numbers), cls.hidden)):
            if prompt not in saver.kept:
                saver.open(*its_images.shape[1:3])
                saver.save(prompt, its_images)
        saver.check()
        return io.NodeOutput()


def _by_prompt(images: Sequence[Any], count: int, hidden: Any) -> Sequence[Any]:
    """A batch of images for every prompt.

    Args:
        images: one batch with all of them, or one for each prompt.
    """
    if len(images) == 1:
        stated = stated_variations(*place_in_graph(hidden), output_type)
        return images[0].split(variations_to_save(images[0], count, stated))
    if len(images) != count:
        raise ValueError(f"images: expected one batch, or one for each of {count} prompts, got {len(images)}.")
    return images


class _TaskSaver:
    """Saves the images of a task's prompts, and tells the farm of every prompt whose files are there.

    Attributes:
        numbers: of the prompts in the whole list.
        kept: those, by their place in the task, whose files are there already.
    """

    def __init__(self, hidden: Any, socket: str, job: str, prompts: str, done: str) -> None:
        """Prepare the saving.

        Args:
            socket: the input from which the sampler's settings are found in the graph.
            job, prompts, done: as nodes get them, see `JobGraph.task`.
        """
        self.numbers: list[int] = json.loads(prompts)
        finished = set(json.loads(done))
        self.kept = frozenset(at for at, number in enumerate(self.numbers) if number in finished)
        self._job, self._settings = Path(job), read_sampler_settings(hidden.prompt, hidden.unique_id, socket)
        self._broken: list[int] = []

    def open(self, height: int, width: int) -> None:
        """Prepare the files for images of a size, which may be in their names."""
        self._files = _files(self._job, self._settings, width, height)

    def save(self, prompt: int, images: Any) -> None:
        """Save all images of a prompt, (variations, height, width, channels)."""
        files, number = self._files, self.numbers[prompt]
        names = files.save(number, images)
        if len(names) < len(images):
            self._broken.append(number)
            return
        saved = [(f"{files.subfolder}{name}", (files.folder / name).stat().st_size) for name in names]
        server().send_sync(SAVED, {"prompt": number, "files": saved})

    def check(self) -> None:
        """Check that all could be saved.

        Raises:
            ValueError: some hold NaN or infinity; names the prompts.
        """
        if self._broken:
            raise ValueError(not_saved(self._files.groups.prompts, self._broken))


class FarmPlan(io.ComfyNode):
    """Tells what SAGE KSampler, or Shared KSampler Prefix and what comes after it, will cost; runs nothing."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = SharedKSamplerPrefix.define_schema().inputs
        return io.Schema(node_id="SageFarmPlan", inputs=inputs, outputs=[], is_output_node=True)

    @classmethod
    def execute(cls, model: Any, groups: Any, negative: Any, latent_image: Any, **settings: Any) -> io.NodeOutput:
        found: list[SamplingRecord] = []

        def planned(sampling: Any, record: SamplingRecord) -> Any:
            found.append(record)
            raise _Planned

        with contextlib.suppress(_Planned):
            sample_prefix(model, groups, negative, latent_image, **settings, make_listener=planned)
        cost = [(each.cost.total, each.baseline_evaluations, each.cost.is_bound) for each in found if each.cost]
        return io.NodeOutput(ui={"cost": cost})


class _Planned(Exception):
    """The plan is there; nothing has to run."""


class _JobFiles(ImageFiles):
    """The files of a job. Every prompt's names are its own, so a file that is there is from a run that was killed."""

    def __init__(self, job: Job, settings: SamplerSettings, width: int, height: int) -> None:
        folder, stem, _, subfolder = output_path(job.filename_prefix, width, height)
        texts: dict[str, Any] | None = None if args.disable_metadata else {}
        super().__init__(job.groups, settings, folder, stem, 1, texts)
        self.graph, self.listed = job.graph, job.listed
        self.subfolder = f"{subfolder.replace(chr(92), '/')}/" if subfolder else ""

    def _put(self, paths: Iterable[Path], write: Callable[[Path], object]) -> Path:
        path = next(iter(paths))
        with replacing(path) as part:
            write(part)
        return path

    def _texts(self, prompt: int) -> dict[str, str] | None:
        """The artist's graph with this prompt only: a whole list in every file would be many times its size."""
        if self.texts is None:
            return None
        negative = self.listed[prompt].negative if self.listed else ""
        return {"prompt": json.dumps(self.graph.with_prompt(self.groups.prompts[prompt], negative))}


@functools.lru_cache(1)
def _files(job: Path, settings: SamplerSettings, width: int, height: int) -> _JobFiles:
    """The files of a job; made once, as that looks at the whole list."""
    return _JobFiles(read_job(job), settings, width, height)


FARM_NODES = [
    FarmEmbed, FarmList, FarmEmbedConditionings, FarmPrompts, FarmPartition, FarmGroups, FarmShared, FarmPart, FarmSave,
    FarmSaveImages, FarmPlan,
]  # fmt: skip
