"""What `doctor` looks at: this process, this machine, the state directory, the cluster, the collector."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import urllib.error
import urllib.request
from importlib import metadata
from pathlib import Path
from typing import Any

from gateway.checks import Folder, Package, Worker

WORKER_S = 30.0
PROBE_S = 3.0


def installed() -> list[Package]:
    """What swarmlore needs, beside what is installed. Empty when it is not installed itself."""
    from packaging.requirements import Requirement

    try:
        requirements = [Requirement(text) for text in metadata.requires("swarmlore") or ()]
    except metadata.PackageNotFoundError:
        return []
    found: list[Package] = []
    for requirement in requirements:
        extra = next(
            (name for name in ("demo", "grpc", "parquet") if requirement.marker and name in str(requirement.marker)), ""
        )
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        try:
            version = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            version = None
        found.append(
            Package(
                name=requirement.name,
                needed=str(requirement.specifier),
                found=version,
                fits=version is not None and requirement.specifier.contains(version, prereleases=True),
                extra=extra,
            )
        )
    return found


def token_at_hand() -> bool:
    """Whether Ray would find a token to show."""
    from actors import cluster

    return cluster.token_at_hand()


def under_uv() -> bool:
    """Whether this process was started by ``uv run``."""
    return "UV_RUN_RECURSION_DEPTH" in os.environ


def shared_memory() -> int | None:
    """Bytes free in /dev/shm; None when it is not there."""
    try:
        return shutil.disk_usage("/dev/shm").free  # noqa: S108
    except OSError:
        return None


def temporary_folder() -> str:
    """The folder that Ray would put its own below."""
    return os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()


def state_directory(path: Path) -> Folder:
    """A state directory as it is. Nothing is made or changed."""
    exists = path.is_dir()
    nearest = path.absolute()
    while not nearest.exists():
        nearest = nearest.parent
    writable = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    secret = path / "secret"
    try:
        found = secret.stat()
    except OSError:
        return Folder(path=path, exists=exists, writable=writable)
    return Folder(
        path=path, exists=exists, writable=writable, secret_mode=found.st_mode & 0o777, secret_bytes=found.st_size
    )


def port_error(address: str) -> str | None:
    """Why a port cannot be had: that of the address, or for ``local`` a free one on loopback. None when it can."""
    try:
        if address == "local":
            with socket.create_server(("127.0.0.1", 0)) as server:
                socket.create_connection(server.getsockname(), timeout=PROBE_S).close()
        elif ":" in address:
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), timeout=PROBE_S).close()
    except (OSError, ValueError, OverflowError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def collector_error(url: str) -> str | None:
    """Why an OTLP/HTTP receiver does not take traces; None when it does."""
    if not url.startswith(("http://", "https://")):
        return "not an http:// or https:// URL"
    request = urllib.request.Request(  # noqa: S310 - http and https only, checked above
        url.rstrip("/") + "/v1/traces", data=b"", headers={"Content-Type": "application/x-protobuf"}, method="POST"
    )
    try:
        with urllib.request.urlopen(request, timeout=PROBE_S):  # noqa: S310
            return None
    except urllib.error.HTTPError as error:
        # 400 and the like: it is there and reads what we send. Without the path it is something else.
        return f"HTTP {error.code}" if error.code in (401, 403, 404, 405) or error.code >= 500 else None
    except (OSError, ValueError) as error:
        return f"{type(error).__name__}: {error}"


def ask_cluster(address: str) -> tuple[dict[str, Any], Worker | None, str | None]:
    """Facts about a cluster that is started (``local``) or joined, and what one of its workers says.

    Raises:
        ClusterError: when it cannot be reached.
    """
    from actors import cluster

    found = cluster.join(address)
    import ray
    from ray.exceptions import RayError

    facts = {
        **found,
        "nodes": sum(bool(node["Alive"]) for node in ray.nodes()),
        "object_store": int(ray.cluster_resources().get("object_store_memory", 0)),
        "swarm": cluster.running(),
    }
    try:
        asked = ray.remote(num_cpus=0, max_retries=0)(_introduce).remote()
        return facts, Worker(**ray.get(asked, timeout=WORKER_S)), None
    except RayError as error:
        return facts, None, f"{type(error).__name__}: {error}"[:300]
    finally:
        cluster.leave()


def own_versions() -> tuple[str, str]:
    """Python's and Ray's version here."""
    return ".".join(map(str, sys.version_info[:3])), metadata.version("ray")


def _introduce() -> dict[str, Any]:
    """What a worker says about itself."""
    missing: list[str] = []
    for name in ("actors", "federation", "telemetry", "workloads"):
        try:
            __import__(name)
        except ImportError:
            missing.append(name)
    python, ray = own_versions()
    return {"python": python, "ray": ray, "nice": os.nice(0), "missing": tuple(missing)}
