"""The nodes that take the place of an artist's in the graphs of a farm. ComfyUI's page does not know them."""

from __future__ import annotations

import contextlib
import functools
import json
from collections.abc import Callable, Iterable
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
from ..sage_core.grouping.repeats import first_indices
from ..sage_core.images.graph_settings import SamplerSettings, read_sampler_settings
from ..sage_core.images.png_files import ImageFiles
from ..sage_core.images.saveable import not_saved
from ..sage_core.prefix.file import load_prefix
from ..sage_core.prefix.parts import NotShareable, part_of, write_shared_steps
from ..sage_core.prompts.text_encoders import clip_embeddings, encode_prompts
from ..sage_core.sampling.ksampler import sample_prefix
from ..sage_core.sharing.sampling_record import SamplingRecord
from .encoder_folder import load_embedder
from .images import check_branch, picture_size, save_each
from .output_path import output_path
from .samplers import SharedKSamplerPrefix
from .sockets import Groups, Prefix

# What SageFarmSave sends when all files of a prompt are there.
SAVED = "sage.farm.saved"

_cached_embedder = functools.lru_cache(1)(load_embedder)


class FarmEmbed(io.ComfyNode):
    """Embeds texts as Semantic Group Prompts does."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        inputs = [io.Clip.Input("clip"), io.String.Input("texts"), io.String.Input("encoder"),
                  io.String.Input("encoder_model", optional=True)]  # fmt: skip
        return io.Schema(node_id="SageFarmEmbed", inputs=inputs, outputs=[], is_output_node=True)

    @classmethod
    def execute(cls, clip: Any, texts: str, encoder: str, encoder_model: str = "") -> io.NodeOutput:
        listed = json.loads(texts)
        embed, _ = _cached_embedder(encoder, encoder_model)
        if embed is not None:
            vectors = embed(listed)
        else:  # one by one: a conditioning can be large
            encoded = (list(encode_prompts(clip, [text]).values()) for text in listed)
            vectors = np.concatenate([clip_embeddings(conditioning) for conditioning in encoded])
        return io.NodeOutput(ui={"vectors": vectors.tolist()})


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
        hidden = [io.Hidden.prompt, io.Hidden.unique_id, io.Hidden.extra_pnginfo]
        return io.Schema(node_id="SageFarmSave", inputs=inputs, outputs=[], hidden=hidden, is_output_node=True)

    @classmethod
    def execute(cls, model: Any, prefix: Any, vae: Any, job: str, prompts: str, done: str) -> io.NodeOutput:
        check_branch(prefix, vae)
        numbers, finished = json.loads(prompts), set(json.loads(done))
        settings = read_sampler_settings(cls.hidden.prompt, cls.hidden.unique_id, "prefix")
        height, width = picture_size(prefix, vae)
        files = _files(Path(job), settings, width, height)
        broken = []

        def save(prompt: int, images: Any) -> None:
            names = files.save(numbers[prompt], images)
            if len(names) < len(images):
                broken.append(prompt)
                return
            saved = [(f"{files.subfolder}{name}", (files.folder / name).stat().st_size) for name in names]
            server().send_sync(SAVED, {"prompt": numbers[prompt], "files": saved})

        kept = frozenset(at for at, number in enumerate(numbers) if number in finished)
        save_each(model, prefix, vae, save, cls.hidden, kept)
        if broken:
            raise ValueError(not_saved(prefix.groups.prompts, broken))
        return io.NodeOutput()


class FarmPlan(io.ComfyNode):
    """Tells what Shared KSampler Prefix and what comes after it will cost; runs nothing."""

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
        self.graph = job.graph
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
        return {"prompt": json.dumps(self.graph.with_prompt(self.groups.prompts[prompt]))}


@functools.lru_cache(1)
def _files(job: Path, settings: SamplerSettings, width: int, height: int) -> _JobFiles:
    """The files of a job; made once, as that looks at the whole list."""
    return _JobFiles(read_job(job), settings, width, height)


FARM_NODES = [FarmEmbed, FarmGroups, FarmShared, FarmPart, FarmSave, FarmPlan]
