"""Ray, and its traps, in one place: how a cluster is started or joined, and how actors are made on it.

The traps (Ray 2.60) and what is done about them:

- Since 2.59 a local ``ray.init()`` turns token authentication on and writes a token into the home
  folder, after which ``ray start --head`` asks for it and ``ray.init("host:port")`` fails without saying
  why, after twenty attempts. A cluster of our own on loopback says ``RAY_AUTH_MODE=disabled``; for an
  existing one the mode is taken as the user has set it, or ``token`` when a token is at hand, and its head
  is asked once before Ray tries.
- Under ``uv run`` every worker starts through uv in a copy of the project. That hook is switched off.
- Workers run at nice 15 and lose against everything else on the machine. Ours run at 0.
- The object store takes a third of the memory. A swarm's messages are small: 256 MiB are enough.
- Its processes die with the thread that started them, so that thread is kept.
- Usage statistics are sent to Ray's makers. Ours stay here.

Environment variables only count when they are set before Ray is imported, so `prepare` comes first.
"""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from actors.config import AGGREGATOR, COORDINATOR, NAMESPACE, SwarmConfig, validator_name
from actors.placement import Reviver, make_door, make_host, named
from federation.errors import SwarmError
from federation.identity import Secret

if TYPE_CHECKING:
    from actors.cast import Handle

OBJECT_STORE_BYTES = 256 * 2**20
KNOCK_S = 5.0
"""How long a head node may take to answer."""

LOCAL_ENVIRONMENT: Mapping[str, str] = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_worker_niceness": "0",
}


class ClusterError(SwarmError):
    """A Ray cluster that cannot be reached."""

    code = "cluster.unreachable"

    def __init__(self, *, address: str, found: str) -> None:
        super().__init__(
            f"No Ray cluster at {address!r} ({found}). Is it running, and does RAY_AUTH_MODE (disabled or token) match "
            "what it was started with? For token, set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's. "
            "`swarmlore doctor` checks both; `--address local` starts one here.",
            address=address,
            found=found,
        )


class NoSwarmError(SwarmError):
    """A cluster on which no swarm is running."""

    code = "cluster.no_swarm"

    def __init__(self, *, namespace: str) -> None:
        super().__init__(
            f"No swarm is running in namespace {namespace!r} of this cluster. Start one: `swarmlore up`, or "
            "`await Swarm.start(config)`.",
            namespace=namespace,
        )


class NoActorError(SwarmError, ValueError):
    """A name that no actor has: it was never made, or has ended for good. A ValueError, as Ray's own."""

    code = "cluster.no_actor"

    def __init__(self, *, actor: str, namespace: str) -> None:
        super().__init__(
            f"There is no actor {actor!r} in namespace {namespace!r} of this cluster. It was never made, or it has "
            "ended for good, as one whose constructor fails: Ray's logs say why (`ray logs actor`). "
            "`swarmlore down` and `swarmlore up` make all of them anew; the journal keeps what was learned.",
            actor=actor,
            namespace=namespace,
        )


class SwarmRunningError(SwarmError):
    """A cluster on which a swarm is running already."""

    code = "cluster.swarm_running"

    def __init__(self, *, namespace: str) -> None:
        super().__init__(
            f"A swarm is running in namespace {namespace!r} already. Connect to it, or stop it: `swarmlore down`.",
            namespace=namespace,
        )


def prepare(address: str) -> None:
    """Set the environment that Ray reads when it is imported. What the user has set stays."""
    settings = dict(LOCAL_ENVIRONMENT)
    if address != "local":
        del settings["RAY_AUTH_MODE"]
        if token_at_hand():
            settings["RAY_AUTH_MODE"] = "token"
    for name, value in settings.items():
        os.environ.setdefault(name, value)


def join(address: str = "local", *, cpus: int | None = None) -> dict[str, Any]:
    """Start a cluster here (``"local"``) or join one (``"auto"`` or ``"host:port"``); facts about it.

    Raises:
        ClusterError: when there is none, or it does not let us in.
    """
    prepare(address)
    import ray

    if not ray.is_initialized():
        options: dict[str, Any] = {"address": address, "namespace": NAMESPACE, "log_to_driver": False}
        options |= {"logging_level": "ERROR", "configure_logging": False}
        if address == "local":
            # A folder of its own, or this cluster would become the one that ``"auto"`` finds on this machine.
            # Ray's sockets live below it, and a socket's path may have 107 bytes.
            parent = tempfile.gettempdir() if len(tempfile.gettempdir()) <= 20 else "/tmp"  # noqa: S108
            folder = tempfile.mkdtemp(prefix="lore-", dir=parent)
            _folders.append(folder)
            options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE_BYTES, "_temp_dir": folder}
            if cpus is not None:
                options["num_cpus"] = cpus
        else:
            _check_token(address)
            where = os.environ.get("RAY_ADDRESS", address) if address == "auto" else address
            if where not in ("auto", "local"):
                _knock(where)
        logging.getLogger("ray").setLevel(logging.ERROR)  # it says, among other things, which thread this is
        try:
            _in_lasting_thread(lambda: ray.init(**options))
        except Exception as error:  # Ray raises bare ones too, as for a node that starts too slowly
            raise ClusterError(address=address, found=f"{type(error).__name__}: {error}"[:300]) from error
    return {
        "address": ray.get_runtime_context().gcs_address,
        "cpus": int(ray.cluster_resources().get("CPU", 1)),
        "nodes": sum(bool(node["Alive"]) for node in cast("list[Any]", ray.nodes())),
    }


def keep_signals() -> None:
    """Put back what this process does on SIGTERM, which joining a cluster replaces by Ray's stack trace.

    Only the main thread can; elsewhere nothing is done.
    """
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGTERM)
        if handler is not None:
            signal.signal(signal.SIGTERM, handler)


def leave() -> None:
    """Leave the cluster; one that was started here ends, and its folder goes."""
    import ray

    ray.shutdown()
    while _folders:
        shutil.rmtree(_folders.pop(), ignore_errors=True)


def _check_token(address: str) -> None:
    """Return unless a token is to be shown and there is none. Ray's code that shows one ends the process then.

    Raises:
        ClusterError: when there is none.
    """
    if os.environ.get("RAY_AUTH_MODE", "").lower() == "token" and not token_at_hand():
        raise ClusterError(address=address, found="RAY_AUTH_MODE=token, but there is no token here")


def _knock(address: str) -> None:
    """Return if a head node listens at ``host:port`` and lets us in.

    Ray itself tries for minutes before it says that nobody listens, and for 20 s before it says that it was
    not let in, without the reason.

    Raises:
        ClusterError: when nobody listens, or what does refuses us.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.removeprefix("ray://").strip("[]"), int(port)), timeout=KNOCK_S).close()
    except (OSError, OverflowError, ValueError) as error:
        raise ClusterError(address=address, found=f"{type(error).__name__}: {error}") from error
    if address.startswith("ray://"):
        return
    from ray._raylet import GcsClient  # pyright: ignore[reportAttributeAccessIssue] - there is no public way to ask once

    try:
        GcsClient(address=address)
    except Exception as error:  # it raises RpcError, which is in no public module, and others
        # An AuthenticationError has a page of advice behind its message; ours follows.
        reason = str(getattr(error, "message", error)).partition("\n")[0][:300]
        raise ClusterError(address=address, found=f"{type(error).__name__}: {reason}") from error


def _in_lasting_thread(work: Callable[[], object]) -> None:
    """Do the work in a thread that stays until the process ends.

    The kernel kills Ray's processes when the thread that started them ends, not only when the process does:
    started in a thread of an event loop's pool, a cluster would be gone as soon as that loop is closed.
    """
    failures: list[BaseException] = []
    done = threading.Event()

    def run() -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - it is raised again where it is waited for
            failures.append(error)
        done.set()
        threading.Event().wait()

    threading.Thread(target=run, name="swarmlore-cluster", daemon=True).start()
    done.wait()
    if failures:
        raise failures[0]


_folders: list[str] = []
"""Temporary folders of clusters that were started here."""


def joined() -> bool:
    """Whether this process is in a cluster already."""
    ray = sys.modules.get("ray")
    return ray is not None and bool(ray.is_initialized())


def find(name: str) -> Handle:
    """The handle of a named actor.

    Raises:
        NoActorError: when there is none.
    """
    import ray

    try:
        return ray.get_actor(name, namespace=NAMESPACE)
    except ValueError as error:
        raise NoActorError(actor=name, namespace=NAMESPACE) from error


def put(value: Any) -> Any:
    """A reference to a value that every node can read."""
    import ray

    return ray.put(value)


def running() -> bool:
    """Whether a coordinator is there."""
    try:
        find(COORDINATOR)
    except ValueError:
        return False
    return True


def launch(config: SwarmConfig, *, cpus: int, nodes: int) -> None:
    """Make all actors of a swarm, detached and named, and return at once.

    The state directory is that of the head node, where coordinator and aggregator are put.
    """
    from actors.aggregator import Aggregator
    from actors.coordinator import Coordinator
    from actors.validator import ConvergenceValidator

    federation = config.federation and config.federation.absolute()
    config = config.model_copy(update={"state_dir": config.state_dir.absolute(), "federation": federation})
    secret = stored_secret(config.state_dir)
    shares = tuple(config.shares(cpus, nodes))
    journal = config.state_dir / "journal.sqlite"
    for number, agents in enumerate(shares):
        make_host(number, agents, config, secret, find)
    for number, region in enumerate(config.federation.regions if config.federation is not None else ()):
        make_door(number, region, config, secret, find)
    for number in range(config.validators):
        named(ConvergenceValidator, validator_name(number)).remote(number, config)
    named(Aggregator, AGGREGATOR, head=True).remote(config, journal)
    reviver = Reviver(shares, config, secret, find)
    named(Coordinator, COORDINATOR, head=True).remote(config, shares, secret, journal, find, put, reviver)


def dismiss() -> int:
    """End every actor of the swarm. Returns how many there were."""
    import ray
    from ray.util import list_named_actors

    listed: list[Any] = list_named_actors(all_namespaces=True)
    names: list[str] = [
        actor["name"] for actor in listed if actor["namespace"] == NAMESPACE and actor["name"].startswith("swarmlore-")
    ]
    for name in names:
        try:
            ray.kill(ray.get_actor(name, namespace=NAMESPACE), no_restart=True)
        except ValueError:
            continue  # it went by itself
    return len(names)


def stored_secret(folder: Path) -> Secret:
    """The secret of this state directory, made when there is none; readable by its owner only."""
    path = folder / "secret"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return Secret(path.read_bytes())
    value = secrets.token_bytes(32)
    with os.fdopen(descriptor, "wb") as file:
        file.write(value)
    return Secret(value)


def token_at_hand() -> bool:
    """Whether Ray would find a token to show."""
    if os.environ.get("RAY_AUTH_TOKEN"):
        return True
    path = os.environ.get("RAY_AUTH_TOKEN_PATH")
    return (Path(path).expanduser() if path else Path.home() / ".ray" / "auth_token").is_file()
