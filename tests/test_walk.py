"""What a walk promises: every photograph once, in a set order, and nothing that is none of the user's photographs."""

from __future__ import annotations

import itertools
import os
import socket
from pathlib import Path

import pytest

from facelib.config import WalkOptions
from facelib.errors import ConfigError
from facelib.stages import walk
from facelib.stages.walk import Listing, Walk, has_ending, reason_for_other


@pytest.fixture
def top(tmp_path: Path) -> Path:
    folder = tmp_path / "library"
    folder.mkdir()
    return folder


def make(top: Path, *names: str | bytes) -> None:
    """Files (or folders, where the name ends in a slash) with all that is above them."""
    for name in names:
        path = os.path.join(os.fsencode(top), os.fsencode(name))
        if path.endswith(b"/"):
            os.makedirs(path, exist_ok=True)
        else:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "wb") as stream:
                stream.write(b"x")


def relative(top: Path, path: str) -> str:
    return os.path.relpath(path, top)


def photos(top: Path, **options: object) -> list[str]:
    """The photographs of a walk, in its order, relative to its top."""
    return [relative(top, row[0]) for listing in Walk(str(top), WalkOptions(**options)) for row in listing.photos]  # type: ignore[arg-type]


def whole(top: Path, **options: object) -> tuple[Walk, list[Listing]]:
    """A walk that has come to its end, and what it listed."""
    walked = Walk(str(top), WalkOptions(**options))  # type: ignore[arg-type]
    return walked, list(itertools.islice(walked, 1000))  # a walk in circles ends here, and fails


# ---- what is a photograph


def test_photographs_are_known_by_their_ending_in_any_case(top: Path) -> None:
    names = [
        "a.jpg",
        "b.JPEG",
        "c.Png",
        "d.webp",
        "e.TIF",
        "f.tiff",
        "g.gif",
        "h.bmp",
        "i.heic",
        "j.HEIF",
        "k.avif",
        "l.mpo",
    ]
    make(top, *names)
    assert photos(top) == names


def test_other_pictures_and_files_without_an_ending_are_listed_apart(top: Path) -> None:
    make(top, "a.cr2", "b.JXL", "c", ".hidden", "d.txt", "e.jpg.part", "f.jpg~", "g.")
    walked, (listing,) = whole(top)
    assert listing.photos == []
    assert [relative(top, row[0]) for row in listing.others] == [".hidden", "a.cr2", "b.JXL", "c"]
    assert walked.passed_by == {"not photographs": 4}


def test_a_row_is_what_the_disk_says(top: Path) -> None:
    make(top, "a.jpg")
    os.utime(top / "a.jpg", ns=(1, 1_234_567_890_123_456_789))
    (listing,) = Walk(str(top), WalkOptions())
    assert listing.path == str(top)
    assert listing.photos == [(str(top / "a.jpg"), 1, 1_234_567_890_123_456_789, (top / "a.jpg").stat().st_ino)]


def test_inodes_of_64_bits_fit_into_the_database() -> None:
    assert [walk.signed_inode(n) for n in (0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)] == [
        0, 1, (1 << 63) - 1, -(1 << 63), -1,
    ]  # fmt: skip


def test_hidden_photographs_are_photographs_and_system_files_are_not(top: Path) -> None:
    make(top, ".hidden.jpg", "._resource.jpg", ".trashed-1700000000-a.jpg", ".pending-1700000000-a.jpg", "_ok.jpg")
    walked, (listing,) = whole(top)
    assert [relative(top, row[0]) for row in listing.photos] == [".hidden.jpg", "_ok.jpg"]
    assert walked.passed_by == {"system files": 3}


@pytest.mark.parametrize(
    ("name", "start", "reason"),
    [
        ("/a/b.CR2", None, "a picture of a kind that facelib does not read (camera RAW)"),
        ("/a/b.jxl", None, "a picture of a kind that facelib does not read (JPEG XL)"),
        ("/a/b", b"text", "not a picture"),
        ("/a/psd", b"text", "not a picture"),
    ],
)
def test_other_files_have_a_reason(name: str, start: bytes | None, reason: str) -> None:
    assert reason_for_other(name, start) == reason


@pytest.mark.parametrize(
    ("name", "ending"), [("a.jpg", True), ("a", False), (".hidden", False), (".a.b", True), ("a.", True)]
)
def test_a_leading_dot_is_no_ending(name: str, ending: bool) -> None:
    assert has_ending(f"/some.where/{name}") is ending


# ---- folders that are passed by


def test_trash_thumbnails_and_hidden_folders_are_not_entered(top: Path) -> None:
    skipped = [
        ".picasaoriginals", ".thumbnails", ".Trash-1000", ".git", "@eaDir", "@EADIR", "$RECYCLE.BIN", "$Recycle.Bin", "RECYCLER",
        "#recycle", "@Recycle", "System Volume Information", "lost+found", "__MACOSX", "Trash", "trash",
    ]  # fmt: skip
    make(top, *(f"{name}/a.jpg" for name in skipped), "Trash can/a.jpg", "eaDir/a.jpg", "2015/@eaDir/a.jpg")
    walked, _ = whole(top)
    assert photos(top) == ["Trash can/a.jpg", "eaDir/a.jpg"]
    assert walked.passed_by == {"hidden and trash folders": len(skipped) + 1}


def test_a_hidden_folder_is_walked_when_it_is_what_was_asked_for(tmp_path: Path) -> None:
    hidden = tmp_path / ".pictures" / "Trash"
    make(hidden, "a.jpg")
    assert photos(hidden) == ["a.jpg"]


# ---- symbolic links


def test_links_are_passed_by(top: Path, tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/b.jpg", "c.jpg")
    make(top, "a.jpg")
    (top / "folder").symlink_to(tmp_path / "elsewhere")
    (top / "file.jpg").symlink_to(tmp_path / "c.jpg")
    (top / "broken.jpg").symlink_to(tmp_path / "nowhere")
    (top / "folder.jpg").symlink_to(tmp_path / "elsewhere")
    (top / "note.txt").symlink_to(tmp_path / "nowhere")
    walked, listings = whole(top)
    assert [relative(top, row[0]) for listing in listings for row in listing.photos] == ["a.jpg"]
    assert [row for listing in listings for row in listing.others] == []
    assert walked.passed_by == {"symbolic links": 5}
    assert walked.unreadable == []


def test_links_are_followed_where_that_is_wanted(top: Path, tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/b.jpg", "c.jpg")
    make(top, "a.jpg")
    (top / "folder").symlink_to(tmp_path / "elsewhere")
    (top / "file.jpg").symlink_to(tmp_path / "c.jpg")
    assert photos(top, follow_symlinks=True) == ["a.jpg", "file.jpg", "folder/b.jpg"]


def test_links_in_a_circle_end(top: Path, tmp_path: Path) -> None:
    make(top, "2015/a.jpg", "2016/b.jpg")
    (top / "2015" / "up").symlink_to(top)
    (top / "2015" / "self").symlink_to(top / "2015")
    (top / "2016" / "over").symlink_to(top / "2015")
    (top / "2016" / "nowhere").symlink_to(top / "2016" / "nowhere")  # a link to itself
    _, listings = whole(top, follow_symlinks=True)
    assert [relative(top, row[0]) for listing in listings for row in listing.photos] == ["2015/a.jpg", "2016/b.jpg"]
    assert len({listing.path for listing in listings}) == len(listings) == 3


def test_a_folder_that_two_links_lead_to_is_walked_once(top: Path, tmp_path: Path) -> None:
    make(tmp_path, "elsewhere/b.jpg")
    for name in ("one", "two"):
        (top / name).symlink_to(tmp_path / "elsewhere")
    assert photos(top, follow_symlinks=True) == ["one/b.jpg"]


# ---- what the user does not want


def test_an_ignore_file_has_the_rules_of_gitignore(top: Path) -> None:
    make(top, "a.jpg", "a.png", "keep.png", "2015/a.jpg", "drafts/a.jpg", "2015/drafts/a.jpg", "deep/er/cache/a.jpg")
    make(top, "only-here.jpg", "2015/only-here.jpg", "with space.jpg", "#hash.jpg", "!bang.jpg", "back\\slash.jpg")
    make(top, "a1.gif", "a2.gif", "a3.gif")
    (top / ".facelibignore").write_text(
        "# a comment, and an empty line\n\n*.png\n!keep.png\ndrafts/\n/only-here.jpg\nwith\\ space.jpg\ndeep/**/cache\n"
        "\\#hash.jpg\n\\!bang.jpg\na[12].gif\nback\\\\slash.jpg\n"
    )
    walked, _ = whole(top)
    assert photos(top) == ["a.jpg", "a3.gif", "keep.png", "2015/a.jpg", "2015/only-here.jpg"]
    assert walked.passed_by["ignored"] == 11


def test_a_nested_ignore_file_goes_before_the_outer_one(top: Path) -> None:
    make(top, "a.png", "2015/a.png", "2015/b.png", "2015/sub/a.png", "2015/sub/a.jpg", "2016/a.png")
    (top / ".facelibignore").write_text("*.png\n")
    (top / "2015/.facelibignore").write_text("!a.png\n")
    (top / "2015/sub/.facelibignore").write_text("/a.*\n")
    assert photos(top) == ["2015/a.png"]


def test_what_lies_in_an_ignored_folder_cannot_be_wanted_back(top: Path) -> None:
    make(top, "out/a.jpg", "in/a.jpg")
    (top / ".facelibignore").write_text("out/\n!out/a.jpg\n")
    (top / "out/.facelibignore").write_text("!a.jpg\n")
    assert photos(top) == ["in/a.jpg"]


def test_a_pattern_that_ends_in_a_slash_means_folders_only(top: Path) -> None:
    make(top, "x.jpg", "2015/x.jpg/a.jpg")
    (top / ".facelibignore").write_text("x.jpg/\n")
    assert photos(top) == ["x.jpg"]


def test_everything_may_be_ignored_but_some(top: Path) -> None:
    make(top, "a.jpg", "2015/a.jpg", "2016/a.jpg")
    (top / ".facelibignore").write_text("/*\n!/2016\n")
    assert photos(top) == ["2016/a.jpg"]


def test_the_configuration_ignores_too_and_files_go_before_it(top: Path) -> None:
    make(top, "a.jpg", "b.jpg", "2015/a.jpg", "2015/b.jpg")
    assert photos(top, ignore=("a.jpg", "/b.jpg")) == ["2015/b.jpg"]
    (top / "2015/.facelibignore").write_text("!a.jpg\n")
    assert photos(top, ignore=("a.jpg", "/b.jpg")) == ["2015/a.jpg", "2015/b.jpg"]


def test_an_ignore_file_may_end_its_lines_as_windows_does(top: Path) -> None:
    make(top, "a.png", "b.gif", "c.jpg")
    (top / ".facelibignore").write_bytes(b"*.png\r\n*.gif\r\n")
    assert photos(top) == ["c.jpg"]


def test_an_ignore_file_may_begin_with_a_byte_order_mark(top: Path) -> None:
    """git passes it over (dir.c, skip_utf8_bom); Notepad writes it."""
    make(top, "a.png", "c.jpg")
    (top / ".facelibignore").write_bytes(b"\xef\xbb\xbf*.png\r\n")
    assert photos(top) == ["c.jpg"]


def test_an_ignore_file_may_name_bytes_that_are_no_text(top: Path) -> None:
    make(top, b"caf\xe9.jpg", b"caf\xe8.jpg")
    (top / ".facelibignore").write_bytes(b"caf\xe9.jpg\n")
    assert photos(top) == [os.fsdecode(b"caf\xe8.jpg")]


def test_an_ignore_file_that_cannot_be_read_is_told_and_the_folder_walked(top: Path) -> None:
    make(top, "a.jpg", ".facelibignore/")
    walked, listings = whole(top)
    assert [relative(top, row[0]) for listing in listings for row in listing.photos] == ["a.jpg"]
    assert walked.unreadable == [(str(top / ".facelibignore"), "the file cannot be read: Is a directory")]


def test_a_pattern_that_is_none_is_an_error_that_says_where(top: Path) -> None:
    (top / ".facelibignore").write_text("!\n")
    with pytest.raises(ConfigError, match=r"\.facelibignore: .*!"):
        whole(top)
    with pytest.raises(ConfigError, match=r"walk\.ignore: .*!"):
        whole(top, ignore=("!",))


# ---- names


HOSTILE = [
    b"caf\xe9.jpg",  # Latin-1
    b"\xff\xfe.jpg",
    b"new\nline.jpg",
    b"tab\tand\rreturn.jpg",
    b"quote'double\"back`.jpg",
    b"-rf.jpg",
    b"--db=x.jpg",
    b"\xf0\x9f\x8e\x82\xf0\x9f\x91\xa8\xe2\x80\x8d\xf0\x9f\x91\xa9.jpg",  # cake; a man and a woman joined
    b"a" * 251 + b".jpg",  # 255 bytes, the longest a name can be
    b" leading and trailing .jpg",
    b"percent%20%s{0}$HOME;rm.jpg",
    b"back\\slash.jpg",
    b"...jpg",
    b"e\xcc\x81 decomposed.jpg",
    b"\xe2\x80\xaeright to left.jpg",
    b"\x1b[31mred.jpg",
]


def test_hostile_names_are_walked_and_come_back_byte_for_byte(top: Path) -> None:
    make(top, *HOSTILE, *(b"in " + name.removesuffix(b".jpg") + b"/" + name for name in HOSTILE if len(name) < 250))
    found = [row[0] for listing in Walk(str(top), WalkOptions(ignore=("*.png",))) for row in listing.photos]
    assert sorted(os.path.basename(os.fsencode(path)) for path in found) == sorted(
        [*HOSTILE, *(name for name in HOSTILE if len(name) < 250)]
    )
    assert all(os.path.exists(path) for path in found)


def test_a_top_whose_name_is_no_text_is_walked(tmp_path: Path) -> None:
    top = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(top)
    with open(top + b"/a.jpg", "wb"):
        pass
    (listing,) = Walk(os.fsdecode(top), WalkOptions())
    assert [os.fsencode(row[0]) for row in listing.photos] == [top + b"/a.jpg"]


def test_a_folder_with_the_name_of_a_photograph_is_a_folder(top: Path) -> None:
    make(top, "holiday.jpg/a.jpg", "raw.cr2/b.jpg", "notes.txt/c.jpg")
    walked, listings = whole(top)
    assert photos(top) == ["holiday.jpg/a.jpg", "notes.txt/c.jpg", "raw.cr2/b.jpg"]
    assert [row for listing in listings for row in listing.others] == []
    assert walked.passed_by == {}


# ---- things that are neither files nor folders


def test_pipes_and_sockets_are_passed_by(tmp_path: Path) -> None:
    top = tmp_path / "l"  # the path of a socket may have 107 bytes
    top.mkdir()
    make(top, "a.jpg")
    for name in ("pipe.jpg", "pipe", "pipe.txt"):
        os.mkfifo(top / name)
    before = os.getcwd()
    os.chdir(top)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("socket.jpg")
            walked, (listing,) = whole(top)
    finally:
        os.chdir(before)
    assert [relative(top, row[0]) for row in listing.photos] == ["a.jpg"]
    assert listing.others == []
    assert walked.passed_by == {"not photographs": 4}


# ---- what cannot be looked at


def test_a_folder_that_cannot_be_listed_is_told_and_the_rest_walked(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(top, "2014/a.jpg", "2015/a.jpg", "2016/a.jpg")
    real = os.scandir

    def scandir(path: str) -> object:
        if path == str(top / "2015"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(walk.os, "scandir", scandir)
    walked, listings = whole(top)
    assert [relative(top, row[0]) for listing in listings for row in listing.photos] == ["2014/a.jpg", "2016/a.jpg"]
    assert walked.unreadable == [(str(top / "2015"), "the folder cannot be listed: Permission denied")]
    assert str(top / "2015") not in [listing.path for listing in listings]  # nothing is said about it


def test_a_disk_that_fails_in_the_middle_of_a_folder_is_told(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(top, "2015/a.jpg", "2015/b.jpg")
    real = os.scandir

    class Failing:
        def __init__(self, path: str) -> None:
            self.entries = real(path)

        def __enter__(self) -> Failing:
            return self

        def __exit__(self, *_: object) -> None:
            self.entries.close()

        def __iter__(self) -> object:
            yield next(self.entries)
            raise OSError(5, "Input/output error")

    monkeypatch.setattr(walk.os, "scandir", lambda path: Failing(path) if path.endswith("2015") else real(path))
    walked, listings = whole(top)
    assert [listing.path for listing in listings] == [str(top)]
    assert walked.unreadable == [(str(top / "2015"), "the folder cannot be listed: Input/output error")]


def test_a_folder_that_goes_away_during_the_walk_is_told(top: Path) -> None:
    make(top, "2014/a.jpg", "2015/")
    walked = Walk(str(top), WalkOptions())
    seen = []
    for listing in walked:
        seen.append(relative(top, listing.path))
        if listing.path == str(top):
            (top / "2015").rmdir()
    assert seen == [".", "2014"]
    assert walked.unreadable == [(str(top / "2015"), "the folder cannot be listed: No such file or directory")]


def test_a_top_that_is_not_there_is_told(top: Path) -> None:
    walked, listings = whole(top / "gone")
    assert listings == []
    assert walked.unreadable == [(str(top / "gone"), "the folder cannot be listed: No such file or directory")]


def test_a_file_that_cannot_be_looked_at_is_told_and_the_rest_walked(
    top: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(top, "a.jpg", "b.jpg", "c.jpg")
    real = os.scandir

    class Entry:
        def __init__(self, entry: os.DirEntry[str]) -> None:
            self.name, self.path, self.is_dir = entry.name, entry.path, entry.is_dir
            self._stat = entry.stat

        def stat(self, *, follow_symlinks: bool) -> os.stat_result:
            if self.name == "b.jpg":
                raise OSError(5, "Input/output error")
            return self._stat(follow_symlinks=follow_symlinks)

    class Entries:
        def __init__(self, path: str) -> None:
            with real(path) as entries:
                self.entries = [Entry(entry) for entry in entries]

        def __enter__(self) -> list[Entry]:
            return self.entries

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(walk.os, "scandir", Entries)
    walked, (listing,) = whole(top)
    assert [relative(top, row[0]) for row in listing.photos] == ["a.jpg", "c.jpg"]
    assert walked.unreadable == [(str(top / "b.jpg"), "the file cannot be looked at: Input/output error")]


# ---- order


def test_a_walk_goes_by_name_a_folder_before_its_neighbours(top: Path) -> None:
    make(top, "b/z.jpg", "b/a/c.jpg", "b.jpg", "a/2.jpg", "a/10.jpg", "B/x.jpg", "c.jpg", "ä/x.jpg", b"\xe4/x.jpg")
    assert photos(top) == [
        "b.jpg", "c.jpg", "B/x.jpg", "a/10.jpg", "a/2.jpg", "b/z.jpg", "b/a/c.jpg", "ä/x.jpg", os.fsdecode(b"\xe4/x.jpg"),
    ]  # fmt: skip


def test_the_order_does_not_depend_on_the_disk(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(top, *(f"{folder}/{name}.jpg" for folder in "cab" for name in "zxy"), "q.jpg", "p.jpg")
    expected = photos(top)
    real = os.scandir

    class Backwards:
        def __init__(self, path: str) -> None:
            with real(path) as entries:
                self.entries = sorted(entries, key=lambda entry: entry.name, reverse=True)

        def __enter__(self) -> list[os.DirEntry[str]]:
            return self.entries

        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr(walk.os, "scandir", Backwards)
    assert (
        photos(top) == expected == ["p.jpg", "q.jpg", *(f"{folder}/{name}.jpg" for folder in "abc" for name in "xyz")]
    )


def test_a_very_deep_folder_is_walked(top: Path) -> None:
    deep = "/".join(["d"] * 400)
    make(top, f"{deep}/a.jpg")
    assert photos(top) == [f"{deep}/a.jpg"]


def test_an_empty_folder_is_listed_as_empty(top: Path) -> None:
    assert list(Walk(str(top), WalkOptions())) == [Listing(str(top), [], [])]


def test_a_link_to_nowhere_is_passed_by_and_no_error(tmp_path: Path) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    for follow in (False, True):
        walk = Walk(str(tmp_path), WalkOptions(follow_symlinks=follow))
        assert [listing.photos for listing in walk] == [[]]
        assert walk.unreadable == []
        assert walk.passed_by == {"symbolic links": 1}


def test_the_ignore_file_itself_is_no_file_to_wonder_about(tmp_path: Path) -> None:
    (tmp_path / ".facelibignore").write_text("*.png\n")
    (listing,) = Walk(str(tmp_path), WalkOptions())
    assert listing.others == []
