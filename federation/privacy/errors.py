"""What can go wrong where privacy is kept: one class for each meaning, each with its numbers."""

from __future__ import annotations

import math
from datetime import UTC, datetime

from federation.errors import SwarmError


class PrivacyBudgetError(SwarmError):
    """A release that the privacy budget does not pay for: no noise is drawn and nothing is released.

    Attributes:
        limit: ``"round"`` or ``"period"``, the budget that is too small.
        spent: epsilon spent in this period.
        asked: epsilon of the release by itself.
        total: epsilon of the period with the release in it.
        budget: epsilon that the limit allows.
        delta: the delta of all these.
        renews_at: when the period ends, in seconds since the epoch.
    """

    code = "privacy.budget"

    def __init__(
        self, *, limit: str, spent: float, asked: float, total: float, budget: float, delta: float, renews_at: float
    ) -> None:
        advice = (
            "Use more noise, a lower rate or a smaller share."
            if limit == "round"
            else f"The federation pauses until {_date(renews_at)}, when a period begins anew."
        )
        super().__init__(
            f"This release alone is epsilon = {asked:.4g}; {spent:.4g} is spent in this period, with it {total:.4g}, "
            f"and the budget of a {limit} is {budget:.4g} at delta = {delta:.3g}. {advice}",
            limit=limit,
            spent=spent,
            asked=asked,
            total=total,
            budget=budget,
            delta=delta,
            renews_at=renews_at,
        )


def _date(at: float) -> str:
    """The time in UTC to the minute; seconds where no calendar has it."""
    if not -6e10 < at < 2.5e11 or math.isnan(at):
        return f"{at:.0f} s since the epoch"
    return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M} UTC"


class PrivacyReplayError(SwarmError):
    """A release that was paid for already and is now asked for with other contents."""

    code = "privacy.replay"

    def __init__(self, *, charge: str) -> None:
        super().__init__(
            f"{charge!r} was granted before, for other contents or on other terms. Noise over a second aggregate has "
            "to be paid for: ask under a name of its own.",
            charge=charge,
        )


class UnboundedRuleError(SwarmError):
    """A rule by which one member may move the aggregate by more than can be stated beforehand."""

    code = "privacy.rule"

    def __init__(self, *, workload: str, rule: str) -> None:
        super().__init__(
            f"With privacy on, one member's share of an aggregate has to be bounded whatever the others send. That of "
            f"{rule} is not, in a swarm that learns {workload}. Use the workload's mean, or leave privacy off.",
            workload=workload,
            rule=rule,
        )


class PrivacyGrantError(SwarmError):
    """A grant that is not for the noise that is about to be drawn."""

    code = "privacy.grant"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(
            f"The grant is for {found}; the mechanism needs one for {needed}. Ask the ledger for this release.",
            found=found,
            needed=needed,
        )


class PrivacyLedgerError(SwarmError):
    """Something that is not the ledger that was written."""

    code = "privacy.ledger"

    def __init__(self, *, found: str) -> None:
        super().__init__(
            f"This is no privacy ledger ({found}). Nothing is released on it: restore the last one that was written. "
            "Starting anew would forget what is spent.",
            found=found,
        )


class SecureParametersError(SwarmError):
    """A bucket for which no neighbourhood and threshold are safe and sound at once."""

    code = "secure.parameters"

    def __init__(self, *, members: int, liars: int, dropped: int, needed: int) -> None:
        super().__init__(
            f"A bucket of {members} members cannot bear {liars} liars and {dropped} drop-outs: that takes "
            f"{needed} members. Use larger buckets or a smaller bound.",
            members=members,
            liars=liars,
            dropped=dropped,
            needed=needed,
        )


class SecureThresholdError(SwarmError):
    """A stage of secure aggregation that too few members reached. The bucket gives no sum."""

    code = "secure.threshold"

    def __init__(self, *, bucket: str, stage: str, found: int, needed: int, members: int) -> None:
        super().__init__(
            f"In bucket {bucket}, stage {stage}, {found} are there of {members} and {needed} are needed. "
            "The bucket is left out; start its members again, or bear more drop-outs with larger buckets.",
            bucket=bucket,
            stage=stage,
            found=found,
            needed=needed,
            members=members,
        )


class SecureStageError(SwarmError):
    """A message that does not belong to the stage, the session or the member it came in."""

    code = "secure.stage"

    def __init__(self, *, agent: str, stage: str, found: str) -> None:
        super().__init__(
            f"{agent} is in stage {stage} and cannot take {found}. Drop the message; the session is unchanged.",
            agent=agent,
            stage=stage,
            found=found,
        )


class SecureMessageError(SwarmError):
    """Bytes that are no message of a secure sum."""

    code = "secure.message"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(
            f"Found {found}, needed {needed}. Nothing was taken in; send messages as `to_wire` writes them.",
            found=found,
            needed=needed,
        )


class KeyReplayError(SwarmError):
    """Keys that were not signed by this agent for this session, or that somebody else showed before."""

    code = "secure.keys"

    def __init__(self, *, agent: str, found: str) -> None:
        super().__init__(
            f"The keys of {agent} are refused: {found}. Keys are made and signed anew by their agent for each session.",
            agent=agent,
            found=found,
        )


class ShareError(SwarmError):
    """A share that is not the one that was dealt, or shares that do not make the secret that was promised.

    Attributes:
        agent: who is at fault: the member that handed in the share, or the one that dealt it.
        dealer: whose secret it is a share of.
    """

    code = "secure.share"

    def __init__(self, *, agent: str, dealer: str, found: str) -> None:
        super().__init__(
            f"{agent} handed in or dealt a wrong share of {dealer}'s secret: {found}. It is not used; the others go on "
            "while they are enough.",
            agent=agent,
            dealer=dealer,
            found=found,
        )


class MaskedRowError(SwarmError):
    """A masked row, or a bucket's sum, that fixed-point numbers of this form cannot be."""

    code = "secure.row"

    def __init__(self, *, agent: str, found: str, needed: str) -> None:
        super().__init__(
            f"{agent} gave {found}; needed {needed}. It is not added up.", agent=agent, found=found, needed=needed
        )


class UnmaskError(SwarmError):
    """A request to unmask that would show a single update. Nothing is revealed."""

    code = "secure.unmask"

    def __init__(self, *, agent: str, found: str, needed: str) -> None:
        super().__init__(
            f"{agent} does not unmask: the request has {found}; needed {needed}.",
            agent=agent,
            found=found,
            needed=needed,
        )
