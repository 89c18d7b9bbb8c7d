"""Trains the judge, and compares what it sees with what a scene says."""

from __future__ import annotations

import itertools
import json
import time
from pathlib import Path

import numpy as np
import torch
from comfyui_sage.sage_core.demo.judge import DemoJudge, Seen, Verdict, split_words
from safetensors.torch import save_file
from torch.nn import functional as F

from .dataset import Dataset
from .drawing import Spot
from .scenes import COLOURS, MATERIALS, SETTINGS, SIZES, SUBJECTS, WEATHERS, Scene, caption, spoken
from .steps import Checkpoint, half_precision, log, to_tensor

STEPS, BATCH = 2000, 64
_IGNORE = -100
_CELL = 8
_PLACE_REACH = 9.0
"""How far from the middle a thing is, in pixels, to be on a side."""


def labels(datasets: list[Dataset]) -> dict[str, list[str]]:
    """What the heads tell apart, and every word of the captions."""
    rng = np.random.default_rng(0)
    words: set[str] = set()
    for dataset in datasets:
        for index in range(0, min(dataset.number, 8000)):
            words.update(split_words(spoken(dataset.scene(index)[0], rng)))
    return {
        "subject": list(SUBJECTS), "colour": list(COLOURS), "material": list(MATERIALS), "size": list(SIZES),
        "setting": list(SETTINGS), "weather": list(WEATHERS), "words": sorted(words),
    }  # fmt: skip


def train_judge(
    sets: list[tuple[Dataset, np.ndarray]], folder: Path, device: torch.device, seed: int = 0,
    judge: DemoJudge | None = None, steps: int = STEPS, batch: int = BATCH,
) -> DemoJudge:  # fmt: skip
    """Trains, or loads what is already trained; resumes in between.

    Args:
        judge: to go on with; None for a new one.
    """
    torch.manual_seed(seed)
    judge = judge or DemoJudge(labels([dataset for dataset, _ in sets]))
    judge.train().requires_grad_(True).to(device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(judge.parameters(), lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps, pct_start=0.1)
    checkpoint = Checkpoint(folder / "judge.pt", model=judge, optimizer=optimizer, schedule=schedule)
    start, began = checkpoint.load(), time.monotonic()
    for step in range(start, steps):
        rng = np.random.default_rng([seed, step])
        pictures, targets, texts = _batch(sets, rng, device, batch)
        with half_precision(device):
            logits, features = judge(pictures)
            terms = _losses(judge, {k: v.float() for k, v in logits.items()}, features.float(), targets, texts)
        loss = sum(terms.values())
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(judge.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            seconds = time.monotonic() - began
            log(folder, "judge", step=step + 1, **{k: v.item() for k, v in terms.items()}, seconds=seconds)
        if step % 500 == 499 or step + 1 == steps:
            checkpoint.save(step + 1)
    return judge.eval().requires_grad_(False)


def save_judge(judge: DemoJudge, path: Path) -> None:
    """fp16 safetensors, with the labels as metadata."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in judge.state_dict().items()}
    part = path.with_suffix(".part")
    save_file({k: v.contiguous() for k, v in state.items()}, part, metadata={"labels": json.dumps(judge.labels)})
    part.replace(path)


def agreement(scene: Scene, verdict: Verdict) -> dict[str, bool]:
    """For everything that the scene's caption says, whether the picture shows it.

    Things are matched so that as much as possible agrees. Count and subject are judged always; colour, material and
    setting always; size and place for a single thing; relation where there are different things; weather outdoors.
    """
    expected, seen = scene.shown, verdict.things
    right = {"count": len(seen) == len(expected)}
    matched = _match(scene, seen)
    for name in ("subject", "colour", "material"):
        right[name] = bool(matched) and all(getattr(a, name) == getattr(b, name) for a, b in matched)
    if scene.kind == "single":
        right["size"] = bool(matched) and matched[0][1].size == scene.things[0].size
        right["place"] = bool(matched) and _place(matched[0][1]) == scene.place
    elif scene.kind in ("pair", "row"):
        spots = [b for _, b in matched]
        right["relation"] = len(spots) == len(expected) and _ordered(scene, spots)
    elif scene.kind == "rows":
        right["relation"] = right["count"] and _in_rows(scene, seen)
    right["setting"] = verdict.setting == scene.setting
    right["weather"] = verdict.weather == scene.weather
    return right


def judge_pictures(judge: DemoJudge, pictures: torch.Tensor) -> tuple[list[Verdict], torch.Tensor, torch.Tensor]:
    """Verdicts, features and image embeddings of (N, 3, height, width) pictures from 0 to 1."""
    verdicts, features = [], []
    with torch.no_grad():
        for part in pictures.split(128):
            logits, found = judge(part)
            verdicts += judge.verdicts(logits)
            features.append(found)
        stacked = torch.cat(features)
        return verdicts, stacked, judge.embed_image(stacked)


def drawing_accuracy(judge: DemoJudge, dataset: Dataset, pictures: np.ndarray, style: str) -> dict[str, float]:
    """Share of real drawings of a style on which the judge is right, for every attribute and for all together."""
    chosen = [index for index in range(dataset.number) if dataset.scene(index)[2] == style]
    verdicts, _, embeddings = judge_pictures(judge, to_tensor(pictures[chosen], torch.device("cpu")))
    scenes = [dataset.scene(index)[0] for index in chosen]
    result = rates([agreement(scene, verdict) for scene, verdict in zip(scenes, verdicts, strict=True)])
    with torch.no_grad():
        texts = judge.embed_text([caption(scene) for scene in scenes])
    first = (embeddings @ texts.T)[:100, :100].argmax(1)
    return {**result, "text_of_100": float((first == torch.arange(len(first))).float().mean())}


def rates(judged: list[dict[str, bool]]) -> dict[str, float]:
    """Share of right answers, for every attribute and for all together."""
    names = list(dict.fromkeys(itertools.chain(*judged)))
    result = {name: float(np.mean([each[name] for each in judged if name in each])) for name in names}
    return {"all": float(np.mean([all(each.values()) for each in judged])), **result}


def _place(seen: Seen) -> str:
    dx, dy = seen.x - 64, seen.y - 64
    if max(abs(dx), abs(dy)) < _PLACE_REACH:
        return "centre"
    return ("left" if dx < 0 else "right") if abs(dx) > abs(dy) else ("top" if dy < 0 else "bottom")


def _ordered(scene: Scene, spots: list[Seen]) -> bool:
    if scene.kind == "row":
        return all(a.x < b.x for a, b in itertools.pairwise(spots))
    first, second = spots
    return {
        "left": first.x < second.x, "right": first.x > second.x, "above": first.y < second.y,
        "below": first.y > second.y,
    }[scene.relation]  # fmt: skip


def _in_rows(scene: Scene, seen: tuple[Seen, ...]) -> bool:
    """Whether there are as many things in the upper row as there should be, and the subjects are in their order."""
    down = sorted(seen, key=lambda thing: thing.y)
    upper, lower = down[: scene.above], down[scene.above :]
    order = [thing.subject for row in (upper, lower) for thing in sorted(row, key=lambda thing: thing.x)]
    return lower[0].y - upper[-1].y > _PLACE_REACH and order == [thing.subject for thing in scene.things]


def _match(scene: Scene, seen: tuple[Seen, ...]) -> list[tuple[object, Seen]]:
    """Pairs of an expected and a seen thing that agree best."""
    expected = scene.shown
    number = min(len(expected), len(seen))
    few, many = sorted((range(len(expected)), range(min(len(seen), 6))), key=len)

    def pairs(order: tuple[int, ...]) -> list[tuple[object, Seen]]:
        chosen = zip(few, order, strict=True)
        return [(expected[a], seen[b]) if len(few) == len(expected) else (expected[b], seen[a]) for a, b in chosen]

    def score(order: tuple[int, ...]) -> int:
        weights = {"subject": 4, "colour": 2, "material": 1}
        return sum(
            weight * (getattr(a, name) == getattr(b, name)) for a, b in pairs(order) for name, weight in weights.items()
        )

    return pairs(max(itertools.permutations(many, number), key=score)) if number else []


def _batch(
    sets: list[tuple[Dataset, np.ndarray]], rng: np.random.Generator, device: torch.device, number: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor], list[str]]:
    pictures, scenes, spots = [], [], []
    for _ in range(number):
        dataset, pages = sets[rng.integers(len(sets))]
        index = int(rng.integers(dataset.number))
        scene, where, _, _ = dataset.scene(index)
        pictures.append(pages[index])
        scenes.append(scene)
        spots.append(where)
    tensor = to_tensor(np.stack(pictures), device)
    tensor = tensor + 0.03 * float(rng.random()) * torch.randn_like(tensor)
    if rng.random() < 0.3:  # a decoder's softness
        tensor = F.avg_pool2d(F.pad(tensor, (1, 1, 1, 1), mode="replicate"), 3, 1)
    targets = {k: v.to(device) for k, v in _targets(scenes, spots, tensor.shape[-1] // _CELL).items()}
    return tensor, targets, [spoken(scene, rng) for scene in scenes]


def _targets(scenes: list[Scene], spots: list[list[Spot]], cells_across: int) -> dict[str, torch.Tensor]:
    """Labels of the heads; cells beside a middle are not asked for."""
    shape = (len(scenes), cells_across, cells_across)
    cells = {name: torch.full(shape, _IGNORE) for name in ("colour", "material", "size")}
    cells["subject"] = torch.full(shape, len(SUBJECTS))
    names = {"subject": SUBJECTS, "colour": COLOURS, "material": MATERIALS, "size": SIZES}
    for row, (scene, where) in enumerate(zip(scenes, spots, strict=True)):
        at = [(int(spot.y // _CELL), int(spot.x // _CELL)) for spot in where]
        for y, x in at:
            cells["subject"][row, y - 1 : y + 2, x - 1 : x + 2] = _IGNORE
        for thing, (y, x) in zip(scene.shown, at, strict=True):
            for name, known in names.items():
                if name != "size" or scene.kind == "single":
                    cells[name][row, y, x] = known.index(getattr(thing, name))
    wholes = {
        "setting": torch.tensor([SETTINGS.index(scene.setting) for scene in scenes]),
        "weather": torch.tensor([tuple(WEATHERS).index(scene.weather) for scene in scenes]),
    }
    return {**cells, **wholes}


def _losses(
    judge: DemoJudge, logits: dict[str, torch.Tensor], features: torch.Tensor, targets: dict[str, torch.Tensor],
    texts: list[str],
) -> dict[str, torch.Tensor]:  # fmt: skip
    plain = [
        name for name in ("colour", "material", "size", "setting", "weather") if (targets[name] != _IGNORE).any()
    ]  # fmt: skip
    terms = {name: F.cross_entropy(logits[name], targets[name]) for name in plain}
    each = F.cross_entropy(logits["subject"], targets["subject"], reduction="none")
    middle = (targets["subject"] >= 0) & (targets["subject"] < len(SUBJECTS))
    empty = targets["subject"] == len(SUBJECTS)
    terms["subject"] = each[middle].mean() + 4 * each[empty].mean()
    similarity = judge.embed_image(features) @ judge.embed_text(texts).T * judge.temperature.exp().clamp(max=100)
    own = torch.arange(len(texts), device=similarity.device)
    terms["text"] = 0.15 * (F.cross_entropy(similarity, own) + F.cross_entropy(similarity.T, own))
    return terms
