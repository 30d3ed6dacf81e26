"""Real servers for tests: PostgreSQL, and a store that speaks S3. Each is started when it is first asked for."""

from __future__ import annotations

import gc
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

PASSWORD = "Rumpelstilzchen"
"""Of the PostgreSQL server, so that tests can look for it where it must not be."""


def pytest_collection_finish() -> None:
    """What is there now stays until the end; the garbage collector need not go through it again and again."""
    gc.collect()
    gc.freeze()


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresServer:
    """A cluster of its own, in a folder of its own, that takes connections from this machine only."""

    binaries: Path
    folder: Path
    port: int
    user: str | None

    def url(self, database: str) -> str:
        """The URL of a database."""
        return f"postgresql://swarmlore:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        """Start it, and return when it answers."""
        settings = f"-p {self.port} -k {self.folder} -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=60"
        self.run("pg_ctl", "start", "-w", "-o", settings, "-l", str(self.folder / "log"), "-D", str(self.data))

    def stop(self) -> None:
        """Stop it at once, as a crash does."""
        self.run("pg_ctl", "stop", "-w", "-m", "immediate", "-D", str(self.data))

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the cluster's owner, who must not be root."""
        subprocess.run(
            [self.binaries / program, *arguments], check=True, capture_output=True, cwd=self.folder, user=self.user
        )


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A running PostgreSQL server; the test is skipped where none is installed."""
    found = shutil.which("initdb")
    places = [Path(found).resolve().parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not places:
        pytest.skip("no PostgreSQL server is installed")
    user = "nobody" if os.geteuid() == 0 else None
    # Not pytest's folder: the server's user may not enter that.
    folder = Path(tempfile.mkdtemp(prefix="swarmlore-postgres-"))
    password = folder / "password"
    password.write_text(PASSWORD)
    if user is not None:
        for path in (folder, password):
            shutil.chown(path, user)
    server = PostgresServer(binaries=places[-1], folder=folder, port=_free_port(), user=user)
    try:
        options = ("-U", "swarmlore", "--pwfile", str(password), "-A", "scram-sha-256", "-E", "UTF8", "--no-sync")
        # Not the plain locale: what is to be sorted by bytes has to say so.
        locale = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
        server.run("initdb", "-D", str(server.data), *options, *locale)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def postgres_url(postgres: PostgresServer) -> Iterator[str]:
    """The URL of a new, empty PostgreSQL database."""
    import psycopg

    def command(statement: str) -> None:
        # A connection for each: a test may stop the server in between.
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute(statement.encode())

    name = f"test_{uuid.uuid4().hex}"
    command(f"CREATE DATABASE {name}")
    yield postgres.url(name)
    command(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """The URL of a SQLite database that is not there yet."""
    return f"sqlite:///{tmp_path}/federation.db"


@pytest.fixture(params=["sqlite", "postgres"])
def storage_url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty database; the test runs once for each kind."""
    return request.getfixturevalue(f"{request.param}_url")


@dataclass(frozen=True, slots=True, kw_only=True)
class S3Server:
    """A store that speaks S3, with a bucket ``lore``."""

    endpoint: str
    stop: Callable[[], None]

    def options(self) -> dict[str, str]:
        """What `ReleaseStore` needs besides ``s3://lore/...``."""
        keys = {"access_key_id": "swarmlore", "secret_access_key": PASSWORD}
        return {"endpoint": self.endpoint, "region": "us-east-1", **keys}


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """A running S3-compatible server."""
    import logging

    import requests
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=swarmlore/20260101/us-east-1/s3/aws4_request"}
    requests.put(f"{endpoint}/lore", headers=signed, timeout=30).raise_for_status()
    yield S3Server(endpoint=endpoint, stop=server.stop)
    server.stop()


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
