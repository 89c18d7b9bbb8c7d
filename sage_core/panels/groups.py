"""What the groups panel shows: the groups of a run, also under settings that the user tries out."""

from __future__ import annotations

import hashlib
from collections import Counter, OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

import numpy as np

from ..grouping.linkage import Dendrogram, cluster_prompts, similarity_range
from ..grouping.partition import Partition
from ..grouping.pins import parse_pins
from ..grouping.prompt_groups import PromptGroups
from ..grouping.repeats import first_indices
from ..grouping.report import SHARE, predicted_saving
from ..grouping.threshold import THRESHOLD_MODES
from ..images.palette import HEX_COLOURS, hex_colour
from ..prompts.differences import labels
from ..validation import check_choice

# A longer list is not shown on the panel.
_MOST_PROMPTS, _MOST_CHARACTERS = 2_000, 500_000
# Characters of a prompt on a card, until it is opened.
_LABEL = 80
# Of the dendrogram: more are too thin to see. Of more prompts, the most similar ones are one leaf together.
_MOST_LEAVES = 200
# Kept at most: runs, and bytes of all their embeddings.
_MOST_RUNS, _MOST_BYTES = 8, 64 * 2**20


@dataclass(frozen=True)
class EmbeddedPrompts:
    """Prompts with their embeddings: all that it takes to group them again.

    Attributes:
        prompts: N texts, in the user's order.
        embeddings: (N, D), unit rows.
        auto_threshold: see `threshold.auto_threshold`.
        set_aside: phrases that their labels are without, see `differences.labels`.
    """

    prompts: tuple[str, ...]
    embeddings: np.ndarray
    auto_threshold: float
    set_aside: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """32 hexadecimal digits, the same for the same content: a run with other settings takes no more memory."""
        texts = repr((self.prompts, self.auto_threshold, self.set_aside))
        content = hashlib.sha256(texts.encode(errors="surrogatepass"))
        content.update(self.embeddings.tobytes())
        return content.hexdigest()[:32]

    def preview(self, *, threshold_mode: str, threshold: float, max_group_size: int, pinned: str) -> dict[str, Any]:
        """Groups under other settings, as `groups_payload` gives them.

        Args:
            threshold: used with the mode "fixed" only.
            pinned: JSON, see `grouping.pins.parse_pins`.

        Raises:
            ValueError: a setting is out of range.
        """
        check_choice("threshold_mode", threshold_mode, THRESHOLD_MODES)
        if threshold_mode == "auto":
            threshold = self.auto_threshold
        pins = parse_pins(pinned)
        partition = cluster_prompts(
            self.prompts, self.embeddings, threshold=threshold, max_group_size=max_group_size, pins=pins
        )
        return groups_payload(self.prompts, self.embeddings, partition, threshold)


class GroupingCache:
    """The embedded prompts of the last runs; runs and pages use it from different threads."""

    def __init__(self) -> None:
        self._runs: OrderedDict[str, EmbeddedPrompts] = OrderedDict()
        self._lock = Lock()

    def keep(self, embedded: EmbeddedPrompts) -> str:
        """Keep a run, and forget those that were not used for longest where there are too many.

        Returns:
            The key to recall it by.
        """
        key = embedded.key
        with self._lock:
            self._runs[key] = embedded
            self._runs.move_to_end(key)
            while len(self._runs) > 1 and (len(self._runs) > _MOST_RUNS or self._bytes() > _MOST_BYTES):
                self._runs.popitem(last=False)
        return key

    def recall(self, key: str) -> EmbeddedPrompts | None:
        """A run by its key; None where it is forgotten."""
        with self._lock:
            if key in self._runs:
                self._runs.move_to_end(key)
            return self._runs.get(key)

    def _bytes(self) -> int:
        """Of all embeddings."""
        return sum(embedded.embeddings.nbytes for embedded in self._runs.values())


GROUPING_CACHE = GroupingCache()


def panel_payload(groups: PromptGroups, settings: dict[str, Any]) -> dict[str, Any]:
    """What the page needs to show a run's groups and to ask for other ones; the prompts are kept for that.

    Args:
        groups: of the run; `auto_threshold` is known.
        settings: the arguments of `EmbeddedPrompts.preview` that made them.

    Returns:
        too_many: the number of prompts, alone, where the list is too long for a panel. Otherwise: key, prompts and
        settings; labels, a short text per prompt that tells it from the others; grouping, see `groups_payload`; tree,
        see `dendrogram`.
    """
    prompts = groups.prompts
    if len(prompts) > _MOST_PROMPTS or sum(map(len, prompts)) > _MOST_CHARACTERS:
        return {"too_many": len(prompts)}
    assert groups.auto_threshold is not None
    embedded = EmbeddedPrompts(prompts, groups.embeddings, groups.auto_threshold, groups.set_aside)
    key = GROUPING_CACHE.keep(embedded)
    return _payload(
        key, embedded, settings, groups_payload(prompts, groups.embeddings, groups.partition, groups.threshold)
    )


def cached_payload(key: str, settings: dict[str, Any]) -> dict[str, Any] | None:
    """What `panel_payload` gave for a run, made again; None where the run is forgotten."""
    embedded = GROUPING_CACHE.recall(key)
    return None if embedded is None else _payload(key, embedded, settings, embedded.preview(**settings))


def _payload(key: str, embedded: EmbeddedPrompts, settings: dict[str, Any], grouping: dict[str, Any]) -> dict[str, Any]:
    """The panel's data, see `panel_payload`."""
    tree = dendrogram(embedded.prompts, embedded.embeddings)
    return {
        "key": key, "prompts": embedded.prompts, "labels": labels(embedded.prompts, _LABEL, embedded.set_aside),
        "settings": settings, "grouping": grouping, "tree": tree,
    }  # fmt: skip


def dendrogram(prompts: tuple[str, ...], embeddings: np.ndarray) -> dict[str, Any] | None:
    """How complete linkage joins the distinct prompts, whatever the settings, as plain data.

    Args:
        embeddings: (N, D), unit rows.

    Returns:
        leaves: the index of each distinct prompt (of equal ones the first), from left to right; of prompts that are one
        leaf, the first. sizes: the prompts of each leaf. merges: of every cluster the first and the last leaf, and the
        similarity of its loosest pair; larger clusters come before those in them. None where there is nothing to join.
    """
    first = first_indices(prompts)
    if len(first) < 2:
        return None
    rows = [first[text] for text in sorted(first)]  # `cluster_prompts` groups them in this order
    clusters = [({rows[at] for at in cluster}, loosest) for cluster, loosest in Dendrogram(embeddings[rows]).clusters()]
    clusters.sort(key=lambda cluster: cluster[1])  # stable: the larger ones still come first
    drawn, joined = clusters[: _MOST_LEAVES - 1], clusters[_MOST_LEAVES - 1 :]
    leaf_of = {row: row for row in rows}
    for cluster, _ in reversed(joined):
        leaf_of |= dict.fromkeys(cluster, min(cluster))
    sizes = Counter(leaf_of.values())
    # Leaves are sorted by the first prompts of the clusters around them, so that a cluster's leaves are neighbours.
    firsts = [(cluster, min(cluster)) for cluster, _ in drawn]
    leaves = sorted(sizes, key=lambda row: [*(least for cluster, least in firsts if row in cluster), row])
    place = {row: at for at, row in enumerate(leaves)}
    spans = [(sorted(place[leaf_of[row]] for row in cluster), loosest) for cluster, loosest in drawn]
    return {
        "leaves": leaves,
        "sizes": [sizes[row] for row in leaves],
        "merges": [(span[0], span[-1], loosest) for span, loosest in spans],
    }


def groups_payload(
    prompts: tuple[str, ...], embeddings: np.ndarray, partition: Partition, threshold: float
) -> dict[str, Any]:
    """A partition as plain data.

    Returns:
        threshold: the one it was made with. share, saved: the fraction of the steps that is shared by default, and the
        fraction of the evaluations that this saves. groups: the members, colour, and similarity of the tightest and the
        loosest pair of each. colours: of groups by number, from the first again after the last.
    """
    groups = []
    for number, members in enumerate(partition):
        tightest, loosest = similarity_range(embeddings, members)
        colour = hex_colour(number, len(members))
        groups.append({"members": members, "colour": colour, "tightest": tightest, "loosest": loosest})
    saved = predicted_saving(prompts, len(partition), share=SHARE)
    return {"threshold": threshold, "share": SHARE, "saved": saved, "groups": groups, "colours": list(HEX_COLOURS)}
