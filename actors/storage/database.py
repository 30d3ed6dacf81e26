"""A database behind a URL: connections, transactions, the form of the tables, and errors in the project's words."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, create_engine, event, inspect, select, text
from sqlalchemy import exc as sa_exc
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url

from actors.storage import tables
from actors.storage.errors import (
    StorageDamagedError,
    StorageFailedError,
    StorageFormError,
    StorageUnavailableError,
    StorageUrlError,
)

NEEDED: Final = "sqlite:///<path of a file> or postgresql://<user>:<password>@<host>/<database>"
BUSY_S: Final = 30.0
"""Seconds that a writer waits for another one."""
CONNECT_S: Final = 5
"""Seconds after which a server that does not answer counts as down."""
STATEMENT_S: Final = 120
"""Seconds after which PostgreSQL gives a statement up."""

_PRAGMAS: Final = (
    "page_size=8192",  # of a file that is new: a document of 20 KB takes three pages, and twice as many a second go in
    "journal_mode=WAL",
    "synchronous=NORMAL",  # a killed process loses nothing; a power cut may lose the last transactions
    "secure_delete=ON",  # what is erased is overwritten with zeros, not only forgotten
    "wal_autocheckpoint=8000",  # 64 MB: a commit of 256 documents is 7 MB, and each checkpoint waits for the disk
    "journal_size_limit=67108864",
    "cache_size=-16384",  # 16 MB for each connection
    "temp_store=MEMORY",
)

_TABLES: Final = "tables"
"""Of the notes about the storage itself, the one that says which tables it has had."""
_WRITES: Final = "swarmlore_writes"
_LOCK: Final = 0x5_3A_4D_10_8E
"""Of PostgreSQL's advisory locks, the one that is held while tables are made."""


class Database:
    """One database, for the threads of one process. Each process opens its own.

    Args:
        url: ``sqlite:///path`` or ``postgresql://...``.

    Raises:
        StorageUrlError: when the URL names neither.
        StorageUnavailableError: when it does not answer.
        StorageFormError: when its tables have a form that is not known here.
        StorageDamagedError: when one of its tables is gone.
    """

    def __init__(self, url: str) -> None:
        parsed = _parsed(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        self.shown = parsed.set(drivername=parsed.get_backend_name()).render_as_string(hide_password=True)
        self._secrets = tuple(filter(None, (parsed.password, str(parsed.query.get("password", "")))))
        if self._secrets and "password" in parsed.query:
            self.shown = parsed.set(drivername="postgresql", query={}).render_as_string(hide_password=True)
        with self._translated():
            self._engine = _file_engine(parsed) if self.is_sqlite else _server_engine(parsed, self.shown)
            reads = self._engine if self.is_sqlite else self._engine.execution_options(isolation_level="AUTOCOMMIT")
            self._reads: Engine = reads
        try:
            self._take_form()
        except BaseException:
            self._engine.dispose()
            raise

    def __repr__(self) -> str:
        return f"Database({self.shown!r})"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection on which each statement sees what is committed when it begins."""
        with self._translated(), self._reads.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction: all of what is done inside, or nothing. On SQLite, one at a time over all processes."""
        with (
            self._translated(),
            self._engine.connect().execution_options(**{_WRITES: True}) as connection,
            connection.begin(),
        ):
            yield connection

    def forget(self, *erased: Table) -> None:
        """Make that rows deleted from these tables leave as little behind as the database allows.

        SQLite wrote zeros over them, but its log still holds earlier copies of the pages until it is emptied here. If
        somebody reads at this moment the log stays, and is overwritten later: it is emptied in any case when the last
        process closes the file. PostgreSQL's rows are vacuumed; that needs the tables' owner, others get a warning.
        """
        with self.read() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").close()
            else:
                names = ", ".join(table.name for table in erased)
                connection.exec_driver_sql(f"VACUUM (SKIP_LOCKED) {names}")

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def insert(self, table: Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that has ``on_conflict_do_update`` and ``on_conflict_do_nothing``, in this database's dialect."""
        return sqlite.insert(table) if self.is_sqlite else postgresql.insert(table)

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sa_exc.TimeoutError as error:
            raise StorageUnavailableError(url=self.shown, found="every connection is in use") from error
        except (sa_exc.OperationalError, sa_exc.InterfaceError, sa_exc.InternalError) as error:
            raise StorageUnavailableError(url=self.shown, found=self._told(error)) from error
        except sa_exc.DBAPIError as error:
            if error.connection_invalidated:
                raise StorageUnavailableError(url=self.shown, found=self._told(error)) from error
            if isinstance(error.orig, sqlite3.DatabaseError) and "not a database" in str(error.orig):
                raise StorageFormError(url=self.shown, found="no database", needed=tables.FORM) from error
            raise StorageFailedError(url=self.shown, found=self._told(error)) from error

    def _told(self, error: sa_exc.DBAPIError) -> str:
        """What the driver says, in one line, without passwords. It never shows parameters."""
        lines = str(error.orig).strip().splitlines() or [""]
        said = lines[0]
        for secret in self._secrets:
            said = said.replace(secret, "***")
        return f"{type(error.orig).__name__}: {said[:300]}"

    def _take_form(self) -> None:
        """Make the tables that there are not yet, and bring those of an earlier form to this one."""
        with self.read() as connection:
            if self._form(connection) == tables.FORM and not self._missing(connection):
                return
        with self.write() as connection:
            if not self.is_sqlite:
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            form = self._form(connection)
            if form is None:
                self._make(connection)
                return
            while form != tables.FORM:
                if form > tables.FORM or form not in tables.STEPS:
                    raise StorageFormError(url=self.shown, found=f"form {form}", needed=tables.FORM)
                tables.STEPS[form](connection)
                form += 1
                connection.execute(tables.meta.update().where(tables.meta.c.name == "form").values(value=str(form)))
            self._complete(connection)

    @staticmethod
    def _missing(connection: Connection) -> list[str]:
        """Names of our tables that are not there."""
        found = inspect(connection)
        unseen = sorted(set(tables.metadata.tables).difference(found.get_table_names()))
        return [name for name in unseen if not found.has_table(name)]  # in another schema of the search path

    def _complete(self, connection: Connection) -> None:
        """Make the tables that this version has and the one before had not."""
        query = select(tables.meta.c.value).where(tables.meta.c.name == _TABLES)
        had = json.loads(connection.execute(query).scalar() or "[]")
        missing = self._missing(connection)
        lost = [name for name in missing if name in had]
        if lost:
            raise StorageDamagedError(url=self.shown, table=lost[0])
        tables.metadata.create_all(
            connection, tables=[tables.metadata.tables[name] for name in missing], checkfirst=False
        )
        self._note_tables(connection)

    def _note_tables(self, connection: Connection) -> None:
        names = json.dumps(sorted(tables.metadata.tables))
        row = self.insert(tables.meta).values(name=_TABLES, value=names)
        connection.execute(
            row.on_conflict_do_update(index_elements=[tables.meta.c.name], set_={"value": row.excluded.value})
        )

    def _form(self, connection: Connection) -> int | None:
        """The form of the tables that are there; None when there are none."""
        if not inspect(connection).has_table(tables.meta.name):
            return None
        found = connection.execute(select(tables.meta.c.value).where(tables.meta.c.name == "form")).scalar()
        if found is None or not found.isdecimal():
            raise StorageFormError(url=self.shown, found="tables without a form", needed=tables.FORM)
        return int(found)

    def _make(self, connection: Connection) -> None:
        ours = set(tables.metadata.tables)
        strange = sorted(ours & set(inspect(connection).get_table_names()))
        if strange:
            raise StorageFormError(url=self.shown, found=f"a table {strange[0]} without a form", needed=tables.FORM)
        tables.metadata.create_all(connection, checkfirst=False)
        if not self.is_sqlite:
            # Documents are JSON of a few kilobytes: packing each one costs more time than writing it.
            connection.execute(
                text("ALTER TABLE federation_documents ALTER COLUMN document SET STORAGE EXTERNAL"),
            )
        connection.execute(tables.meta.insert().values(name="form", value=str(tables.FORM)))
        self._note_tables(connection)


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (sa_exc.ArgumentError, ValueError):
        raise StorageUrlError(url="...", found="a form that cannot be read", needed=NEEDED) from None
    shown = parsed.render_as_string(hide_password=True)
    match parsed.drivername:
        case "sqlite" | "sqlite+pysqlite":
            if not parsed.database or parsed.database == ":memory:" or parsed.query:
                raise StorageUrlError(url=shown, found="no path of a file", needed=NEEDED)
            return parsed.set(drivername="sqlite")
        case "postgresql" | "postgres" | "postgresql+psycopg":
            return parsed.set(drivername="postgresql+psycopg")
        case other:
            raise StorageUrlError(url=shown, found=f"the kind {other}", needed=NEEDED)


def _file_engine(url: URL) -> Engine:
    path = Path(str(url.database))
    shown = url.render_as_string()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # It holds what clients sent: for its owner only. SQLite gives the files beside it the same rights.
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StorageUnavailableError(url=shown, found=f"{type(error).__name__}: {error.strerror}") from error
    engine = create_engine(url, hide_parameters=True, connect_args={"timeout": BUSY_S, "check_same_thread": False})

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # transactions begin where `write` begins, and nowhere else
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_WRITES):
            # At once, because a reader that becomes a writer later can be refused without any waiting.
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _server_engine(url: URL, shown: str) -> Engine:
    limits = f"-c statement_timeout={STATEMENT_S * 1000} -c lock_timeout={int(BUSY_S * 1000)}"
    arguments: dict[str, Any] = {"connect_timeout": CONNECT_S, "application_name": "swarmlore", "options": limits}
    arguments = {name: value for name, value in arguments.items() if name not in url.query}
    try:
        return create_engine(url, hide_parameters=True, connect_args=arguments, pool_size=5, max_overflow=10)
    except ImportError:
        raise StorageUrlError(
            url=shown, found="no driver: psycopg is not installed", needed="used with swarmlore[postgres] installed"
        ) from None
