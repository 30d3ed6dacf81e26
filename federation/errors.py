"""Everything that can go wrong in a round, one class for each meaning.

Each error states what was found, what was needed and what to do; carries its numbers as
attributes; has a ``code`` that never changes once released; and survives pickling, so that it
crosses process boundaries whole. A deleted code is never given to another meaning.
"""

from __future__ import annotations

from typing import Any, ClassVar


class SwarmError(Exception):
    """The base of every error that swarmlore raises on purpose.

    Attributes:
        code: stable dotted name of the meaning, for programs.
        fields: the keyword arguments that rebuild this error.
    """

    code: ClassVar[str] = "swarm.error"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.fields = fields

    def __getattr__(self, name: str) -> Any:
        if name != "fields" and name in self.__dict__.get("fields", {}):
            return self.fields[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.fields)

    def to_dict(self) -> dict[str, Any]:
        """The error as plain data that JSON takes: code, message and fields."""
        return {"code": self.code, "message": str(self), **{name: _data(value) for name, value in self.fields.items()}}


def _data(value: Any) -> Any:
    """The value itself where JSON has it, its repr where not."""
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, tuple | list):
        return [_data(part) for part in value]  # pyright: ignore[reportUnknownVariableType]
    return repr(value)


def _rebuild(kind: type[SwarmError], fields: dict[str, Any]) -> SwarmError:
    return kind(**fields)


class RuleBoundError(SwarmError):
    """A rule cannot keep its promise with so few updates for so many faults."""

    code = "rule.bound"

    def __init__(self, *, rule: str, n: int, f: int, needed: int, bound: str) -> None:
        super().__init__(
            f"{rule} needs {bound}, that is {needed} updates to tolerate f = {f} liars; {n} are there. "
            f"Enrol more agents, lower the fault bound, or choose a rule with a weaker bound.",
            rule=rule,
            n=n,
            f=f,
            needed=needed,
            bound=bound,
        )


class FaultBoundError(SwarmError):
    """A fault bound that no rule can hold for so many agents."""

    code = "round.fault_bound"

    def __init__(self, *, n: int, f: int) -> None:
        super().__init__(
            f"A fault bound of f = {f} needs more than 3f = {3 * f} agents for a quorum of n - f; {n} are enrolled. "
            f"The largest bound for {n} agents is {max((n - 1) // 3, 0)}.",
            n=n,
            f=f,
        )


class UpdatesError(SwarmError):
    """A matrix of updates that no rule can take: wrong shape, dtype, or not finite."""

    code = "rule.updates"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(f"Found {found}; needed {needed}.", found=found, needed=needed)


class WeightsError(SwarmError):
    """Weights that do not fit the updates: wrong length, negative, not finite, or all zero."""

    code = "rule.weights"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(f"Found weights {found}; needed {needed}.", found=found, needed=needed)


class SettingError(SwarmError):
    """A setting outside of what it may be."""

    code = "config.setting"

    def __init__(self, *, name: str, found: object, needed: str) -> None:
        super().__init__(f"{name} is {found!r}; it must be {needed}.", name=name, found=found, needed=needed)


class CodecError(SwarmError):
    """A payload that its codec did not write. ``rows`` are the bad ones; empty when the whole is bad."""

    code = "codec.payload"

    def __init__(self, *, codec: str, found: str, needed: str, rows: tuple[int, ...] = ()) -> None:
        where = f" in rows {list(rows[:8])}" if rows else ""
        super().__init__(
            f"A {codec} payload has {found}{where}; needed {needed}. Drop the payload, or the rows named.",
            codec=codec,
            found=found,
            needed=needed,
            rows=rows,
        )


class ProofError(SwarmError):
    """Something that is not an equivocation proof."""

    code = "identity.proof"

    def __init__(self, *, found: str) -> None:
        super().__init__(
            f"This is no equivocation proof ({found}). It needs run, round, kind, base, agent, and two digests "
            f"and two signatures in hex.",
            found=found,
        )


class BatchError(SwarmError):
    """Something that is not a batch of updates."""

    code = "gate.malformed"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(f"The batch holds {found}; needed {needed}.", found=found, needed=needed)


class QuorumError(SwarmError):
    """A round that ended without enough valid updates."""

    code = "round.quorum"

    def __init__(self, *, round: int, valid: int, quorum: int, n: int, f: int, refused: int, missing: int) -> None:
        super().__init__(
            f"Round {round} has {valid} valid updates and needs n - f = {n} - {f} = {quorum}: {refused} were refused, "
            f"{missing} did not arrive. Restore the missing hosts, extend the deadline, or enrol more agents.",
            round=round,
            valid=valid,
            quorum=quorum,
            n=n,
            f=f,
            refused=refused,
            missing=missing,
        )


class RoundAbortedError(SwarmError):
    """A round that was stopped on purpose."""

    code = "round.aborted"

    def __init__(self, *, round: int, reason: str) -> None:
        super().__init__(f"Round {round} was stopped: {reason}", round=round, reason=reason)


class ReviewError(SwarmError):
    """A round in which so many updates stand out that somebody has to look at them before they count."""

    code = "round.mass_anomaly"

    def __init__(
        self, *, round: int, flagged: int, received: int, share: float, bound: int, agents: tuple[str, ...]
    ) -> None:
        named = tuple(agents)  # a list where it comes out of the journal
        super().__init__(
            f"Round {round} was stopped: {flagged} of {received} updates stand out; at most {100 * share:g} % and "
            f"{bound}, the fault bound, may. They are to be looked at before they count. Worst first: "
            f"{', '.join(named)}",
            round=round,
            flagged=flagged,
            received=received,
            share=share,
            bound=bound,
            agents=named,
        )


class TransitionError(SwarmError):
    """An event that cannot happen in the phase that a round is in: a fault of the program, not of an agent."""

    code = "round.transition"

    def __init__(self, *, round: int, phase: str, event: str, story: tuple[str, ...]) -> None:
        super().__init__(
            f"Round {round} is in phase {phase} and cannot take {event}. What came before: {', '.join(story)}.",
            round=round,
            phase=phase,
            event=event,
            story=story,
        )


class ReleaseError(SwarmError):
    """A release that must not be applied: its digest, signature or parent is not what it should be."""

    code = "release.invalid"

    def __init__(self, *, version: int, found: str, needed: str) -> None:
        super().__init__(
            f"Release {version} is not applied: found {found}; needed {needed}. The last good release stays in force.",
            version=version,
            found=found,
            needed=needed,
        )


class AdaptationError(SwarmError):
    """A policy that chose something that is not an adaptation."""

    code = "agent.adaptation"

    def __init__(self, *, chosen: int, known: int) -> None:
        super().__init__(
            f"The policy chose action {chosen}; adaptations are numbered 0 to {known - 1}. "
            f"Use a workload whose number of actions is {known}.",
            chosen=chosen,
            known=known,
        )


class PortError(SwarmError):
    """An action for which an agent was given no port."""

    code = "agent.port"

    def __init__(self, *, action: str, port: str) -> None:
        super().__init__(
            f"{action} was planned, and the agent has no {port}. Give its loop one, or do not watch for what asks "
            "for it.",
            action=action,
            port=port,
        )


class ArtefactError(SwarmError):
    """Bytes that are no artefact of the workload they were given to."""

    code = "release.artefact"

    def __init__(self, *, kind: str, found: str) -> None:
        super().__init__(
            f"This is no artefact of a {kind} release ({found}). It must be a safetensors file as `pack` writes it, "
            "of the workload's own shape, with finite values.",
            kind=kind,
            found=found,
        )


class ExperienceError(SwarmError):
    """Experiences that do not fit the policy, or each other."""

    code = "gradients.experience"

    def __init__(self, *, found: str, needed: str) -> None:
        super().__init__(f"Found {found} in experiences; needed {needed}.", found=found, needed=needed)


class ExperienceLineError(SwarmError):
    """A line of the user's experiences that cannot be read, where every line has to be."""

    code = "gradients.line"

    def __init__(self, *, file: str, line: int, reason: str) -> None:
        super().__init__(
            f"{file}, line {line}: {reason}. Correct it, or read without strict to skip and count such lines.",
            file=file,
            line=line,
            reason=reason,
        )


class ExtraError(SwarmError):
    """A package that only an optional extra brings."""

    code = "install.extra"

    def __init__(self, *, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs {package}, which is not installed. Install it with: pip install 'swarmlore[{extra}]'",
            package=package,
            extra=extra,
            purpose=purpose,
        )


class NoOpenRoundError(SwarmError):
    """An aggregator that is asked about a round and has none open: it was restarted since."""

    code = "round.not_open"

    def __init__(self, *, asked: str) -> None:
        super().__init__(
            f"The aggregator was asked to {asked} and has no round open. Give it the terms again, then ask again.",
            asked=asked,
        )
