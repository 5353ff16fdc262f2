"""Roots, folders and files: where photographs lie."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from facelib.models import Path, Root, Stat
from facelib.store.database import Database, path_from_sql, path_to_sql

Known = tuple[int, int, int, int, int]
"""What is known of a path: size, mtime_ns, inode, file_id, state."""

# The states of a known file. It is there and its photo known; there, but never read; gone; gone, and never read.
SETTLED, UNREAD, GONE, GONE_UNREAD = range(4)


@dataclass(frozen=True, slots=True)
class Move:
    """A file that is gone and the place where the same content appeared since."""

    old_file_id: int
    old_path: Path
    new_file_id: int
    new_path: Path


# ------------------------------------------------------------------------------------------------------- roots


def roots(db: Database) -> list[Root]:
    """All indexed roots, in the order they were added."""
    rows = db.query("SELECT root_id, path, trust_inodes FROM root ORDER BY root_id")
    return [Root(root_id, path_from_sql(path), bool(trust)) for root_id, path, trust in rows]


def roots_with_counts(db: Database) -> list[tuple[Path, int, str | None]]:
    """Each root's path, present files, and why its last walk left them as they were (or None)."""
    rows = db.query(
        "SELECT r.path, count(f.file_id), r.problem FROM root r LEFT JOIN folder d USING (root_id)"
        " LEFT JOIN file f ON f.folder_id = d.folder_id AND f.present = 1 GROUP BY r.root_id ORDER BY r.root_id"
    )
    return [(path_from_sql(path), count, problem) for path, count, problem in rows]


def add_root(db: Database, path: Path, run_id: int) -> Root:
    """A new root; roots that lie inside it become part of it, with all their files."""
    inside = [root for root in roots(db) if is_below(root.path, path)]
    root_id = db.execute("INSERT INTO root (path, added_run) VALUES (?, ?)", (path_to_sql(path), run_id))
    for root in inside:
        db.execute("UPDATE folder SET root_id = ? WHERE root_id = ?", (root_id, root.root_id))
        db.execute("UPDATE other_file SET root_id = ? WHERE root_id = ?", (root_id, root.root_id))
        db.execute("DELETE FROM root WHERE root_id = ?", (root.root_id,))
    return Root(root_id, path)


def relocate_root(db: Database, root: Root, new_path: Path) -> None:
    """The root is mounted elsewhere now: rewrite the paths of everything below it."""
    for table, key in (("folder", "folder_id"), ("other_file", "path")):
        rows = list(db.query(f"SELECT {key}, path FROM {table} WHERE root_id = ?", (root.root_id,)))
        db.execute_many(
            f"UPDATE {table} SET path = ? WHERE {key} = ?",
            ((path_to_sql(_rebase(path_from_sql(path), root.path, new_path)), row_id) for row_id, path in rows),
        )
    rows = list(
        db.query(
            "SELECT file_id, f.path FROM file f JOIN folder d USING (folder_id) WHERE root_id = ?", (root.root_id,)
        )
    )
    db.execute_many(
        "UPDATE file SET path = ? WHERE file_id = ?",
        ((path_to_sql(_rebase(path_from_sql(path), root.path, new_path)), file_id) for file_id, path in rows),
    )
    db.execute("UPDATE root SET path = ? WHERE root_id = ?", (path_to_sql(new_path), root.root_id))


def sample_of_root(db: Database, root: Root, count: int) -> list[tuple[Path, Stat]]:
    """Up to `count` present files of the root, spread over it, with paths relative to it: its fingerprint."""
    rows = list(
        db.query(
            "SELECT f.path, size, mtime_ns, inode FROM file f JOIN folder USING (folder_id)"
            " WHERE root_id = ? AND present = 1 AND photo_id IS NOT NULL ORDER BY file_id * 2654435761 % 4294967296 LIMIT ?",
            (root.root_id, count),
        )
    )
    return [
        (os.path.relpath(path_from_sql(path), root.path), Stat(size, mtime, inode)) for path, size, mtime, inode in rows
    ]


def set_problem(db: Database, root_id: int, problem: str | None, *, absent: bool) -> None:
    """Remember why the last walk left this root's files as they were (None: it did not), and whether it found any."""
    db.execute("UPDATE root SET problem = ?, absent = ? WHERE root_id = ?", (problem, int(absent), root_id))


def distrust_inodes(db: Database, root_id: int) -> None:
    """From now on only size and mtime tell for this root whether a file changed."""
    db.execute("UPDATE root SET trust_inodes = 0 WHERE root_id = ?", (root_id,))


def count_present(db: Database, root_id: int) -> int:
    """How many files of a root are present, as of the last walk."""
    return int(
        db.value(
            "SELECT count(*) FROM file JOIN folder USING (folder_id) WHERE root_id = ? AND present = 1", (root_id,)
        )
    )


def is_below(path: Path, folder: Path) -> bool:
    """Whether `path` lies inside `folder`, or is it."""
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)


def _rebase(path: Path, old: Path, new: Path) -> Path:
    return new + path[len(old) :] if path != old else new


# ----------------------------------------------------------------------------------------------- folders, files


def folders(db: Database, root_id: int) -> dict[Path, int]:
    """The known folders of a root, path -> folder_id."""
    rows = db.query("SELECT path, folder_id FROM folder WHERE root_id = ?", (root_id,))
    return {path_from_sql(path): folder_id for path, folder_id in rows}


def add_folder(db: Database, root_id: int, path: Path) -> int:
    """A folder that holds photographs; gives its folder_id."""
    return db.execute("INSERT INTO folder (root_id, path) VALUES (?, ?)", (root_id, path_to_sql(path)))


def known_in(db: Database, folder_id: int) -> dict[Path, Known]:
    """What is known of each path in a folder (not below it), whether it is there or gone."""
    rows = db.query(
        "SELECT path, size, mtime_ns, inode, file_id,"
        " CASE WHEN photo_id IS NOT NULL AND error IS NULL THEN 0 ELSE 1 END + CASE present WHEN 1 THEN 0 ELSE 2 END"
        " FROM file WHERE folder_id = ?",
        (folder_id,),
    )
    return {
        path if isinstance(path, str) else os.fsdecode(path): (size, mtime, inode, file_id, state)
        for path, size, mtime, inode, file_id, state in rows
    }


def folders_below(db: Database, tops: Sequence[Path]) -> list[Path]:
    """The known folders at and below these paths, by path."""
    known = (path_from_sql(row[0]) for row in db.query("SELECT path FROM folder"))
    return sorted(path for path in known if any(is_below(path, top) for top in tops))


def photo_at(db: Database, path: Path) -> int | None:
    """The photo that lies, or lay, at a path."""
    found: int | None = db.value("SELECT photo_id FROM file WHERE path = ?", (path_to_sql(path),))
    return found


def photos_in(db: Database, folder: Path) -> tuple[int | None, list[tuple[Path, int]]]:
    """A folder's folder_id, None where it is not known, and its present files whose photo is known: (path, photo_id)."""
    folder_id = db.value("SELECT folder_id FROM folder WHERE path = ?", (path_to_sql(folder),))
    rows = db.query(
        "SELECT path, photo_id FROM file WHERE folder_id = ? AND present = 1 AND photo_id IS NOT NULL AND error IS NULL"
        " ORDER BY path",
        (folder_id,),
    )
    return folder_id, [(path_from_sql(path), photo_id) for path, photo_id in rows]


def all_photos(db: Database) -> Iterator[tuple[Path, int]]:
    """All present files whose photo is known: (path, photo_id)."""
    rows = db.query("SELECT path, photo_id FROM file WHERE present = 1 AND photo_id IS NOT NULL AND error IS NULL")
    return ((path_from_sql(path), photo_id) for path, photo_id in rows)


def present_in(db: Database, folder_id: int) -> list[int]:
    """The file_ids of a folder that were there when it was last seen."""
    return [row[0] for row in db.query("SELECT file_id FROM file WHERE folder_id = ? AND present = 1", (folder_id,))]


def mark_returned(db: Database, run_id: int, file_ids: Iterable[int]) -> None:
    """Files that were gone are back, unchanged."""
    db.execute_many(
        "UPDATE file SET present = 1, seen_run = NULL, since_run = ? WHERE file_id = ?",
        ((run_id, file_id) for file_id in file_ids),
    )


def add_or_update(
    db: Database, run_id: int, folder_id: int, path: Path, stat: Stat, photo_id: int | None, error: str | None
) -> None:
    """Write what lies at a path now: its photo, or why it cannot be read."""
    db.execute(
        "INSERT INTO file (folder_id, path, size, mtime_ns, inode, photo_id, error, since_run) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (path) DO UPDATE SET size = excluded.size, mtime_ns = excluded.mtime_ns, inode = excluded.inode,"
        " photo_id = coalesce(excluded.photo_id, photo_id), error = excluded.error, seen_run = NULL,"
        " since_run = CASE WHEN present = 1 AND photo_id IS coalesce(excluded.photo_id, photo_id)"
        "                  THEN since_run ELSE excluded.since_run END,"
        " present = 1",
        (folder_id, path_to_sql(path), stat.size, stat.mtime_ns, stat.inode, photo_id, error, run_id),
    )


def photo_of(db: Database, file_id: int) -> int | None:
    """The photo that lies, or lay, at a file's place."""
    found: int | None = db.value("SELECT photo_id FROM file WHERE file_id = ?", (file_id,))
    return found


def gone_with_new_places(db: Database, run_id: int) -> list[int]:
    """Files that went missing in earlier runs and whose content appeared at another place in this one."""
    rows = db.query(
        "SELECT DISTINCT g.file_id FROM file n JOIN file g ON g.photo_id = n.photo_id AND g.present = 0"
        " WHERE n.since_run = ? AND n.present = 1 ORDER BY g.file_id",
        (run_id,),
    )
    return [row[0] for row in rows]


def find_moves(db: Database, gone: Sequence[int]) -> list[Move]:
    """Which of the files that are gone lie elsewhere now: same content, at a place where it was not when they were last seen.

    Each new place answers for one old one, of the same name if there is such a one.
    """
    moves: list[Move] = []
    away = set(gone)
    free: dict[int, dict[int, tuple[Path, int]]] = {}  # photo_id -> file_id -> path, since_run; copies may be thousands
    for file_id in gone:
        old = db.one(
            "SELECT f.path, f.photo_id, coalesce(f.seen_run, max(coalesce(d.seen_run, 0), f.since_run))"
            " FROM file f JOIN folder d USING (folder_id) WHERE file_id = ?",
            (file_id,),
        )
        if old is None or old[1] is None:
            continue
        photo_id, last_seen = old[1], old[2]
        if photo_id not in free:
            rows = db.query(
                "SELECT file_id, path, since_run FROM file WHERE photo_id = ? AND present = 1 ORDER BY file_id",
                (photo_id,),
            )
            free[photo_id] = {row[0]: (path_from_sql(row[1]), row[2]) for row in rows if row[0] not in away}
        chosen = _choose(free[photo_id], os.path.basename(path_from_sql(old[0])), last_seen)
        if chosen is not None:
            new_path, _ = free[photo_id].pop(chosen)
            moves.append(Move(file_id, path_from_sql(old[0]), chosen, new_path))
    return moves


def _choose(places: dict[int, tuple[Path, int]], name: str, last_seen: int) -> int | None:
    """A place where the content is since after `last_seen`, best one of that name."""
    first = None
    for looked, (file_id, (path, since)) in enumerate(places.items()):
        if since > last_seen:
            if os.path.basename(path) == name:
                return file_id
            first = file_id if first is None else first
        if first is not None and looked > 100:  # among hundreds of copies of one photo any will do
            break
    return first


def apply_move(db: Database, move: Move) -> None:
    """Let the old row follow its content to the new place, whose own row goes."""
    new = db.one(
        "SELECT folder_id, path, size, mtime_ns, inode, since_run FROM file WHERE file_id = ?", (move.new_file_id,)
    )
    if new is None:
        raise LookupError(f"no file {move.new_file_id}")
    db.execute("DELETE FROM file WHERE file_id = ?", (move.new_file_id,))
    db.execute(
        "UPDATE file SET folder_id = ?, path = ?, size = ?, mtime_ns = ?, inode = ?, since_run = ?, error = NULL,"
        " present = 1, seen_run = NULL WHERE file_id = ?",
        (*new, move.old_file_id),
    )


def mark_gone(db: Database, gone: Iterable[int]) -> None:
    """These files were not found by a walk that saw all there is. Their rows, photos and faces stay."""
    db.execute_many(
        "UPDATE file SET present = 0, seen_run = (SELECT max(coalesce(d.seen_run, 0), file.since_run) FROM folder d"
        " WHERE d.folder_id = file.folder_id) WHERE file_id = ?",
        ((file_id,) for file_id in gone),
    )


def finish_walk(db: Database, root_id: int, run_id: int, seen: Iterable[int], *, whole: bool) -> None:
    """A walk reached its end, of the whole root or of a part of it: these folders were seen in this run."""
    db.execute_many("UPDATE folder SET seen_run = ? WHERE folder_id = ?", ((run_id, folder_id) for folder_id in seen))
    if whole:
        db.execute("UPDATE root SET walked_run = ? WHERE root_id = ?", (run_id, root_id))


# ------------------------------------------------------------------------------------------ files that are none


def other_files(db: Database, root_id: int) -> dict[Path, tuple[int, int]]:
    """Files of a root that were looked at and are no photographs: path -> (size, mtime_ns)."""
    rows = db.query("SELECT path, size, mtime_ns FROM other_file WHERE root_id = ?", (root_id,))
    return {path_from_sql(path): (size, mtime) for path, size, mtime in rows}


def add_other_files(db: Database, root_id: int, found: Iterable[tuple[Path, Stat, str]]) -> None:
    """Remember (path, stat, reason) of files that are no photographs."""
    db.execute_many(
        "INSERT OR REPLACE INTO other_file (path, root_id, size, mtime_ns, reason) VALUES (?, ?, ?, ?, ?)",
        ((path_to_sql(path), root_id, stat.size, stat.mtime_ns, reason) for path, stat, reason in found),
    )


def remove_other_files(db: Database, paths: Iterable[Path]) -> None:
    """Forget such files, which are gone or have become photographs."""
    db.execute_many("DELETE FROM other_file WHERE path = ?", ((path_to_sql(path),) for path in paths))
