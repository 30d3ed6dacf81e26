"""What `doctor` concludes from what it has found: pure functions from facts to checks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.check import Check, fail, ok, warn

SOCKET_PATH = 107
"""Bytes that the path of a Unix socket may have."""
RAY_TAIL = 64
"""Bytes of it that Ray adds below its folder: ``/session_<time>_<pid>/sockets/plasma_store``."""
STORE_BYTES = 256 * 2**20
"""The object store that a cluster of our own is started with."""


def python_version(version: tuple[int, int, int]) -> Check:
    """Python 3.11 or newer."""
    text = ".".join(map(str, version))
    if version[:2] < (3, 11):
        return fail("python", text, "Install Python 3.11 or newer and make a new environment with it.")
    return ok("python", text)


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A distribution that swarmlore needs, or an extra of it does.

    Attributes:
        name: of the distribution.
        needed: the versions that will do, e.g. ``">=2.55,<3"``.
        found: the installed version; None when it is not there.
        fits: whether the one satisfies the other.
        extra: the extra that asks for it; empty for all installations.
    """

    name: str
    needed: str
    found: str | None
    fits: bool
    extra: str = ""


def packages(found: Sequence[Package]) -> list[Check]:
    """One check for what is always needed, and one for each extra."""
    checks: list[Check] = []
    for extra in sorted({package.extra for package in found}):
        ours = [package for package in found if package.extra == extra]
        name = f"extra {extra}" if extra else "packages"
        wrong = [
            f"{package.name} {package.found or 'missing'}, needed {package.needed}"
            for package in ours
            if not package.fits
        ]
        if not wrong:
            checks.append(ok(name, ", ".join(f"{package.name} {package.found}" for package in ours)))
        elif extra:
            checks.append(warn(name, "; ".join(wrong), f"If you want it: pip install 'swarmlore[{extra}]'"))
        else:
            checks.append(fail(name, "; ".join(wrong), "Install again: pip install --upgrade swarmlore"))
    return checks


def authentication(address: str, mode: str | None, *, token: bool, refusal: str = "") -> Check:
    """Whether Ray's authentication mode here can fit the cluster's, or does not, when the cluster was asked.

    Args:
        address: local, auto or host:port.
        mode: ``RAY_AUTH_MODE`` as the user has set it; None when not.
        token: whether a token is at hand, in the environment or in the home folder.
        refusal: what the cluster said when it did not let us in; empty when it did, or was not asked.
    """
    name, stated = "ray auth", f"RAY_AUTH_MODE={mode}" if mode else "RAY_AUTH_MODE not set"
    held = "a token is at hand" if token else "no token"
    found = f"{stated}, {held}"
    if mode not in (None, "disabled", "token"):
        return fail(name, found, "RAY_AUTH_MODE must be disabled or token.")
    if mode == "token" and not token:
        return fail(name, found, "Set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's token.")
    if "auth" in refusal.lower():
        return fail(
            name,
            f"{found}; the cluster says {refusal}",
            "It asks for another token, or for one at all. Set RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to the cluster's "
            "own, and RAY_AUTH_MODE to token, or leave that unset.",
        )
    if address == "local":
        return ok(name, found if mode else f"{found}; a cluster of our own on loopback uses none")
    if mode == "disabled" and token:
        return warn(
            name,
            found,
            "A cluster that was started while the token was there asks for it. If it does: RAY_AUTH_MODE=token.",
        )
    if mode is None and token:
        return ok(name, f"{found} and will be shown")
    return ok(name, found)


def uv_hook(setting: str | None, *, under_uv: bool) -> Check:
    """Whether Ray would start every worker through uv."""
    name = "uv hook"
    if setting is not None and setting.lower() not in ("0", "false"):
        return warn(
            name,
            f"RAY_ENABLE_UV_RUN_RUNTIME_ENV={setting}",
            "Under `uv run` each worker then starts through uv in a copy of the project. Unset it, or set it to 0.",
        )
    return ok(name, "switched off" + (", and we run under uv" if under_uv else ""))


def niceness(own: int, worker: int | None) -> Check:
    """Whether the actors lose against everything else on the machine. ``worker`` is None when none was asked."""
    name = "niceness"
    found = f"this process {own}" + ("" if worker is None else f", Ray's workers {worker}")
    if (own if worker is None else worker) > 0:
        return warn(
            name,
            found,
            "Rounds are slower when the machine is busy. Start Ray with RAY_worker_niceness=0, and unniced.",
        )
    return ok(name, found)


def object_store(size: int | None, shared_free: int | None) -> Check:
    """Whether the object store is large enough, and has room. None is for not known."""
    name = "object store"
    if size is not None:
        found = f"{size / 2**20:.0f} MiB"
        if size < STORE_BYTES // 4:
            return warn(
                name, found, "Large models spill to disk. Start Ray with --object-store-memory of 256 MiB or more."
            )
        return ok(name, found)
    if shared_free is None:
        return warn(name, "no shared memory is mounted", "Ray keeps objects in /tmp instead, which is slower.")
    found = f"{shared_free / 2**20:.0f} MiB free in /dev/shm"
    if shared_free < STORE_BYTES:
        return warn(name, found, "A cluster of our own takes 256 MiB. In a container: --shm-size=512m.")
    return ok(name, found)


def temporary_path(folder: str) -> Check:
    """Whether the sockets of Ray fit below its folder."""
    name, length = "temporary path", len(folder.encode())
    found = f"{folder} ({length} bytes)"
    if length + RAY_TAIL > SOCKET_PATH:
        return warn(
            name,
            found,
            f"A socket's path may have {SOCKET_PATH} bytes, and Ray needs {RAY_TAIL} of them: start Ray with a shorter "
            "--temp-dir. A cluster of our own uses /tmp instead.",
        )
    return ok(name, found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A state directory, as it was found.

    Attributes:
        path: of it.
        exists: False when it has yet to be made.
        writable: it, or the folder that it would be made in.
        secret_mode: permission bits of the secret in it; None when there is none.
        secret_bytes: length of the secret.
    """

    path: Path
    exists: bool
    writable: bool
    secret_mode: int | None = None
    secret_bytes: int = 0


def state_folder(folder: Folder) -> list[Check]:
    """Whether journal and keys can be kept, and whether others can read the keys' secret."""
    name = "state directory"
    if not folder.writable:
        checks = [fail(name, f"{folder.path} cannot be written to", "Choose another one with --state-dir.")]
    else:
        checks = [ok(name, f"{folder.path}" + ("" if folder.exists else ", not made yet"))]
    mode = folder.secret_mode
    if mode is None:
        return checks
    path = folder.path / "secret"
    if folder.secret_bytes != 32:
        return [
            *checks,
            fail("secret", f"{path} has {folder.secret_bytes} bytes, not 32", "Bring it back from a backup."),
        ]
    if mode & 0o077:
        found = f"{path} has mode {mode:04o}: others can read it"
        advice = f"chmod 600 {path}. Whoever has read it can sign as the coordinator and as every agent."
        return [*checks, fail("secret", found, advice)]
    return [*checks, ok("secret", f"{path} is its owner's alone")]


def ports(address: str, error: str | None) -> Check:
    """Whether the cluster's port, or for one of our own a free port on loopback, can be had."""
    if error is None:
        return ok("ports", "loopback has free ones" if address == "local" else f"{address} answers")
    if address == "local":
        return fail("ports", error, "Ray's processes talk over loopback. Allow it in the sandbox or firewall.")
    return fail("ports", f"{address}: {error}", "Is the head running there, and its port open from here?")


def collector(url: str, error: str | None) -> Check:
    """Whether an OTLP receiver answers."""
    if error is None:
        return ok("otlp", f"{url} answers")
    advice = "Rounds are not delayed by it, but nothing is seen. Start it, or correct the URL (OTLP/HTTP is port 4318)."
    return fail("otlp", f"{url}: {error}", advice)


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """What a process on the cluster says about itself."""

    python: str
    ray: str
    nice: int
    missing: tuple[str, ...]


def cluster(address: str, facts: Mapping[str, object] | None, error: str | None) -> Check:
    """Whether a cluster could be started or joined."""
    name = "ray"
    if facts is None:
        advice = (
            "Its log is below /tmp/lore-*/session_latest/logs or $TMPDIR."
            if address == "local"
            else "Start one with `ray start --head` and name it with --address HOST:PORT. If it asks for a token, set "
            "RAY_AUTH_TOKEN or RAY_AUTH_TOKEN_PATH to it, and RAY_AUTH_MODE to token or to nothing."
        )
        return fail(name, error or "not reached", advice)
    done = "started and ended" if address == "local" else "joined"
    running = "a swarm runs on it" if facts.get("swarm") else "no swarm runs on it"
    return ok(name, f"{done}: {facts['address']}, {facts['nodes']} nodes, {facts['cpus']:g} CPUs; {running}")


def worker(found: Worker | None, own_python: str, own_ray: str, error: str | None = None) -> Check:
    """Whether the cluster's processes run the same code as we do."""
    name = "workers"
    if found is None:
        return fail(name, error or "no worker answered", "Look at `ray status`: are its nodes alive and not full?")
    if found.missing:
        advice = "Install swarmlore into the environment that each node's `ray start` runs in."
        return fail(name, f"cannot import {', '.join(found.missing)}", advice)
    if (found.python, found.ray) != (own_python, own_ray):
        text = f"Python {found.python} and Ray {found.ray} there, {own_python} and {own_ray} here"
        return fail(name, text, "Use the same versions on all nodes: Ray does not mix them.")
    return ok(name, f"Python {found.python}, Ray {found.ray}, and swarmlore is there")
