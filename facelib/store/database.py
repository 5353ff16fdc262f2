"""Opening, creating and migrating the database; transactions; paths as SQL values."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from facelib.errors import DatabaseError, ForeignDatabaseError, NewerDatabaseError, NoLibraryError

APPLICATION_ID = 0x46414345  # "FACE", at byte 68 of the file
SCHEMA_VERSION = 1
BUSY_TIMEOUT_MS = 30_000  # readers never block the writer in WAL mode; a backup or a checkpoint of another program can

SqlValue = str | bytes | int | float | None
Row = tuple[Any, ...]


def schema_folder() -> Path:
    """Where the schema's SQL lies: inside the installed package, or beside it in a checkout (`pip install -e`)."""
    package = Path(__file__).resolve().parents[1]
    installed = package / "schema"
    return installed if installed.is_dir() else package.parent / "schema"


def path_to_sql(path: str) -> str | bytes:
    """A path as the database keeps it: TEXT where its bytes are UTF-8, else the raw bytes."""
    if path.isascii():
        return path
    try:
        path.encode()
    except UnicodeEncodeError:
        return os.fsencode(path)
    return path


def path_from_sql(value: str | bytes) -> str:
    """The inverse of `path_to_sql`: bytes that are not UTF-8 become surrogate escapes."""
    return value if isinstance(value, str) else os.fsdecode(value)


class Database:
    """One connection. Rows are tuples; writing happens inside `atomic()` only."""

    def __init__(self, connection: sqlite3.Connection, path: str) -> None:
        self.path = path
        self._connection = connection
        self._depth = 0

    def query(self, sql: str, parameters: Sequence[SqlValue] = ()) -> Iterator[Row]:
        """The rows of a SELECT, one by one."""
        with self._errors():
            cursor = self._connection.execute(sql, parameters)
            yield from cursor

    def one(self, sql: str, parameters: Sequence[SqlValue] = ()) -> Row | None:
        """The first row, or None."""
        with self._errors():
            cursor = self._connection.execute(sql, parameters)
            row: Row | None = cursor.fetchone()
            cursor.close()  # an open read transaction would hold up checkpoints
            return row

    def value(self, sql: str, parameters: Sequence[SqlValue] = ()) -> Any:
        """The first column of the first row, or None."""
        row = self.one(sql, parameters)
        return None if row is None else row[0]

    def execute(self, sql: str, parameters: Sequence[SqlValue] = ()) -> int:
        """Run a statement that writes; gives the new rowid of an INSERT."""
        with self._errors():
            return self._connection.execute(sql, parameters).lastrowid or 0

    def execute_many(self, sql: str, rows: Iterable[Sequence[SqlValue]]) -> None:
        """Run a statement once per row."""
        with self._errors():
            self._connection.executemany(sql, rows)

    @contextlib.contextmanager
    def atomic(self) -> Iterator[None]:
        """All or nothing: BEGIN IMMEDIATE, a savepoint when nested, rolled back on any exception."""
        savepoint = f"level_{self._depth}"
        with self._errors():
            self._connection.execute(f"SAVEPOINT {savepoint}" if self._depth else "BEGIN IMMEDIATE")
        self._depth += 1
        try:
            yield
        except BaseException:
            self._depth -= 1
            # A full disk makes SQLite roll back by itself; a second ROLLBACK would hide the first error.
            if self._connection.in_transaction:
                self._connection.execute(f"ROLLBACK TO {savepoint}" if self._depth else "ROLLBACK")
            raise
        self._depth -= 1
        with self._errors():
            try:
                self._connection.execute(f"RELEASE {savepoint}" if self._depth else "COMMIT")
            except BaseException:
                if not self._depth and self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise

    def close(self) -> None:
        self._connection.close()

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def backup_to(self, path: str) -> None:
        """A consistent copy by SQLite's online backup, readable by the owner only."""
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        with self._errors(), contextlib.closing(sqlite3.connect(path)) as target:
            self._connection.backup(target)

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise _explain(error, self.path) from error


def _explain(error: sqlite3.Error, path: str) -> Exception:
    name = getattr(error, "sqlite_errorname", "") or ""
    cure = {
        "SQLITE_FULL": "the disk is full: free some space and run again, nothing written so far is lost",
        "SQLITE_READONLY": "it cannot be written: check the permissions of the file and of its folder",
        "SQLITE_CANTOPEN": "it cannot be opened: check the path and the permissions",
        "SQLITE_BUSY": "another program has kept it locked for too long: close that and run again",
        "SQLITE_CORRUPT": "it is damaged: run `facelib doctor`, and restore a backup if it agrees",
        "SQLITE_NOTADB": "it is not a database",
        "SQLITE_IOERR": "the disk reports an error",
    }
    for prefix, words in cure.items():
        if name.startswith(prefix):
            return DatabaseError(f"{path}: {words} ({error})")
    return error  # a wrong statement or a broken constraint is a bug and shows its traceback


# ------------------------------------------------------------------------------------------------ open and create


def create_or_open(path: str) -> Database:
    """Open the database for writing; make it, and its folder, when there is none; bring an older one up to date.

    Hold a `WriterLock` while calling this. Raises `ForeignDatabaseError` or `NewerDatabaseError` without touching the file.
    """
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        _create(path)
    _check_header(path)
    database = _connect(path)
    try:
        version = _check_version(database)
        if version < SCHEMA_VERSION:
            migrate(database, schema_folder() / "migrations", SCHEMA_VERSION)
    except BaseException:
        database.close()
        raise
    return database


def refuse_foreign(path: str) -> bool:
    """Whether there is a library at a path; what else lies there raises `ForeignDatabaseError`, untouched."""
    if not os.path.exists(path) or (os.path.isfile(path) and os.path.getsize(path) == 0):
        return False
    _check_header(path)
    return True


def open_readonly(path: str) -> Database:
    """Open an existing database for reading only.

    Raises `NoLibraryError` where there is none. A database in a folder that this user cannot write is opened as
    immutable: SQLite would otherwise want to make its -shm file there.
    """
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        raise NoLibraryError(f"no library at {path}: run `facelib scan FOLDER` first, or name another with --db")
    _check_header(path)
    uri = Path(path).absolute().as_uri()
    alone = not os.access(os.path.dirname(os.path.abspath(path)), os.W_OK) and not os.path.exists(path + "-wal")
    try:
        connection = sqlite3.connect(
            f"{uri}?{'immutable=1' if alone else 'mode=ro'}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_MS / 1000,
        )
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    database = Database(connection, path)
    try:
        version = _check_version(database)
        if version < SCHEMA_VERSION:
            raise DatabaseError(f"{path} was made by an older facelib: run `facelib scan` once to bring it up to date")
    except BaseException:
        database.close()
        raise
    return database


def _connect(path: str) -> Database:
    try:
        connection = sqlite3.connect(path, isolation_level=None, timeout=BUSY_TIMEOUT_MS / 1000)
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")  # in WAL mode safe against crashes, and no fsync per batch
        connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    return Database(connection, path)


def _create(path: str) -> None:
    """Build the newest schema in a file beside `path` and rename it, so that there is never half a database."""
    folder = os.path.dirname(os.path.abspath(path))
    unfinished = f"{path}.new-{os.getpid()}"
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)
        os.close(os.open(unfinished, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600))
        with contextlib.closing(sqlite3.connect(unfinished, isolation_level=None)) as connection:
            # Not yet WAL: the ids have to be in the file's first page, where other programs look for them.
            connection.execute("BEGIN")
            for script in sorted(schema_folder().glob("*.sql")):
                for statement in _statements(script.read_text(encoding="utf-8")):
                    connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            connection.execute("COMMIT")
        os.replace(unfinished, path)
    except OSError as error:
        raise DatabaseError(f"cannot create the database {path}: {error.strerror}") from error
    except sqlite3.Error as error:
        raise _explain(error, path) from error
    finally:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            os.unlink(unfinished)


def _check_header(path: str) -> None:
    """Refuse a stranger's file by its first 100 bytes (sqlite.org/fileformat2.html), before SQLite touches it."""
    try:
        with open(path, "rb") as stream:
            header = stream.read(100)
    except OSError as error:
        raise DatabaseError(f"cannot open the database {path}: {error.strerror}") from error
    if len(header) < 100 or not header.startswith(b"SQLite format 3\0"):
        raise ForeignDatabaseError(f"{path} is not a database; choose another path with --db")
    if int.from_bytes(header[68:72], "big") != APPLICATION_ID:
        raise ForeignDatabaseError(f"{path} is the database of another program; choose another path with --db")
    _refuse_newer(path, int.from_bytes(header[60:64], "big"))


def _check_version(database: Database) -> int:
    version = int(database.value("PRAGMA user_version"))
    _refuse_newer(database.path, version)
    return version


def _refuse_newer(path: str, version: int) -> None:
    if version > SCHEMA_VERSION:
        raise NewerDatabaseError(
            f"{path} was made by a newer facelib (schema {version}, this one knows {SCHEMA_VERSION}): update facelib"
        )


# --------------------------------------------------------------------------------------------------- migrations


def migrate(database: Database, folder: Path, target: int) -> None:
    """Run the migrations `NNNN_*.sql` that lead from the database's version to `target`, after one backup.

    Each runs in one transaction with its new `user_version`. Raises `DatabaseError`, the database unchanged by that step,
    when a step leaves references to rows that are not there.
    """
    version = int(database.value("PRAGMA user_version"))
    steps = {int(script.name[:4]): script for script in folder.glob("[0-9][0-9][0-9][0-9]_*.sql")}
    missing = [number for number in range(version + 1, target + 1) if number not in steps]
    if missing:
        raise DatabaseError(f"{database.path}: there is no way from schema {version} to {target}; reinstall facelib")
    database.backup_to(f"{database.path}.schema-{version}.bak")
    for number in range(version + 1, target + 1):
        database.execute("PRAGMA foreign_keys = OFF")  # tables may be rebuilt; checked whole, below
        try:
            with database.atomic():
                for statement in _statements(steps[number].read_text(encoding="utf-8")):
                    database.execute(statement)
                broken = list(database.query("PRAGMA foreign_key_check"))
                if broken:
                    raise DatabaseError(
                        f"{database.path}: migration {number} left {len(broken)} broken references in {broken[0][0]}"
                    )
                database.execute(f"PRAGMA user_version = {number}")
        finally:
            database.execute("PRAGMA foreign_keys = ON")


def _statements(script: str) -> Iterator[str]:
    """The statements of a script one by one: `executescript` would commit the transaction that they belong to."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
    if any(line.strip() and not line.lstrip().startswith("--") for line in statement.splitlines()):
        raise DatabaseError(f"the schema ends in the middle of a statement: {statement.strip()[:60]!r}")
