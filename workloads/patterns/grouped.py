"""Pattern weights in rounds whose rows are groups of clients: what streaming doors bring."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace

from federation.compression import RawCodec
from federation.errors import SettingError
from federation.privacy import UnboundedRuleError
from federation.protection import Protection
from federation.rules import Mean
from workloads.patterns.rule import PatternRule
from workloads.patterns.screen import PatternScreen
from workloads.patterns.streaming import Streaming
from workloads.patterns.workload import PatternsWorkload


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupedPatternsWorkload(PatternsWorkload):
    """`PatternsWorkload` for a federation that streams: rows are of groups, rule and screen run across them.

    Clients are screened, shortened and capped as they are folded (`Streaming`). A lossy codec would lose the counts
    that stand in the rows, so there is none.
    """

    def __post_init__(self) -> None:
        # Not super(): dataclasses with slots are made anew, and its cell still holds the class before.
        PatternsWorkload.__post_init__(self)
        if not isinstance(self.codec, RawCodec):
            needed = "the raw codec: rows of groups hold counts, which another one would round"
            raise SettingError(name="codec", found=self.codec.name, needed=needed)

    @classmethod
    def of(cls, workload: PatternsWorkload) -> GroupedPatternsWorkload:
        """The same workload for groups."""
        return cls(**{field.name: getattr(workload, field.name) for field in fields(PatternsWorkload)})

    @property
    def rule(self) -> PatternRule:
        """Across groups; theirs are no clients' norms any more, so none is clipped."""
        return replace(_clients(self).rule, grouped=True, max_norm=math.inf)

    @property
    def screen(self) -> PatternScreen:
        """The anomaly filter, over groups. How many clients a round needs is asked of their sum, not of their rows."""
        return replace(_clients(self).screen, min_participants=1)

    @property
    def norm_cap(self) -> float:
        """The longest row of a group that there can be."""
        return math.sqrt(self.keys * (5 + 6))

    def protection(self, *, radius: float) -> Protection:
        """Nothing: noise is made for rows of one client each, and a group's row has no bounded member.

        Raises:
            UnboundedRuleError: always.
        """
        del radius
        raise UnboundedRuleError(workload=self.kind, rule="streaming in groups")

    def streaming(self, groups: int) -> Streaming:
        """How submissions are folded into so many groups."""
        clients = _clients(self)
        return Streaming(
            screen=replace(clients.screen, min_participants=1),
            groups=groups,
            share_cap=self.inner.share_cap if isinstance(self.inner, Mean) else Mean().share_cap,
            max_norm=clients.rule.max_norm,
            most_flagged=self.rounds.review_above,
        )


def _clients(workload: PatternsWorkload) -> PatternsWorkload:
    """The same workload with a row for each client."""
    return PatternsWorkload(**{field.name: getattr(workload, field.name) for field in fields(PatternsWorkload)})
