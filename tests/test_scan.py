"""What a scan promises about files: nothing is opened twice, nothing vanishes by accident, moves cost nothing."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from conftest import FAKE, Library, draw
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from facelib.errors import NoLibraryError, UsageError
from facelib.models import Stat
from facelib.progress import Silent, Stop
from facelib.stages import hashing, scan
from facelib.store import files, runs

Make = Callable[..., Path]
FIVE = {f"{year}/{name}.png": ("red",) for year, name in [(1, "a"), (1, "b"), (2, "c"), (2, "d"), (2, "e")]}


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths that were hashed, in order."""
    seen: list[str] = []
    real = hashing.hash_file

    def spy(path: str, expected: Stat) -> hashing.Hashed:
        seen.append(path)
        return real(path, expected)

    monkeypatch.setattr(hashing, "hash_file", spy)
    return seen


def test_new_files_become_photos_and_their_faces_are_found(db: Library, library: Make) -> None:
    root = library({"a.png": ("red", "blue"), "b.png": ()})
    summary = db.scan(root)
    assert (summary.files, summary.new, summary.complete) == (2, 2, True)
    found = db.detect()
    assert (found.done, found.faces, found.with_faces, found.complete) == (2, 2, 1, True)
    assert db.rows('SELECT "left", top, "right", bottom, source FROM faces_v1 ORDER BY 1') == [
        (10, 30, 41, 71, None),
        (55, 30, 86, 71, None),
    ]


def test_an_unchanged_library_is_not_opened(db: Library, library: Make, opened: list[str]) -> None:
    root = library(FIVE)
    db.scan(root)
    db.detect()
    opened.clear()
    summary = db.scan()
    assert opened == []
    assert (summary.unchanged, summary.changes()) == (5, 0)
    assert db.detect().due == 0


def test_a_photo_without_faces_is_not_due_again(db: Library, library: Make) -> None:
    db.scan(library({"empty.png": ()}))
    assert db.detect().done == 1
    assert db.detect().due == 0


def test_a_moved_folder_keeps_its_files_and_costs_no_detection(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    db.detect()
    ids = dict(db.rows("SELECT f.file_id, p.sha256 FROM file f JOIN photo p USING (photo_id)"))
    (root / "2").rename(root / "two")
    summary = db.scan()
    assert (summary.moved, summary.copied, summary.gone, summary.new) == (3, 0, 0, 0)
    assert db.paths() == sorted(str(root / p) for p in ("1/a.png", "1/b.png", "two/c.png", "two/d.png", "two/e.png"))
    assert db.paths(present=0) == []
    assert dict(db.rows("SELECT f.file_id, p.sha256 FROM file f JOIN photo p USING (photo_id)")) == ids
    assert db.detect().due == 0


def test_moving_half_the_library_is_no_loss(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    (root / "2").rename(root / "1" / "2")
    summary = db.scan()
    assert (summary.moved, summary.problems) == (3, [])


def test_a_copy_is_a_second_place_of_the_same_photo(db: Library, library: Make) -> None:
    root = library({"a.png": ("red",)})
    db.scan(root)
    db.detect()
    shutil.copy(root / "a.png", root / "b.png")
    summary = db.scan()
    assert (summary.copied, summary.moved, summary.new) == (1, 0, 0)
    assert db.detect().due == 0
    assert db.rows("SELECT copies, faces FROM photos_v1") == [(2, 1)]


def test_a_copy_whose_original_then_goes_is_not_called_a_move(db: Library, library: Make) -> None:
    root = library({"a.png": ("red",), **FIVE})
    db.scan(root)
    shutil.copy(root / "a.png", root / "b.png")
    db.scan()
    (root / "a.png").unlink()
    summary = db.scan()
    assert (summary.gone, summary.moved) == (1, 0)


def test_a_move_is_seen_across_roots(db: Library, library: Make) -> None:
    one, two = library(FIVE, name="one"), library({"x.png": ("blue",)}, name="two")
    db.scan(one, two)
    (one / "1/a.png").rename(two / "a.png")
    summary = db.scan()
    assert (summary.moved, summary.gone) == (1, 0)
    assert str(two / "a.png") in db.paths()


def test_a_move_that_an_interrupted_run_saw_half_of_is_still_a_move(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    (root / "1/a.png").rename(root / "2/z.png")
    # The interrupted run wrote the new place, and never got to what is gone.
    run_id = runs.start(db.db, "scan")
    moved = files.known_in(db.db, files.folders(db.db, 1)[str(root / "1")])[str(root / "1/a.png")]
    photo = files.photo_of(db.db, moved[3])
    status = (root / "2/z.png").stat()
    with db.db.atomic():
        files.add_or_update(
            db.db, run_id, files.folders(db.db, 1)[str(root / "2")], str(root / "2/z.png"),
            Stat(status.st_size, status.st_mtime_ns, status.st_ino), photo, None,
        )  # fmt: skip
    summary = db.scan()
    assert (summary.moved, summary.gone) == (1, 0)
    assert db.paths(present=0) == []


def test_an_edited_file_keeps_its_row_and_gets_a_new_photo(db: Library, library: Make) -> None:
    root = library({"a.png": ("red",)})
    db.scan(root)
    before = db.rows("SELECT file_id, photo_id FROM file")[0]
    draw(root / "a.png", ("red",), seed=99)
    summary = db.scan()
    after = db.rows("SELECT file_id, photo_id FROM file")[0]
    assert summary.edited == 1
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_touched_file_is_hashed_once_and_is_the_same_photo(db: Library, library: Make, opened: list[str]) -> None:
    root = library({"a.png": ("red",)})
    db.scan(root)
    os.utime(root / "a.png", ns=(1, 1))
    opened.clear()
    assert db.scan().changes() == 0
    assert len(opened) == 1
    opened.clear()
    db.scan()
    assert opened == []


def test_a_deleted_file_is_marked_and_its_faces_stay(db: Library, library: Make) -> None:
    root = library({f"{i}.png": ("red",) for i in range(10)})
    db.scan(root)
    db.detect()
    (root / "3.png").unlink()
    assert db.scan().gone == 1
    assert db.paths(present=0) == [str(root / "3.png")]
    assert db.rows("SELECT count(*) FROM faces_v1") == [(10,)]


def test_a_file_that_comes_back_is_not_opened(db: Library, library: Make, opened: list[str]) -> None:
    root = library({f"{i}.png": ("red",) for i in range(10)})
    db.scan(root)
    (root / "3.png").rename(root.parent / "aside.png")
    db.scan()
    (root.parent / "aside.png").rename(root / "3.png")
    opened.clear()
    assert db.scan().returned == 1
    assert opened == []
    assert len(db.paths()) == 10


def test_a_file_gone_in_one_run_and_found_elsewhere_in_a_later_one_has_moved(db: Library, library: Make) -> None:
    root = library({f"{i}.png": ("red",) for i in range(10)})
    db.scan(root)
    (root / "3.png").rename(root.parent / "aside.png")
    db.scan()
    (root.parent / "aside.png").rename(root / "elsewhere.png")
    assert db.scan().moved == 1
    assert db.paths(present=0) == []


def test_two_files_that_swap_names_swap_photos(db: Library, library: Make) -> None:
    root = library({"a.png": ("red",), "b.png": ("blue",)})
    db.scan(root)
    before = dict(db.rows("SELECT path, sha256 FROM files_v1"))
    (root / "a.png").rename(root / "t")
    (root / "b.png").rename(root / "a.png")
    (root / "t").rename(root / "b.png")
    db.scan()
    after = dict(db.rows("SELECT path, sha256 FROM files_v1"))
    assert after[str(root / "a.png")] == before[str(root / "b.png")]
    assert after[str(root / "b.png")] == before[str(root / "a.png")]
    assert db.rows("SELECT count(*) FROM edit") == [(0,)]


# ------------------------------------------------------------------------------------------------------ losses


def test_a_missing_root_loses_nothing(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    root.rename(root.parent / "unmounted")
    summary = db.scan()
    assert "not there" in summary.problems[0][1]
    assert summary.gone == 0
    assert len(db.paths()) == 5
    (root.parent / "unmounted").rename(root)
    assert db.scan().problems == []


def test_a_missing_root_is_given_up_when_confirmed(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    shutil.rmtree(root)
    assert db.scan(confirm_missing=True).gone == 5
    assert db.paths() == []


def test_an_empty_root_that_held_files_loses_nothing(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    shutil.rmtree(root)
    root.mkdir()
    summary = db.scan()
    assert "empty" in summary.problems[0][1]
    assert len(db.paths()) == 5


def test_a_great_loss_is_reported_and_accepted_only_when_confirmed(db: Library, library: Make) -> None:
    root = library({f"{i}.png": ("red",) for i in range(10)})
    db.scan(root)
    for i in range(3):
        (root / f"{i}.png").unlink()
    assert "3 of its 10 files (30%)" in db.scan().problems[0][1]
    assert len(db.paths()) == 10
    assert db.rows("SELECT problem IS NOT NULL FROM root") == [(1,)]
    assert db.scan(confirm_missing=True).gone == 3
    assert len(db.paths()) == 7
    assert db.scan().problems == []


def test_the_share_that_counts_as_a_great_loss_is_an_option(db: Library, library: Make) -> None:
    root = library({f"{i}.png": ("red",) for i in range(10)})
    db.scan(root)
    for i in range(3):
        (root / f"{i}.png").unlink()
    run_id = runs.start(db.db, "scan")
    summary = scan.run(db.db, run_id, [], replace(FAKE.walk, max_loss=0.5), Silent(), Stop())
    assert (summary.gone, summary.problems) == (3, [])


def test_a_folder_that_cannot_be_listed_keeps_its_files(
    db: Library, library: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = library({**FIVE, **{f"{i}.png": () for i in range(20)}})
    db.scan(root)
    real = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/2"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", refuse)
    summary = db.scan()
    assert summary.gone == 0
    assert summary.unreadable == [(str(root / "2"), "the folder cannot be listed: Permission denied")]
    assert len(db.paths()) == 25


def test_an_interrupted_walk_says_nothing_about_what_is_gone(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    (root / "1/a.png").unlink()
    run_id = runs.start(db.db, "scan")
    summary = scan.run(db.db, run_id, [], FAKE.walk, Silent(), Stop(deadline=time.monotonic() - 1))
    assert (summary.complete, summary.gone) == (False, 0)
    assert len(db.paths()) == 5


# --------------------------------------------------------------------------------------------------- odd moments


def test_a_file_that_changes_while_it_is_read_is_left_for_the_next_run(
    db: Library, library: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = library({"a.png": ("red",)})
    monkeypatch.setattr(hashing, "hash_file", lambda path, expected: hashing.Hashed(expected, unsettled=True))
    assert db.scan(root).unsettled == 1
    assert db.paths() == []
    monkeypatch.undo()
    assert db.scan(root).new == 1


def test_a_growing_file_is_noticed_by_the_second_stat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"x" * 10)
    real, calls = os.fstat, []

    def fstat(descriptor: int) -> os.stat_result:
        calls.append(descriptor)
        if len(calls) == 2:
            with path.open("ab") as stream:
                stream.write(b"y")
        return real(descriptor)

    monkeypatch.setattr(os, "fstat", fstat)
    assert hashing.hash_file(str(path), Stat(10, 0, 0)).unsettled


def test_an_unreadable_file_is_a_row_with_a_reason_and_is_tried_again(
    db: Library, library: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = library({"a.png": ("red",), "b.png": ("blue",)})
    real = os.open

    def refuse(path: str, *rest: int, **more: int) -> int:
        if str(path).endswith("a.png"):
            raise PermissionError(13, "Permission denied", path)
        return real(path, *rest, **more)

    monkeypatch.setattr(os, "open", refuse)
    summary = db.scan(root)
    assert summary.unreadable == [(str(root / "a.png"), "the file cannot be read: Permission denied")]
    assert db.rows("SELECT path, error FROM files_v1 WHERE error IS NOT NULL") == [
        (str(root / "a.png"), "the file cannot be read: Permission denied")
    ]
    monkeypatch.undo()
    assert db.scan().new == 1
    assert db.rows("SELECT count(*) FROM files_v1 WHERE error IS NOT NULL") == [(0,)]


def test_inodes_that_change_at_every_mount_are_distrusted_after_proof(
    db: Library, library: Make, opened: list[str]
) -> None:
    root = library({f"{i}.png": () for i in range(25)})
    db.scan(root)
    for _ in range(2):
        with db.db.atomic():
            db.db.execute("UPDATE file SET inode = inode + 1")
        opened.clear()
        db.scan()
    assert opened == []  # the first time all were read, and proved the numbers worthless
    assert db.rows("SELECT trust_inodes FROM root") == [(0,)]


def test_a_replaced_file_of_the_same_size_and_time_is_noticed_by_its_inode(db: Library, library: Make) -> None:
    root = library({"a.bmp": ("red",), "b.bmp": ("blue",)})
    draw(root / "a.bmp", ("red",), format="BMP")
    draw(root / "b.bmp", ("blue",), format="BMP")
    for name in ("a.bmp", "b.bmp"):
        os.utime(root / name, ns=(5, 5))
    db.scan(root)
    os.replace(root / "b.bmp", root / "a.bmp")
    summary = db.scan()
    assert (summary.edited, summary.moved) == (1, 1)
    assert db.paths() == [str(root / "a.bmp")]


def test_pictures_facelib_does_not_read_are_remembered_with_the_reason(db: Library, library: Make) -> None:
    root = library({"a.png": ()})
    (root / "b.NEF").write_bytes(b"raw")
    (root / "noending").write_bytes(b"text")
    (root / "notes.txt").write_bytes(b"text")
    summary = db.scan(root)
    assert summary.unread_pictures == 1
    assert summary.passed_by["not photographs"] == 1
    assert db.rows("SELECT path, reason FROM other_file ORDER BY path") == [
        (str(root / "b.NEF"), "a picture of a kind that facelib does not read (camera RAW)"),
        (str(root / "noending"), "not a picture"),
    ]
    (root / "b.NEF").unlink()
    db.scan()
    assert db.rows("SELECT count(*) FROM other_file") == [(1,)]


def test_a_photograph_without_an_ending_is_known_by_its_first_bytes(
    db: Library, library: Make, opened: list[str]
) -> None:
    root = library({"IMG_0001": ("red",)})
    assert db.scan(root).new == 1
    opened.clear()
    assert db.scan().unchanged == 1
    assert opened == []


# --------------------------------------------------------------------------------------------------------- roots


def test_scanning_without_a_root_says_what_to_do(db: Library) -> None:
    with pytest.raises(NoLibraryError, match="name a folder"):
        db.scan()


@pytest.mark.parametrize("name", ["missing", "file.png"])
def test_a_path_that_is_no_folder_is_refused(db: Library, library: Make, name: str) -> None:
    root = library({"file.png": ()})
    with pytest.raises(UsageError, match=name):
        db.scan(root / name)
    assert db.rows("SELECT count(*) FROM root") == [(0,)]


def test_a_part_of_a_root_is_walked_alone(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    (root / "1/a.png").unlink()
    (root / "2/c.png").rename(root / "2/cc.png")
    summary = db.scan(root / "2")
    assert (summary.moved, summary.gone, summary.files) == (1, 0, 3)
    assert str(root / "1/a.png") in db.paths()


def test_a_root_around_a_root_takes_its_files_over(db: Library, library: Make, opened: list[str]) -> None:
    root = library(FIVE)
    db.scan(root / "2")
    opened.clear()
    summary = db.scan(root)
    assert (summary.new, summary.unchanged) == (2, 3)
    assert sorted(opened) == [str(root / "1/a.png"), str(root / "1/b.png")]
    assert db.rows("SELECT path FROM root") == [(str(root),)]


def test_a_root_named_twice_or_over_a_link_is_walked_once(db: Library, library: Make) -> None:
    root = library(FIVE)
    (root.parent / "link").symlink_to(root)
    assert db.scan(root, root / "1", root.parent / "link").files == 5


def test_a_root_that_is_mounted_elsewhere_is_known_again(db: Library, library: Make, opened: list[str]) -> None:
    root = library(FIVE)
    db.scan(root)
    db.detect()
    there = root.parent / "media" / "disk"
    there.parent.mkdir()
    root.rename(there)
    opened.clear()
    summary = db.scan(there)
    assert opened == []
    assert summary.relocated == [(str(root), str(there))]
    assert (summary.unchanged, summary.changes()) == (5, 0)
    assert db.rows("SELECT root_id, path FROM root") == [(1, str(there))]
    assert all(path.startswith(str(there)) for path in db.paths())


def test_a_copy_of_a_root_is_a_root_of_its_own(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    shutil.copytree(root, root.parent / "backup")
    assert db.scan(root.parent / "backup").copied == 5
    assert db.rows("SELECT count(*) FROM root") == [(2,)]


def test_another_picture_under_the_name_of_a_gone_one_is_new_and_no_edit(db: Library, library: Make) -> None:
    root = library({f"{i}.png": () for i in range(10)})
    db.scan(root)
    (root / "3.png").unlink()
    db.scan()
    draw(root / "3.png", ("blue",), seed=77)  # the camera's counter began anew
    summary = db.scan()
    assert (summary.new, summary.edited) == (1, 0)
    assert db.rows("SELECT count(*) FROM edit") == [(0,)]


def test_a_file_restored_from_a_backup_is_back_again(db: Library, library: Make) -> None:
    root = library({f"{i}.png": () for i in range(10)})
    db.scan(root)
    shutil.copy2(root / "3.png", root.parent / "backup.png")
    (root / "3.png").unlink()
    db.scan()
    shutil.copy2(root.parent / "backup.png", root / "3.png")  # another inode
    summary = db.scan()
    assert (summary.returned, summary.new, summary.copied) == (1, 0, 0)


def test_copies_that_are_gone_together_do_not_move_onto_each_other(db: Library, library: Make) -> None:
    one, two = library(FIVE, name="one"), library({f"{i}.jpg": () for i in range(9)}, name="two")
    db.scan(one, two)
    shutil.copy(one / "1/a.png", two / "copy.png")
    db.scan(two)
    (one / "1/a.png").unlink()
    (two / "copy.png").unlink()
    summary = db.scan()
    assert (summary.moved, summary.gone) == (0, 2)
    assert db.scan().changes() == 0


def test_copies_gone_now_and_earlier_move_to_a_place_each(db: Library, library: Make) -> None:
    root = library({f"{i}.png": () for i in range(20)})
    shutil.copy(root / "1.png", root / "dup.png")
    db.scan(root)
    (root / "dup.png").rename(root.parent / "aside.png")
    db.scan()
    (root / "new").mkdir()
    (root / "1.png").rename(root / "new" / "a.png")
    (root.parent / "aside.png").rename(root / "new" / "b.png")
    summary = db.scan()
    assert (summary.moved, summary.copied, summary.gone) == (2, 0, 0)
    assert db.paths(present=0) == []


def test_thousands_of_copies_move_in_one_go(db: Library, library: Make) -> None:
    root = library({"a.png": ()})
    content = (root / "a.png").read_bytes()
    for i in range(1500):
        (root / f"copy{i}.png").write_bytes(content)
    db.scan(root)
    (root / "sub").mkdir()
    for path in root.glob("copy*.png"):
        path.rename(root / "sub" / path.name)
    assert db.scan().moved == 1500


def test_a_root_that_was_given_up_is_not_told_again(db: Library, library: Make) -> None:
    root, other = library(FIVE), library({"x.png": ()}, name="other")
    db.scan(root, other)
    shutil.rmtree(root)
    db.scan(confirm_missing=True)
    assert db.scan().problems == []


def test_a_part_of_a_root_says_nothing_about_the_rest(db: Library, library: Make) -> None:
    root = library({**{f"a/{i}.png": () for i in range(5)}, **{f"b/{i}.jpg": () for i in range(5)}})
    db.scan(root)
    shutil.rmtree(root / "a")
    assert db.scan().problems
    assert db.scan(root / "b").problems == []
    assert db.rows("SELECT problem IS NOT NULL FROM root") == [(1,)]


def test_a_part_that_never_was_is_a_typo_and_one_that_was_is_missing(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    with pytest.raises(UsageError, match="no such folder"):
        db.scan(root / "typo")
    with pytest.raises(UsageError, match="is a file; name the folder it is in"):
        db.scan(root / "1" / "a.png")
    shutil.rmtree(root / "1")
    assert "not there" in db.scan(root / "1").problems[0][1]


def test_a_backup_is_not_taken_for_a_disk_that_is_not_mounted(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    shutil.copytree(root, root.parent / "backup")
    root.rename(root.parent / "unplugged")
    root.mkdir()
    summary = db.scan(root.parent / "backup")
    assert (summary.relocated, summary.copied) == ([], 5)
    root.rmdir()
    (root.parent / "unplugged").rename(root)
    draw(root / "new.png", (), seed=88)
    assert db.scan().new == 1


def test_a_root_around_a_known_one_is_no_remount(db: Library, library: Make) -> None:
    root = library(FIVE)
    db.scan(root)
    there = root.parent / "elsewhere"
    root.rename(there)
    db.scan(there / "1")
    assert db.scan(there).complete
    assert len([path for path in db.paths() if path.startswith(str(there))]) == 5


# ----------------------------------------------------------------------------------------------- the invariant

Step = st.sampled_from(["add", "copy", "move", "delete", "edit", "restore"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.lists(st.tuples(Step, st.integers(0, 50)), max_size=6), min_size=1, max_size=4))
def test_whatever_happens_between_scans_the_paths_are_those_on_disk(
    tmp_path_factory: pytest.TempPathFactory, steps: list[list[tuple[str, int]]]
) -> None:
    """Any nights of adding, copying, moving, deleting, editing: afterwards each path has the photo that lies there, and no
    photo was ever lost."""
    base = tmp_path_factory.mktemp("invariant")
    root, aside = base / "library", base / "aside"
    aside.mkdir()
    db = Library(base / "facelib.db")
    for index in range(5):
        draw(root / f"{index % 2}" / f"{index}.png", (), seed=index)
    counter = 5
    digests: set[object] = set()
    for night in [[], *steps]:
        for step, number in night:
            counter += 1
            present = sorted(root.rglob("*.png"))
            chosen = present[number % len(present)] if present else None
            target = root / f"{number % 3}" / f"{counter}.png"
            target.parent.mkdir(exist_ok=True)
            if step == "add" or chosen is None:
                draw(target, (), seed=counter)
            elif step == "copy":
                shutil.copy2(chosen, target)
            elif step == "move":
                chosen.rename(target)
            elif step == "delete":
                chosen.rename(aside / f"{counter}.png")
            elif step == "edit":
                draw(chosen, (), seed=counter)
            elif step == "restore":
                kept = sorted(aside.iterdir())
                if kept:
                    kept[number % len(kept)].rename(target)
        db.scan(root, confirm_missing=True)
        on_disk = {str(path): hashing.hash_file(str(path), Stat(0, 0, 0)).sha256 for path in root.rglob("*.png")}
        assert dict(db.rows("SELECT path, sha256 FROM files_v1 WHERE present = 1")) == on_disk
        now = {row[0] for row in db.rows("SELECT sha256 FROM photo")}
        assert digests <= now
        digests = now
        assert db.rows("SELECT count(*) FROM files_v1 WHERE last_seen IS NULL") == [(0,)]
    db.db.close()
