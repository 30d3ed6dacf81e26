"""A database behind a URL: which there are, what is said when there is none, and who may use one at the same time."""

from __future__ import annotations

import pickle
import sqlite3
import stat
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Connection, text

from actors.storage import (
    Client,
    Storage,
    StorageDamagedError,
    StorageFailedError,
    StorageFormError,
    StorageUnavailableError,
    StorageUrlError,
    Submission,
    tables,
)
from federation.errors import SwarmError
from tests.actors.storage.sending import CLIENTS, send
from tests.conftest import PASSWORD, PostgresServer

NOW = 1_760_000_000.0
MakeSubmission = Callable[..., Submission]


def test_a_storage_is_there_when_it_is_opened_again(storage_url: str, submission: MakeSubmission) -> None:
    with Storage.open(storage_url) as storage:
        storage.submissions.add_many([submission(1, "a")], now=NOW)
        storage.check()
    with Storage.open(storage_url) as storage:
        assert storage.submissions.pending("global", 1) == [submission(1, "a")]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "federation.db",
        "sqlite://",
        "sqlite:///:memory:",
        "sqlite:///a.db?mode=ro",
        f"mysql://swarmlore:{PASSWORD}@localhost/x",
        f"postgresql+asyncpg://swarmlore:{PASSWORD}@localhost/x",
        f"postgresql://swarmlore:{PASSWORD}@localhost:port/x",
        f"[{PASSWORD}",
    ],
)
def test_urls_that_name_no_database_are_refused(url: str) -> None:
    with pytest.raises(StorageUrlError, match="sqlite:///<path") as caught:
        Storage.open(url)
    assert PASSWORD not in f"{caught.value} {caught.value!r} {caught.value.to_dict()}"


def test_a_file_is_for_its_owner_only_in_a_folder_that_is_made(tmp_path: Path, submission: MakeSubmission) -> None:
    with Storage.open(f"sqlite:///{tmp_path}/new/folder/f.db") as storage:
        storage.submissions.add_many([submission(1, "a")], now=NOW)
        files = list((tmp_path / "new/folder").iterdir())
        assert len(files) == 3  # with the log and its index
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_folder_in_the_place_of_the_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageUnavailableError, match="IsADirectoryError"):
        Storage.open(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "letters.txt"
    file.write_text("Dear Sir or Madam, " * 100)
    with pytest.raises(StorageFormError):
        Storage.open(f"sqlite:///{file}")
    assert file.read_text().startswith("Dear Sir")


@pytest.mark.parametrize("form", ["3", "x"])
def test_an_unknown_form_is_refused_and_left_alone(storage_url: str, form: str) -> None:
    _set_form(storage_url, form)
    with pytest.raises(StorageFormError) as caught:
        Storage.open(storage_url)
    assert caught.value.code == "storage.form"
    assert caught.value.needed == tables.FORM == 1
    with pytest.raises(StorageFormError):
        Storage.open(storage_url)


def test_a_later_form_is_reached_by_its_steps_all_or_none(storage_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    _set_form(storage_url, "1")

    def widen(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE federation_facts ADD COLUMN written_at DOUBLE PRECISION"))

    def fail(_: Connection) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(tables, "FORM", 3)
    monkeypatch.setattr(tables, "STEPS", {1: widen, 2: fail})
    with pytest.raises(RuntimeError, match="killed"):
        Storage.open(storage_url)
    monkeypatch.setattr(tables, "STEPS", {1: widen, 2: lambda _: None})
    for _ in range(2):
        with Storage.open(storage_url) as storage:
            storage.facts.put("window", 1)


def test_tables_that_came_later_are_made_when_it_is_opened(storage_url: str, submission: MakeSubmission) -> None:
    """As a storage is that was made before there were windows, conduct, appeals and secret sums."""
    with Storage.open(storage_url) as storage:
        storage.submissions.add_many([submission(1, "a")], now=NOW)
        before = ["federation_appeals", "federation_conduct", "federation_folded", "federation_windows"]
        with storage._database.write() as connection:
            for name in (*before, "federation_joins", "federation_buckets"):
                connection.execute(text(f"DROP TABLE {name}"))
            connection.execute(tables.meta.delete().where(tables.meta.c.name == "tables"))
    for _ in range(2):
        with Storage.open(storage_url) as storage:
            assert storage.submissions.pending("global", 1) == [submission(1, "a")]
            assert storage.windows.get("global") is None
            assert storage.windows.kept_out() == frozenset()
            assert storage.mail.count_joined() == 0


def test_a_table_that_was_lost_is_not_made_anew(storage_url: str, submission: MakeSubmission) -> None:
    with Storage.open(storage_url) as storage:
        storage.submissions.add_many([submission(1, "a")], now=NOW)
        with storage._database.write() as connection:
            connection.execute(text("DROP TABLE federation_appeals"))
    for _ in range(2):
        with pytest.raises(StorageDamagedError, match="lost its table federation_appeals"):
            Storage.open(storage_url)


def test_a_database_with_such_a_table_of_somebody_else_is_refused(postgres_url: str) -> None:
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE federation_clients (id int)")
    with pytest.raises(StorageFormError, match="a table federation_clients without a form"):
        Storage.open(postgres_url)


def test_a_server_that_is_not_there_is_one_clear_error(postgres: PostgresServer) -> None:
    url = postgres.url("postgres").replace(f":{postgres.port}/", ":9/")
    with pytest.raises(StorageUnavailableError) as caught:
        Storage.open(url)
    _assert_discreet(caught.value)


def test_a_wrong_password_is_not_repeated(postgres: PostgresServer) -> None:
    with pytest.raises(StorageUnavailableError, match="authentication failed") as caught:
        Storage.open(postgres.url("postgres").replace(PASSWORD, "geheimgeheim"))
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize("url", ["?password={}", "?sslmode=nonsense&password={}"])
def test_a_password_among_the_parameters_is_not_shown(postgres: PostgresServer, url: str) -> None:
    whole = f"postgresql://swarmlore@127.0.0.1:{postgres.port}/postgres{url.format(PASSWORD)}"
    if "sslmode" in url:
        with pytest.raises(StorageUnavailableError, match="sslmode") as caught:
            Storage.open(whole)
        assert PASSWORD not in f"{caught.value} {caught.value.to_dict()} {caught.value.__cause__}"
        return
    with Storage.open(whole) as storage:
        assert PASSWORD not in repr(storage)


def test_a_server_that_goes_down_is_said_and_one_that_is_back_is_used(
    postgres: PostgresServer, postgres_url: str, submission: MakeSubmission
) -> None:
    with Storage.open(postgres_url) as storage:
        assert PASSWORD not in repr(storage)
        storage.submissions.add_many([submission(1, "a")], now=NOW)
        postgres.stop()
        try:
            for _ in range(2):
                with pytest.raises(StorageUnavailableError) as caught:
                    storage.submissions.add_many([submission(2, "a")], now=NOW)
                _assert_discreet(caught.value)
                with pytest.raises(StorageUnavailableError):
                    storage.check()
        finally:
            postgres.start()
        storage.submissions.add_many([submission(2, "a")], now=NOW)
        assert storage.submissions.count_pending() == 2


def test_a_connection_that_breaks_is_said_once(postgres_url: str) -> None:
    import psycopg

    with Storage.open(postgres_url) as storage, psycopg.connect(postgres_url, autocommit=True) as other:
        storage.facts.put("window", 1)
        other.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'swarmlore' "
            "AND datname = current_database()"
        )
        with pytest.raises(StorageUnavailableError):
            storage.facts.get("window")
        assert storage.facts.get("window") == 1


def test_rights_that_are_missing_are_not_taken_for_a_server_that_is_down(postgres_url: str) -> None:
    import psycopg

    with Storage.open(postgres_url) as storage:
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("DROP TABLE federation_facts")
        with pytest.raises(StorageFailedError) as caught:
            storage.facts.get("window")
        assert "geheim" not in str(caught.value)


def test_parameters_are_in_no_error(postgres_url: str, client: Callable[..., Client]) -> None:
    import psycopg

    with Storage.open(postgres_url) as storage:
        storage.clients.put(client(1, token_hash=b"geheim"))
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE federation_clients ALTER COLUMN platform TYPE varchar(3) USING 'abc'")
        with pytest.raises(StorageFailedError) as caught:
            storage.clients.put(client(2, token_hash=b"geheim", platform="zauberwort"))
    shown = f"{caught.value} {caught.value.__cause__} {caught.value.to_dict()}"
    assert "zauberwort" not in shown
    assert "geheim" not in shown
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_processes_share_one_database_and_one_allowance(storage_url: str) -> None:
    """They begin at the same time with no tables, so that they make them at the same time, too."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.actors.storage.sending", storage_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "ready\n", other.communicate()[1]
        assert other.stdin is not None
        other.stdin.write("go\n")
        other.stdin.flush()
        accepted = send(storage_url, "this")
        out, err = other.communicate(timeout=120)
    assert other.returncode == 0, err
    assert accepted + int(out) == 4 * CLIENTS
    with Storage.open(storage_url) as storage:
        assert storage.submissions.count_pending() == CLIENTS


@pytest.mark.parametrize("way", ["consume", "deregister", "replace", "purge"])
def test_erased_documents_are_in_no_file(
    sqlite_url: str, submission: MakeSubmission, client: Callable[..., Client], way: str
) -> None:
    """Documents on pages of their own, and small ones that share a page with what stays."""
    folder = Path(sqlite_url.removeprefix("sqlite:///")).parent
    with Storage.open(sqlite_url) as storage:
        for number in range(4):
            storage.clients.put(client(number))
        large = [submission(n, "n", document=b"raw delta " * 2_000, signature=b"raw mark") for n in range(3)]
        stays = submission(9, "n", document=b"another", window=7)
        storage.submissions.add_many([*large, submission(3, "n", document=b"raw delta"), stays], now=NOW)
        assert any(b"raw delta" in file.read_bytes() for file in folder.iterdir())
        match way:
            case "consume":
                assert storage.submissions.consume(1) == 4
            case "deregister" | "purge":
                for number in range(4):
                    storage.clients.deregister(client(number).id, NOW)
                if way == "purge":
                    assert storage.clients.purge(NOW) == 4
            case _:
                again = [submission(number, "m", document=b"later") for number in range(4)]
                storage.submissions.add_many(again, now=NOW)
                storage.submissions.consume(1)
        for file in folder.iterdir():
            assert b"raw delta" not in file.read_bytes()
            assert b"raw mark" not in file.read_bytes()
        assert storage.submissions.pending("global", 7) == [stays]


def test_erased_documents_leave_postgres_s_table(postgres_url: str, submission: MakeSubmission) -> None:
    import psycopg

    with Storage.open(postgres_url) as storage, psycopg.connect(postgres_url, autocommit=True) as connection:

        def pages() -> int:
            found = connection.execute("SELECT pg_table_size('federation_documents') / 8192").fetchone()
            assert found is not None
            return int(found[0])

        empty = pages()
        storage.submissions.add_many([submission(n, "n", document=b"raw " * 5_000) for n in range(40)], now=NOW)
        assert pages() > empty + 90
        storage.submissions.consume(1)
        assert pages() < empty + 20


def test_a_large_window_is_read_in_little_memory(sqlite_url: str, submission: MakeSubmission) -> None:
    with Storage.open(sqlite_url) as storage:
        for start in range(0, 1_600, 200):
            numbers = range(start, start + 200)
            storage.submissions.add_many([submission(n, "n", document=bytes(20_000)) for n in numbers], now=NOW)
        after, total, peaks = "", 0, list[int]()
        tracemalloc.start()
        try:
            while chunk := storage.submissions.pending("global", 1, after, limit=50):
                after, total = chunk[-1].client, total + len(chunk)
                peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert total == 1_600
    # Two chunks of 50 x 20 KB at most: the last one and the one that is being read. All would be 32 MB.
    assert max(peaks) < 4_000_000


@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM federation_clients WHERE token_hash = x'00'", "sqlite_autoindex_federation_clients_2"),
        ("SELECT * FROM federation_clients WHERE purge_at <= 1.0", "federation_clients_by_purge"),
        ("SELECT count(*) FROM federation_clients WHERE state = 'active'", "federation_clients_by_state"),
        ("DELETE FROM federation_submissions WHERE received_at < 1.0", "federation_submissions_by_time"),
        ("SELECT * FROM federation_reports WHERE version = '1.0.0' GROUP BY client", "PRIMARY KEY"),
        ("SELECT * FROM federation_audit WHERE name = 'x' ORDER BY sequence DESC", "federation_audit_by_name"),
        (
            """SELECT * FROM federation_documents d WHERE region = 'global' AND client > 'a' AND window <= 3
            AND NOT EXISTS (SELECT 1 FROM federation_documents e WHERE e.client = d.client AND e.window > d.window)
            ORDER BY client LIMIT 9""",
            "federation_documents_by_region",
        ),
    ],
)
def test_what_is_asked_often_has_an_index(sqlite_url: str, query: str, index: str) -> None:
    Storage.open(sqlite_url).close()
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    try:
        plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}")]
    finally:
        connection.close()
    assert index in plan[0]
    assert not any("SCAN" in line or "TEMP B-TREE" in line for line in plan)


def test_actors_start_without_what_they_do_not_use() -> None:
    program = (
        "import sys, actors.coordinator, federation.rollout\n"
        "print([name for name in ('sqlalchemy', 'obstore', 'psycopg') if name in sys.modules])\n"
        "import actors.storage\n"
        "print([name for name in ('obstore', 'psycopg') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.splitlines() == ["[]", "[]"]


def _set_form(url: str, form: str) -> None:
    with Storage.open(url) as storage, storage._database.write() as connection:
        connection.execute(tables.meta.update().where(tables.meta.c.name == "form").values(value=form))


def _assert_discreet(error: SwarmError) -> None:
    assert error.code == "storage.unavailable"
    shown = f"{error} {error!r} {error.to_dict()} {error.__cause__}"
    assert PASSWORD not in shown
    assert "swarmlore:***@" in str(error)
