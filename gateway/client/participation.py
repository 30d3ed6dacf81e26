"""Taking part in a sum that nobody sees into: join, answer until it is done, and leave nothing of it behind.

The server hands out the keys of the others, so a server that lies could fill a bucket with members of its own
invention. What can be looked at here is: how many there are, that they are different, that this installation is one of
them under its own key, that no sum of fewer than so many is asked for; and afterwards that the bucket was drawn as the
server had committed itself to. A session is begun once: that it was is written down before anything is said in it.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from federation.errors import SwarmError
from gateway.client.errors import (
    AnswerError,
    ClientError,
    ParticipationError,
    RateLimitedError,
    RefusedError,
    ServerFailedError,
    TermsError,
    UnreachableError,
)
from gateway.client.outbox import STALE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from federation.privacy.secure import SecureClient, SecureTerms
    from federation.privacy.secure.messages import FromClient
    from gateway.client.client import FederationClient
    from gateway.client.delta import Delta

FILE = "secure.json"
LOCK = "participation"
WAIT_S = 20.0
"""How long a question for mail may stay open; the server takes 25 s at most."""
PAUSE_S = 2.0
"""After a failure to reach the server."""
LONGEST_S = 3600.0
"""How long the end is waited for after the roster has closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParticipationSettings:
    """What an installation insists on.

    Attributes:
        members: of a bucket, at least.
        rows: in a sum that it helps to unmask, at least.
        patience_s: how long it waits for the round, and then for its sum.
    """

    members: int = 8
    rows: int = 5
    patience_s: float = 6 * 3600.0 + LONGEST_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Participated:
    """What came of taking part.

    Attributes:
        status: ``done``, ``failed`` where the bucket gave no sum, ``nothing`` where there was nothing to tell.
        round: that it was for.
        keys: patterns in the row.
        members: in the bucket's sum.
        code: why it failed, as the server says.
        drawn: whether the bucket was drawn as the server had committed itself to; None where it was not told.
    """

    status: str
    round: int | None = None
    keys: int = 0
    members: int = 0
    code: str = ""
    drawn: bool | None = None


def take_part(
    client: FederationClient,
    settings: ParticipationSettings | None = None,
    *,
    clock: Callable[[], float],
    draw: Callable[[int], bytes],
    sleep: Callable[[float], None] = time.sleep,
) -> Participated:
    """Take part in the secret sums of the open round: join, and answer until its sum is done.

    For a federation that sees no single delta. It takes until the round is over, and the installation has to be there
    for that long; other commands go on meanwhile. What `extract_delta` gives is told as a row among the others'.

    Raises:
        ConsentError, NotRegisteredError, QuarantinedError: before anything is told.
        TermsError: for a sum that is not what ``settings`` insist on; nothing of the row was told.
        ParticipationError: when a session of the round was begun before, or its end is not heard of.
        ClientError: as the server answers otherwise.
    """
    client.account.agreed("taking part")
    with client.folder.locked(LOCK, wait_s=0):
        part = Participation(client, settings or ParticipationSettings(), clock=clock, draw=draw, sleep=sleep)
        if client.load().held is not None:
            try:
                return part.run(client.extract_delta())
            except RefusedError as error:
                if error.reason not in STALE:
                    raise
        # The server goes by another release than the one that is held, if any is.
        client.pull(anew=True)
        client.hot_swap()
        return part.run(client.extract_delta())


class Participation:
    """One installation in the sums of one round.

    Args:
        client: the installation.
        settings: what it insists on.
        clock: Unix time.
        sleep: waits for so many seconds.
        draw: makes so many random bytes.
    """

    def __init__(
        self,
        client: FederationClient,
        settings: ParticipationSettings,
        *,
        clock: Callable[[], float],
        draw: Callable[[int], bytes],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client, self._settings = client, settings
        self._clock, self._draw, self._sleep = clock, draw, sleep
        self._terms: Mapping[str, Any] = {}
        self._member: SecureClient | None = None
        self._row: NDArray[np.float64] | None = None

    def run(self, delta: Delta) -> Participated:
        """Join the round that is open, and answer until its sum is done.

        Raises:
            TermsError: for a session that is not what this installation takes part in.
            ParticipationError: when it began a session of this round before, or the end does not come in time.
            ClientError: as the server answers.
        """
        if not delta.says_anything:
            return Participated(status="nothing")
        self._row = self._encoded(delta)
        number = self._joined(delta)
        until, after = self._clock() + self._settings.patience_s, 0
        while self._clock() < until:
            found = self._patiently(partial(self._mail, number, after, until))
            if not found["joined"]:
                raise ParticipationError(round=number, found="the server no longer knows of it")
            for letter in found["letters"]:
                after = letter["number"]
                if letter["kind"] == "end":
                    return self._ended(letter["body"], number, len(delta.weights))
                self._answered(letter["kind"], letter["body"], delta, number)
        raise ParticipationError(round=number, found=f"no end after {self._settings.patience_s:g} s")

    def _joined(self, delta: Delta) -> int:
        import rfc8785

        client = self._client
        number = client.protocol.health().get("currentRound")
        if not isinstance(number, int) or isinstance(number, bool) or number < 1:
            raise AnswerError(found="no currentRound", needed="the number of the open round")
        begun = client.folder.get(FILE)[0]
        if isinstance(begun, dict) and begun.get("round") == number:
            raise ParticipationError(round=number, found="a session of it was begun before, and not ended")
        identity, standing = client.account.identity, client.account.agreed("taking part")
        request = {
            "clientId": standing.client,
            "round": number,
            "baseVersion": delta.base_version,
            "nonce": self._draw(16).hex(),
        }
        request["signature"] = identity.sign(rfc8785.dumps(request))
        self._patiently(
            lambda: client.account.call("taking part", lambda session: client.protocol.join(session, request))
        )
        return number

    def _mail(self, number: int, after: int, until: float) -> Mapping[str, Any]:
        wait = max(min(WAIT_S, self._client.settings.timeout_s / 2, until - self._clock()), 0.0)
        return self._client.account.call(
            "taking part", lambda session: self._client.protocol.mail(session, number, after=after, wait_s=wait)
        )

    def _answered(self, kind: str, body: str, delta: Delta, number: int) -> None:
        from federation.privacy.secure import to_wire

        try:
            answer = self._begun(body, delta, number) if kind == "terms" else self._handled(kind, body)
        except ClientError:
            raise
        except SwarmError as error:
            found = f"a message {kind} that is none of an honest session ({error.code})"
            raise TermsError(found=found, needed="one that can be answered") from error
        wire = to_wire(answer)
        try:
            self._patiently(
                lambda: self._client.account.call(
                    "taking part", lambda session: self._client.protocol.answer(session, number, wire)
                )
            )
        except RefusedError as error:
            if error.reason != "SECURE_LATE":
                raise
            # Too late for this stage: the end says what came of it.

    def _begun(self, body: str, delta: Delta, number: int) -> FromClient:
        from federation.identity import Secret, SigningKey
        from federation.privacy.secure import SecureClient

        if self._member is not None:
            raise TermsError(found="terms twice", needed="one session a round")
        client = self._client
        identity, agent = client.account.identity, client.account.standing.client or ""
        key = SigningKey.of(Secret(identity.seed))
        terms, identities, told = _read(body)
        self._check(terms, identities, agent, key.public, number, delta)
        assert self._row is not None
        # Before a word is said: whoever is killed after this sits the round out.
        client.folder.put(FILE, {"round": number})
        self._terms = told
        self._member, keys = SecureClient.start(
            terms, agent=agent, row=self._row, key=key, identities=identities, secret=Secret(self._draw(32))
        )
        return keys

    def _handled(self, kind: str, body: str) -> FromClient:
        from federation.privacy.secure import KeyRing, ReceivedShares, UnmaskRequest, from_wire

        message = from_wire(body.encode())
        if self._member is None or not isinstance(message, KeyRing | ReceivedShares | UnmaskRequest):
            raise TermsError(found=f"a message {kind[:16]} before any terms", needed="terms first")
        self._member, answer = self._member.handle(message)
        return answer

    def _encoded(self, delta: Delta) -> NDArray[np.float64]:
        """The row of a delta, to the release that is held now."""
        from gateway.client.delta import base_row
        from workloads.patterns import row_of
        from workloads.patterns.buckets import addend

        space, held = self._client.space, self._client.load().held
        if held is None or held.version != delta.base_version:
            raise ParticipationError(round=0, found="the release that its changes are to is not held")
        found = row_of(delta.weights, base=base_row(held, space), space=space, round_number=0)
        return addend(found.row, keys=len(space.keys))

    def _check(
        self,
        terms: SecureTerms,
        identities: Mapping[str, bytes],
        agent: str,
        public: bytes,
        number: int,
        delta: Delta,
    ) -> None:
        from workloads.patterns.buckets import ADDEND_LIMIT, addend_dimension

        wanted, size = self._settings, len(terms.circle)
        dimension = addend_dimension(len(self._client.space.keys))
        version = terms.run.rpartition(":")[2]
        checks = (
            (terms.round == number, f"round {terms.round}", f"{number}"),
            (version == delta.base_version, f"base {version[:32]}", f"{delta.base_version}"),
            (size >= wanted.members, f"{size} members", f"{wanted.members} or more"),
            (terms.smallest >= wanted.rows, f"sums of {terms.smallest} rows", f"{wanted.rows} or more"),
            (2 * terms.smallest > size, f"sums of {terms.smallest} of {size}", "more than half"),
            (2 * terms.threshold > terms.degree, f"{terms.threshold} of {terms.degree} shares", "more than half"),
            (terms.dimension == dimension, f"rows of {terms.dimension}", f"{dimension}"),
            (terms.form.limit == ADDEND_LIMIT and terms.form.bits == 32, "other numbers", "32 bits within 1"),
            (terms.form.members >= size, f"room for {terms.form.members} rows", f"{size}"),
            (identities.keys() == set(terms.circle), "keys of others", "a key for each member"),
            (len(set(identities.values())) == size, "a key twice", "different ones"),
            (identities.get(agent) == public, "another key in this installation's place", "its own"),
        )
        for right, found, needed in checks:
            if not right:
                raise TermsError(found=found, needed=needed)

    def _ended(self, body: str, number: int, keys: int) -> Participated:
        self._client.folder.put(FILE, {"round": number})
        try:
            told = json.loads(body)
        except (ValueError, RecursionError):
            told = None
        if not isinstance(told, dict):
            raise AnswerError(found="an end that is no JSON object", needed="a JSON object")
        code = str(told.get("code", ""))[:64]
        members = told.get("members")
        return Participated(
            status="failed" if code else "done",
            round=number,
            keys=keys,
            members=members if isinstance(members, int) else 0,
            code=code,
            drawn=self._drawn(told, number),
        )

    def _drawn(self, told: Mapping[str, Any], number: int) -> bool | None:
        """Whether the secret is the one that was committed to, and gives the members' order."""
        from federation.identity import Secret
        from federation.privacy.secure import draw_commitment, in_order

        secret = told.get("secret")
        if self._member is None or not isinstance(secret, str):
            return None
        try:
            seed = Secret(bytes.fromhex(secret))
        except (ValueError, SwarmError):
            return False
        terms = self._member.terms
        run = terms.run.rsplit(":", 2)[0]
        promised = draw_commitment(seed, run=run, round=number) == self._terms.get("commitment")
        return promised and in_order(terms.circle, run=terms.run, round=number, seed=seed)

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        """What the server answers; where it is away for a moment it is asked again."""
        for _ in range(5):
            try:
                return ask()
            except (UnreachableError, ServerFailedError) as error:
                wait = error.fields.get("retry_after_s") or PAUSE_S
            except RateLimitedError as error:
                wait = error.fields.get("retry_after_s") or PAUSE_S
            self._sleep(min(float(wait), 60.0))
        return ask()


def _read(body: str) -> tuple[SecureTerms, dict[str, bytes], Mapping[str, Any]]:
    """Terms, members' keys, and what else was told with them."""
    from federation.privacy.secure import SecureTerms, from_wire

    try:
        found = json.loads(body)
        terms = from_wire(found["terms"].encode())
        keys = {str(name): base64.b64decode(key, validate=True) for name, key in found["identities"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise TermsError(found=type(error).__name__, needed="terms and the members' keys") from error
    if not isinstance(terms, SecureTerms) or any(len(key) != 32 for key in keys.values()):
        raise TermsError(found="no terms, or keys of another length", needed="terms and keys of 32 bytes")
    return terms, keys, found
