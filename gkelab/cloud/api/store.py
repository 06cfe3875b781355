"""The one store: resources and operations in SQLite, and the same resources in memory.

One process has it, one thread uses it. A write is made up beside the state (`Write`), checked
whole, and committed at once with the operation that tells of it; memory follows only then. So a
process killed anywhere leaves a write that is there with its operation, or not at all.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path
from types import MappingProxyType

from gkelab.cloud.api.fields import Body
from gkelab.cloud.api.links import Ref
from gkelab.errors import LabError

SCHEMA_VERSION = 1
SCHEMA = (
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    "CREATE TABLE resources (collection TEXT, scope TEXT, name TEXT, body TEXT NOT NULL,"
    " PRIMARY KEY (collection, scope, name)) WITHOUT ROWID",
    "CREATE TABLE operations (sequence INTEGER PRIMARY KEY, scope TEXT NOT NULL,"
    " name TEXT NOT NULL UNIQUE, request_id TEXT UNIQUE, body TEXT NOT NULL)",
    f"PRAGMA user_version = {SCHEMA_VERSION}",
)
# Compute forgets operations after a while; here the last so many are kept.
OPERATIONS_KEPT = 5000


@dataclass(frozen=True)
class Settings:
    """What the cloud is of: its project, and the ranges that public addresses are given from
    (regional ones, which VMs and passthrough load balancers have; global ones, of front ends)."""

    project: str
    external: tuple[IPv4Network, ...] = ()
    frontend: tuple[IPv4Network, ...] = ()


class View:
    """Resources to be read. Bodies are shared: whoever changes one makes a new one."""

    def __init__(self, settings: Settings, resources: Mapping[str, Mapping[Ref, Body]]) -> None:
        self.settings = settings
        self._resources = resources

    @property
    def project(self) -> str:
        """The project's id."""
        return self.settings.project

    def get(self, ref: Ref) -> Body | None:
        """The resource of that place."""
        return self._resources.get(ref.collection, {}).get(ref)

    def all(self, collection: str) -> Iterator[tuple[Ref, Body]]:
        """Every resource of a collection, in no order."""
        yield from self._resources.get(collection, {}).items()


class Write(View):
    """A write in the making: reads see what it has put and deleted so far."""

    def __init__(self, under: View) -> None:
        super().__init__(under.settings, under._resources)
        self.changes: dict[Ref, Body | None] = {}

    def get(self, ref: Ref) -> Body | None:
        return self.changes[ref] if ref in self.changes else super().get(ref)

    def all(self, collection: str) -> Iterator[tuple[Ref, Body]]:
        yield from ((r, b) for r, b in super().all(collection) if r not in self.changes)
        for ref, body in list(self.changes.items()):
            if ref.collection == collection and body is not None:
                yield ref, body

    def put(self, ref: Ref, body: Body) -> None:
        """Have this resource be so."""
        self.changes[ref] = body

    def delete(self, ref: Ref) -> None:
        """Have no such resource."""
        self.changes[ref] = None


class Store(View):
    """The state on disk. Raises LabError for a file that is another's or of another version."""

    def __init__(self, file: Path, settings: Settings) -> None:
        self._resources_by_kind: dict[str, dict[Ref, Body]] = {}
        super().__init__(settings, MappingProxyType(self._resources_by_kind))
        self._database = sqlite3.connect(file, timeout=1, isolation_level=None)
        try:
            self._open(file)
        except (sqlite3.Error, LabError) as error:
            self.close()
            if isinstance(error, LabError):
                raise
            raise LabError(
                f"{file} cannot be used ({error})", "is another cloud using it?"
            ) from None
        self.generation = int(self._meta("generation"))
        for collection, scope, name, body in self._database.execute("SELECT * FROM resources"):
            kept = self._resources_by_kind.setdefault(collection, {})
            kept[Ref(collection, scope, name)] = json.loads(body)

    def _open(self, file: Path) -> None:
        # A killed process loses nothing this way; a power cut may lose the last writes, whole.
        self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        version = self._database.execute("PRAGMA user_version").fetchone()[0]
        if version == 0:
            self._create()
        elif version != SCHEMA_VERSION:
            raise LabError(f"{file} is of version {version}, not {SCHEMA_VERSION}", "remove it")
        project = self._meta("project")
        if project != self.project:
            raise LabError(f"{file} holds project {project}, not {self.project}", "remove it")

    def _create(self) -> None:
        # The generation starts at the time: whoever follows a cloud whose database was made
        # anew sees a higher number, never one it has seen.
        start = time.time_ns() // 1000
        self._database.execute("BEGIN IMMEDIATE")
        for statement in SCHEMA:
            self._database.execute(statement)
        rows = [("project", self.project), ("generation", start), ("created", start)]
        self._database.executemany("INSERT INTO meta VALUES (?, ?)", rows)
        self._database.execute("COMMIT")

    def _meta(self, key: str) -> str:
        row = self._database.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return str(row[0]) if row else ""

    @property
    def created(self) -> int:
        """When the database was made: microseconds since 1970."""
        return int(self._meta("created"))

    def commit(self, write: Write, operations: Sequence[tuple[Ref, Body]], request: str) -> None:
        """Make a write and its operations so, all or nothing; the generation goes up by one.
        Another request of the same id ("": it has none) is answered with the first of them."""
        generation = self.generation + 1
        self._database.execute("BEGIN IMMEDIATE")
        try:
            self._save(write, operations, request, generation)
            self._database.execute("COMMIT")
        finally:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
        self.generation = generation
        for ref, body in write.changes.items():
            kept = self._resources_by_kind.setdefault(ref.collection, {})
            if body is None:
                kept.pop(ref, None)
            else:
                kept[ref] = body

    def _save(
        self,
        write: Write,
        operations: Sequence[tuple[Ref, Body]],
        request: str,
        generation: int,
    ) -> None:
        run = self._database.execute
        for ref, body in write.changes.items():
            key = (ref.collection, ref.scope, ref.name)
            if body is None:
                run("DELETE FROM resources WHERE (collection, scope, name) = (?, ?, ?)", key)
            else:
                run("REPLACE INTO resources VALUES (?, ?, ?, ?)", (*key, json.dumps(body)))
        known = request or None
        for where, told in operations:
            cursor = run(
                "INSERT INTO operations (scope, name, request_id, body) VALUES (?, ?, ?, ?)",
                (where.scope, where.name, known, json.dumps(told)),
            )
            oldest = (cursor.lastrowid or 0) - OPERATIONS_KEPT
            run("DELETE FROM operations WHERE sequence <= ?", (oldest,))
            known = None
        run("UPDATE meta SET value = ? WHERE key = 'generation'", (generation,))

    def repeated(self, request: str) -> Body | None:
        """The operation that was answered to the request of that id before."""
        row = self._database.execute(
            "SELECT body FROM operations WHERE request_id = ?", (request,)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def operations(self, scope: str | None = None) -> list[tuple[Ref, Body]]:
        """The operations of a scope, or all, oldest first."""
        rows = self._database.execute("SELECT scope, name, body FROM operations ORDER BY sequence")
        return [
            (Ref("operations", where, name), json.loads(body))
            for where, name, body in rows
            if scope in (None, where)
        ]

    def operation(self, ref: Ref) -> Body | None:
        """The operation of that place."""
        row = self._database.execute(
            "SELECT body FROM operations WHERE (scope, name) = (?, ?)", (ref.scope, ref.name)
        ).fetchone()
        return json.loads(row[0]) if row else None

    def forget(self, ref: Ref) -> None:
        """Delete an operation; what it did stays."""
        self._database.execute(
            "DELETE FROM operations WHERE (scope, name) = (?, ?)", (ref.scope, ref.name)
        )

    def close(self) -> None:
        """Let another process have the file."""
        self._database.close()
