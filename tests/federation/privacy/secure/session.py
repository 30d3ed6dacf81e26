"""A bucket of members and its server, run to the end with whatever goes wrong in between."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from federation.errors import SwarmError
from federation.identity import Secret, SigningKey
from federation.privacy.secure import (
    Closed,
    FixedPoint,
    FromClient,
    Outgoing,
    SecureClient,
    SecureServer,
    SecureTerms,
)

Tamper = Callable[[FromClient], FromClient]


def secret_of(seed: int, name: str) -> Secret:
    return Secret(bytes(31) + bytes([seed % 256])).derive("test", name)


@dataclass
class Session:
    """Runs one bucket.

    ``lost[stage]`` fall silent in that stage; ``tamper[agent]`` changes what it says; ``carried`` is the way between.
    """

    terms: SecureTerms
    rows: Mapping[str, NDArray[np.float64]]
    seed: int = 0
    lost: Mapping[str, Collection[str]] = field(default_factory=dict)
    tamper: Mapping[str, Tamper] = field(default_factory=dict)
    order: Callable[[list[FromClient]], list[FromClient]] = list
    carried: Callable[[Any], Any] = lambda message: message
    errors: list[SwarmError] = field(default_factory=list)
    seen: list[FromClient] = field(default_factory=list)
    clients: dict[str, SecureClient] = field(default_factory=dict)

    def run(self) -> SecureServer:
        keys = {name: SigningKey.of(secret_of(self.seed, f"identity {name}")) for name in self.terms.circle}
        identities = {name: key.public for name, key in keys.items()}
        server = SecureServer(terms=self.terms, identities=identities)
        said: list[FromClient] = []
        for name in self.terms.circle:
            self.clients[name], shown = SecureClient.start(
                self.terms,
                agent=name,
                row=self.rows[name],
                key=keys[name],
                identities=identities,
                secret=secret_of(self.seed, f"session {name}"),
            )
            said.append(shown)
        for stage in ("keys", "shares", "rows", "unmask"):
            sent: list[Outgoing] = []
            speaking = self.order([one for one in said if one.agent not in self.lost.get(stage, ())])
            for place, message in enumerate(speaking):
                last = place == len(speaking) - 1
                message = self.tamper.get(message.agent, lambda one: one)(message)
                self.seen.append(message)
                try:
                    server, out = server.handle(self.carried(message))
                    sent += out
                except SwarmError as error:
                    if stage == "unmask" and server.stage == "unmask" and last:
                        raise
                    self.errors.append(error)
            server, out = server.handle(Closed(stage=stage))
            sent += out
            said = []
            for outgoing in sent:
                try:
                    self.clients[outgoing.to], answer = self.clients[outgoing.to].handle(self.carried(outgoing.message))
                    said.append(answer)
                except SwarmError as error:
                    self.errors.append(error)
        return server


def terms_of(
    size: int = 6, *, threshold: int = 3, degree: int | None = None, smallest: int = 3, bits: int = 32
) -> SecureTerms:
    return SecureTerms(
        run="run",
        round=1,
        bucket="0",
        circle=tuple(f"a{place:03d}" for place in range(size)),
        degree=size - 1 if degree is None else degree,
        threshold=threshold,
        dimension=5,
        form=FixedPoint(limit=4.0, members=size, bits=bits),
        smallest=smallest,
    )


def rows_of(terms: SecureTerms, seed: int = 0) -> dict[str, NDArray[np.float64]]:
    rng = np.random.default_rng(seed)
    return {name: rng.uniform(-4, 4, terms.dimension) for name in terms.circle}
