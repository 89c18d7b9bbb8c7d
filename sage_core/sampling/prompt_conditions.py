"""What a guider is conditioned on, cluster by cluster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from ..conditioning.combine import Conditioning
from ..conditioning.shelf import all_extras
from ..grouping.partition import Cluster
from ..grouping.prompt_groups import PromptGroups

# Extras of a positive prompt that ComfyUI gives the negative one too.
_REACH_NEGATIVE = {"area", "control", "gligen", "set_area_to_bounds"}

# The conditionings of one run by the names that its guider gives them: "positive", "negative" and others.
Conditions = dict[str, Conditioning]


@dataclass(frozen=True)
class PromptConditions:
    """The conditionings of all prompts of some groups; the groups have the positive ones.

    Attributes:
        groups: of the prompts.
        common: those that are the same for all prompts, by name.
        own: the others, by name: one per prompt.
    """

    groups: PromptGroups
    common: Mapping[str, Conditioning]
    own: Mapping[str, Sequence[Conditioning]] = field(default_factory=dict)

    @property
    def negatives_differ(self) -> bool:
        """Whether the answer to the negative prompt may be another one for every prompt, in one state."""
        extras = all_extras(self.groups.conditionings)
        return bool(self.own) or any(not _REACH_NEGATIVE.isdisjoint(each) for each in extras)

    def of(self, cluster: Cluster) -> Conditions:
        """Those of a cluster: the group condition; of others than the positive one, its most central prompt's own."""
        return self._of(cluster, self.groups.condition(cluster))

    def of_reference(self, cluster: Cluster) -> Conditions:
        """Those of the run that the prompts of a cluster follow, see `PromptGroups.reference`."""
        return self._of(cluster, self.groups.reference_condition(cluster))

    def asked(self, *, negative: bool) -> PromptConditions:
        """Those that the model is asked for: the positive ones alone, or all."""
        return self if negative else PromptConditions(self.groups, {})

    def own_of(self, prompt: int) -> Conditions:
        """Those that are a prompt's own."""
        own = {name: each[prompt] for name, each in self.own.items()}
        return {"positive": self.groups.conditionings[prompt], **own}

    def of_prompts(self, groups: PromptGroups, prompts: Sequence[int]) -> PromptConditions:
        """Those of some prompts, in this order; `groups` are theirs."""
        own = {name: [each[prompt] for prompt in prompts] for name, each in self.own.items()}
        return replace(self, groups=groups, own=own)

    def _of(self, cluster: Cluster, positive: Conditioning) -> Conditions:
        central = self.groups.central(cluster) if self.own else cluster[0]
        return {"positive": positive, **self.common, **{name: each[central] for name, each in self.own.items()}}
