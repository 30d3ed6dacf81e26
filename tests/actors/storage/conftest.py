"""A storage of each kind, new and empty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from actors.storage import Client, Storage, Submission
from actors.storage.tables import metadata
from tests.conftest import PostgresServer

NOW = 1_760_000_000.0


@pytest.fixture(scope="session")
def on_postgres(postgres: PostgresServer) -> Iterator[tuple[Storage, Callable[[], None]]]:
    """A storage on PostgreSQL that is used again and again, and what empties it."""
    import psycopg

    statement = f"TRUNCATE {', '.join(metadata.tables.keys() - {'federation_meta'})}".encode()
    with Storage.open(postgres.url("postgres")) as storage:

        def empty() -> None:
            storage.close()  # a test may have stopped the server since
            with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
                connection.execute(statement)

        yield storage, empty


@pytest.fixture(params=["sqlite", "postgres"])
def storage(request: pytest.FixtureRequest) -> Iterator[Storage]:
    """An empty storage; the test runs on SQLite and on PostgreSQL."""
    if request.param == "postgres":
        found, empty = request.getfixturevalue("on_postgres")
        empty()
        yield found
        return
    with Storage.open(request.getfixturevalue("sqlite_url")) as found:
        yield found


@pytest.fixture
def client() -> Callable[..., Client]:
    """A maker of clients: ``client(3)`` is always the same one."""

    def make(number: int, **fields: Any) -> Client:
        known: dict[str, Any] = {
            "id": f"{number:064x}",
            "public_key": number.to_bytes(32, "big"),
            "token_hash": number.to_bytes(32, "little"),
            "token_expires": NOW + 90 * 86_400,
            "registered_at": NOW,
            "seen_at": NOW,
            "consent_at": NOW - 60,
            "platform": "linux",
        }
        return Client(**known | fields)

    return make


@pytest.fixture
def submission() -> Callable[..., Submission]:
    """A maker of submissions: ``submission(3, "a")`` is the one of client 3 with the nonce ``a``."""

    def make(number: int, nonce: str, **fields: Any) -> Submission:
        known: dict[str, Any] = {
            "client": f"{number:064x}",
            "nonce": nonce,
            "window": 1,
            "base_version": "1.0.0",
            "received_at": NOW,
            "document": f"document {number} {nonce}".encode(),
            "signature": b"signature",
            "experiences": 12,
        }
        return Submission(**known | fields)

    return make
