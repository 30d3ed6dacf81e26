"""How a window's clients are drawn into buckets, and how a bucket's session goes on: functions of values.

Nothing here reads a clock, a storage or a random number. A session is the state machine of
`federation.privacy.secure.SecureServer` with a deadline for each stage. What it has taken in, in that order, makes the
same session again, so whoever is killed between two messages goes on from what is written down.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from actors.secure import SecureConfig
from actors.storage import Join, StoredAnswer, StoredBucket, StoredLetter
from federation.errors import SwarmError
from federation.identity import Secret
from federation.privacy.errors import SecureStageError
from federation.privacy.secure import (
    Closed,
    FromClient,
    KeyRing,
    Outgoing,
    ReceivedShares,
    SecurePlan,
    SecureServer,
    SecureTerms,
    UnmaskRequest,
    draw_commitment,
    from_wire,
    roster_digest,
    to_wire,
)
from gateway.federation.secure_words import KINDS, TOO_FEW, run_of

CLOSED = "closed."
"""Before the name of a stage whose deadline has passed, where answers are written down."""

NUMBERS: Mapping[type, tuple[int, str]] = {
    KeyRing: (2, "ring"),
    ReceivedShares: (3, "shares"),
    UnmaskRequest: (4, "unmask"),
}
TERMS, END = (1, "terms"), (5, "end")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """A window's draw.

    Attributes:
        buckets: that are opened.
        letters: the first ones: terms, or that there are too few.
        facts: what is told of it.
    """

    buckets: tuple[StoredBucket, ...]
    letters: tuple[StoredLetter, ...]
    facts: Mapping[str, object]


def drawn(joins: Sequence[Join], *, window: int, run: str, plan: SecurePlan, secret: Secret, deadline: float) -> Drawn:
    """Buckets of those who take part: of one region and one base each, in the order that the secret gives.

    Where fewer than a bucket's size share a region and a base, they are told that there are too few.
    """
    parts: dict[tuple[str, str | None], list[Join]] = {}
    for join in joins:
        parts.setdefault((join.region, join.base_version), []).append(join)
    roster = roster_digest(join.client for join in joins)
    facts: dict[str, object] = {
        "commitment": draw_commitment(secret, run=run, round=window),
        "roster": roster,
        "joined": len(joins),
    }
    buckets: list[StoredBucket] = []
    letters: list[StoredLetter] = []
    for (region, base), mine in sorted(parts.items(), key=lambda item: (item[0][0], item[0][1] or "")):
        if len(mine) < plan.size:
            found = {"code": TOO_FEW, "found": len(mine), "needed": plan.size}
            letters += [_letter(one.client, END, found) for one in mine]
            continue
        keys = {one.client: one.public_key for one in mine}
        first = sum(one.region == region for one in buckets)
        sessions = plan.sessions(sorted(keys), run=run_of(run, region, base), round=window, seed=secret)
        for place, terms in enumerate(sessions, first):
            identities = {client: base64.b64encode(keys[client]).decode() for client in terms.circle}
            bucket = StoredBucket(
                id=f"{window}.{region}.{place:04d}",
                window=window,
                region=region,
                base_version=base,
                members=len(terms.circle),
                deadline=deadline,
                terms=to_wire(terms),
                identities=identities,
            )
            buckets.append(bucket)
            told = {
                "terms": to_wire(terms).decode(),
                "identities": identities,
                "commitment": facts["commitment"],
                "roster": roster,
            }
            letters += [_letter(client, TERMS, told) for client in sorted(terms.circle)]
    facts["buckets"] = len(buckets)
    return Drawn(buckets=tuple(buckets), letters=tuple(letters), facts=facts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A bucket under way. A value.

    Attributes:
        bucket: as it is stored.
        server: the state machine.
        places: how many events it has taken in.
    """

    bucket: StoredBucket
    server: SecureServer
    places: int = 0

    @classmethod
    def of(cls, bucket: StoredBucket, taken_in: Sequence[StoredAnswer] = ()) -> Session:
        """The session of an open bucket, with what it has taken in, in that order."""
        terms = from_wire(bucket.terms or b"")
        assert isinstance(terms, SecureTerms)
        identities = {client: base64.b64decode(key) for client, key in bucket.identities.items()}
        server = SecureServer(terms=terms, identities=identities)
        for answer in taken_in:
            server, _ = server.handle(_event(answer, server))
        return cls(bucket=bucket, server=server, places=len(taken_in))

    @property
    def stage(self) -> str:
        """What it waits for."""
        return self.server.stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """How a session went on.

    Attributes:
        session: as it is now.
        taken: what it took in, each with its place.
        refused: answers that it did not, and why.
        letters: that follow from it.
    """

    session: Session
    taken: tuple[tuple[int, StoredAnswer], ...] = ()
    refused: tuple[tuple[StoredAnswer, str], ...] = ()
    letters: tuple[StoredLetter, ...] = field(default=(), repr=False)

    @property
    def anything(self) -> bool:
        """Whether anything is to be written down."""
        return bool(self.taken or self.refused or self.session.bucket.state != "open")


def moved(
    session: Session, answers: Sequence[StoredAnswer], *, now: float, settings: SecureConfig, secret: Secret
) -> Moved:
    """The session after these answers and, where its deadline has passed, the end of its stage.

    An answer that the session does not take is refused, and the session is as it was. A stage that ends with too few,
    or an unmasking that comes to nothing, is the end of the bucket.
    """
    found = Moved(session=session)
    for answer in answers:
        found = _answered(found, answer, now=now, settings=settings)
    if found.session.stage != "done" and now >= found.session.bucket.deadline:
        stage = found.session.stage
        over = StoredAnswer(bucket=session.bucket.id, client="", kind=f"{CLOSED}{stage}", body=b"")
        try:
            found = _gone_on(found, over, *found.session.server.handle(Closed(stage=stage)), now=now, settings=settings)
        except SwarmError as error:
            return _over(found, state="failed", code=error.code, secret=secret)
    if found.session.stage == "done":
        return _over(found, state="done", code="", secret=secret)
    return found


def _answered(found: Moved, answer: StoredAnswer, *, now: float, settings: SecureConfig) -> Moved:
    server = found.session.server
    try:
        after, outgoing = server.handle(_event(answer, server))
    except SwarmError as error:
        # Where it would end the stage and the sum comes to nothing, the deadline ends it without this answer.
        return replace(found, refused=(*found.refused, (answer, error.code)))
    return _gone_on(found, answer, after, outgoing, now=now, settings=settings)


def _gone_on(
    found: Moved,
    answer: StoredAnswer,
    after: SecureServer,
    outgoing: Sequence[Outgoing],
    *,
    now: float,
    settings: SecureConfig,
) -> Moved:
    session = found.session
    bucket = session.bucket
    if after.stage != session.server.stage:
        bucket = replace(bucket, deadline=now + settings.stage_s)
    letters = [_sent(one) for one in outgoing]
    return replace(
        found,
        session=Session(bucket=bucket, server=after, places=session.places + 1),
        taken=(*found.taken, (session.places, answer)),
        letters=(*found.letters, *letters),
    )


def _over(found: Moved, *, state: str, code: str, secret: Secret) -> Moved:
    """The end: everybody hears of it, and of the secret that the draw was made with."""
    session, result = found.session, found.session.server.result
    bucket = replace(
        session.bucket,
        state=state,
        code=code,
        members=0 if result is None else len(result.members),
        total=None if result is None else result.total,
    )
    told = {"code": code, "members": bucket.members, "secret": secret.reveal().hex()}
    letters = tuple(_letter(client, END, told) for client in sorted(session.server.terms.circle))
    return replace(found, session=replace(session, bucket=bucket), letters=letters)


def _event(answer: StoredAnswer, server: SecureServer) -> FromClient | Closed:
    if not answer.client:
        return Closed(stage=answer.kind.removeprefix(CLOSED))
    message = from_wire(answer.body, dimension=server.terms.dimension)
    agent = getattr(message, "agent", None)
    if agent != answer.client or KINDS.get(answer.kind) is not type(message):
        raise SecureStageError(agent=answer.client, stage=server.stage, found=f"a {answer.kind} of somebody else")
    assert isinstance(message, FromClient)
    return message


def _sent(outgoing: Outgoing) -> StoredLetter:
    number, kind = NUMBERS[type(outgoing.message)]
    return StoredLetter(client=outgoing.to, number=number, kind=kind, body=to_wire(outgoing.message).decode())


def _letter(client: str, which: tuple[int, str], told: Mapping[str, object]) -> StoredLetter:
    number, kind = which
    return StoredLetter(client=client, number=number, kind=kind, body=json.dumps(told, sort_keys=True))
