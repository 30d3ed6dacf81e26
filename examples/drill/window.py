"""What can happen to a federation: windows that do not fill, releases that do harm, clients that are kept out."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from examples.drill.federated import CLIENTS, INTERVAL_S, REGIONS, STAGE_S, Federated, experiences
from federation.errors import SwarmError
from gateway.client import FederationClient
from gateway.client.participation import ParticipationSettings
from gateway.client.protocol import Session
from gateway.federation.lookout import CENSUS_S
from gateway.federation.settings import PREFIX, Limits

Say = Callable[[str], None]
DAY_S = 86_400.0


async def windows(federation: Federated, say: Say) -> None:
    """Go through all of it."""
    await federation.passes(INTERVAL_S + 1)
    await federation.until(lambda: federation.clerk.state.window.extended == 1, "extended its window")
    say("nobody came: the window is extended")
    await _come(federation, say)
    await _release(federation, say, "1.0.1")
    await _rolled_out(federation, say)
    await _kept_out(federation, say)
    await _release(federation, say, "1.0.2", failed=0.6)
    await _rolled_back(federation, say)
    await _mistrusted(federation, say)
    await _broken(federation, say)
    await _gone(federation, say)


async def streamed(federation: Federated, say: Say) -> None:
    """One window whose submissions are summed in groups as they come."""
    await _come(federation, say)
    await _release(federation, say, "1.0.1")


async def secured(federation: Federated, say: Say) -> None:
    """One window whose clients are summed in secret, a bucket for each region."""
    await _come(federation, say)
    await federation.all(_caught_up)
    for place, client in enumerate(federation.clients):
        await asyncio.to_thread(client.learn, experiences(place))
    asked = ParticipationSettings(members=CLIENTS // len(REGIONS), rows=4)
    with ThreadPoolExecutor(CLIENTS) as pool:
        parts = [pool.submit(client.participate, asked) for client in federation.clients]
        await federation.until(lambda: federation.storage.mail.count_joined() == CLIENTS, "heard of everybody")
        await federation.passes(INTERVAL_S + 1)
        found = [await asyncio.wrap_future(part) for part in parts]
    await federation.until(
        lambda: (newest := federation.storage.releases.latest()) is not None and newest.version == "1.0.1",
        "published 1.0.1",
    )
    say(f"{sum(one.status == 'done' for one in found)} clients summed in secret -> 1.0.1")


async def _come(federation: Federated, say: Say) -> None:
    for place in range(CLIENTS):
        client = federation.client(f"client-{place}")
        client.give_consent()
        await asyncio.to_thread(client.register)
        federation.clients.append(client)
    say(f"{CLIENTS} clients registered")


async def _release(federation: Federated, say: Say, version: str, *, failed: float = 0.1) -> None:
    """Have everybody learn and push, and the window closed."""
    pushed: list[str] = []
    await federation.all(_caught_up)
    for place, client in enumerate(federation.clients):
        # A little more each time: a delta that says nothing new is not sent.
        await asyncio.to_thread(client.learn, experiences(place, failed=failed + 0.01 * place))
        pushed.append((await asyncio.to_thread(client.push)).status.value)
    await federation.passes(INTERVAL_S + 1)
    await federation.until(
        lambda: (found := federation.storage.releases.latest()) is not None and found.version == version,
        f"published {version}",
    )
    await federation.until(lambda: federation.rollout().version == version, "begun the rollout")
    say(f"{pushed.count('accepted')} submissions accepted -> {version}")


def _caught_up(client: FederationClient) -> None:
    client.pull()
    client.hot_swap()


async def _used(federation: Federated, *, failed: float) -> None:
    """Have everybody pull, use what came, and report how that went."""

    def one(client: FederationClient) -> None:
        _caught_up(client)
        client.record(experiences(0, failed=failed))
        client.learn()
        client.report()

    await federation.all(one)


async def _rolled_out(federation: Federated, say: Say) -> None:
    """A release that does no harm, from stage to stage, with an operator's consent."""
    await _used(federation, failed=0.1)
    await federation.passes(STAGE_S + 1)
    await federation.until(lambda: federation.rollout().stage == "staged", "gone on to staged")
    await federation.passes(STAGE_S + 61)
    await asyncio.sleep(0.3)
    await asyncio.to_thread(lambda: federation.office.act("approve", version="1.0.1"))
    await federation.passes(61)
    await federation.until(lambda: federation.rollout().is_full, "rolled 1.0.1 out")
    say("1.0.1 is everybody's, with an operator's consent")


async def _kept_out(federation: Federated, say: Say) -> None:
    """A pause, and a client in quarantine that appeals."""
    await federation.carried_out("pause", detail="drill")
    await federation.carried_out("resume")
    client = federation.clients[-1]
    await federation.carried_out("quarantine", client=client.standing.client)
    await federation.passes(Limits().fresh_s + 1)  # the door holds on to what it knows of a token
    try:
        await asyncio.to_thread(client.push)
    except SwarmError as error:
        say(f"a client in quarantine pushes: {error.code}")
    await asyncio.to_thread(client.appeal, "it was a drill")
    await federation.carried_out("reinstate", client=client.standing.client)
    await federation.passes(Limits().fresh_s + 1)
    say("paused and resumed; quarantined, appealed and reinstated")


async def _rolled_back(federation: Federated, say: Say) -> None:
    """A release after which more calls fail is taken back by itself."""
    await _used(federation, failed=0.9)
    await federation.passes(CENSUS_S + 1)
    await federation.passes(61)
    await federation.until(
        lambda: (found := federation.rollout()).is_full and found.version == "1.0.3",
        "rolled 1.0.2 back",
    )
    say("1.0.2 did harm: 1.0.3 brings 1.0.1 back")


async def _mistrusted(federation: Federated, say: Say) -> None:
    """A client that was given another key than the server's does not take its release."""
    other = federation.client("client-0", server_key="ed25519:" + "A" * 43 + "=")
    try:
        await asyncio.to_thread(other.pull)
    except SwarmError as error:
        say(f"a client with another key pulls: {error.code}")


async def _broken(federation: Federated, say: Say) -> None:
    """Files of releases that cannot be read for a while."""
    away = federation.releases.with_name("away")
    await asyncio.to_thread(federation.releases.rename, away)
    await asyncio.to_thread(federation.releases.write_text, "no folder")
    try:
        found = await asyncio.to_thread(_asked, federation, "weights/v/1.0.1?domain=frontend")
        say(f"the folder of releases is away: {found.status_code} {found.json()['code']}")
    finally:
        await asyncio.to_thread(federation.releases.unlink)
        await asyncio.to_thread(away.rename, federation.releases)


async def _gone(federation: Federated, say: Say) -> None:
    """A client leaves, and is forgotten within a day."""
    leaver = federation.clients.pop()
    name = str(leaver.standing.client)
    await asyncio.to_thread(leaver.deregister)
    await federation.passes(DAY_S)
    await federation.until(lambda: federation.storage.clients.get(name) is None, "forgotten who left")
    say("a client left, and was forgotten")


def _asked(federation: Federated, path: str) -> requests.Response:
    """What the door answers to a client that asks for a path."""

    def ask(session: Session) -> requests.Response:
        headers = {"Authorization": f"Bearer {session.token}", "X-Client-ID": session.client}
        return requests.get(f"{federation.url}{PREFIX}/{path}", headers=headers, timeout=10)

    return federation.clients[0].account.call("a download", ask)
