"""One scan of everything odd: damaged, hostile, turned, disguised. Each file ends as a photograph or with a reason."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from conftest import DATA, draw, needs

from facelib.formats import OTHER_PICTURES, PHOTO_SUFFIXES

ODD = DATA / "odd"
GENERATED = ODD / "generated"

# Where the two faces of the picture are, in fractions, as a look at orient_1.jpg shows; the scan must find them there.
TRUE_FACES = ((0.42, 0.38), (0.62, 0.34))
NEAR = 0.03  # of the picture's side

# All forms of the two-face picture in which a viewer shows both people.
SHOWN = [
    *(f"orient_{orientation}.jpg" for orientation in range(1, 9)),
    "orient_6.heic", "orient_6.png", "orient_6.tif", "orient_6.webp",
    "orient_invalid_0.jpg", "orient_invalid_9.jpg", "orient_invalid_99.jpg",
    ".hidden.jpg", "JPEG_UPPER.JPG", "jpeg_named.png", "no_extension",
    "progressive.jpg", "cmyk.jpg", "gray.jpg", "yuv444.jpg", "big_faces.jpg",
    "rgba.png", "rgba_alpha0.png", "palette.png", "gray_alpha.png", "gray16.png", "rgb16.png", "rgb16.tif", "multipage.tif",
    "plain.heic", "plain.avif", "plain.webp", "lossless.webp", "plain.bmp", "anim_face_first.gif",
    "trailing_garbage.jpg", "truncated_90.jpg", "truncated_99.jpg", "crc_error.png",
]  # fmt: skip
# The same, with the people smaller, coarser or tilted, so that they are found but not at the same places.
SHOWN_ELSEWHERE = ["tilted20.jpg", "q5.jpg", "onebit.png", "bitflips.jpg"]


@dataclass
class Scanned:
    """A scan's end: what it said, and the library it made."""

    status: int
    events: list[dict[str, Any]]
    errors: str  # stderr
    db: sqlite3.Connection

    @property
    def digest(self) -> dict[str, Any]:
        (digest,) = (event for event in self.events if event["event"] == "digest")
        return digest

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        return self.db.execute(sql, parameters).fetchall()

    def by_path(self, sql: str) -> dict[str, tuple[Any, ...]]:
        """Rows by their first column, a path, as Python writes it."""
        return {os.fsdecode(path): rest for path, *rest in self.rows(sql)}  # type: ignore[misc]


def scan(home: Path, folder: Path, *options: str, config: str = "") -> Scanned:
    """`facelib scan` as a user calls it, in a process of its own."""
    home.mkdir(exist_ok=True)
    (home / "config.toml").write_text(config)
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XDG_", "FACELIB_"))}
    environment |= {f"XDG_{name}_HOME": str(home) for name in ("DATA", "CONFIG", "CACHE")}
    database = home / "faces.db"
    command = [
        sys.executable,
        "-m",
        "facelib",
        "--db",
        str(database),
        "--config",
        str(home / "config.toml"),
        "--json",
        "scan",
    ]
    done = subprocess.run(
        [*command, *options, str(folder)], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return Scanned(done.returncode, events, done.stderr, sqlite3.connect(f"file:{database}?mode=ro", uri=True))


# ---- everything odd


@pytest.fixture(scope="module")
def before() -> dict[str, tuple[int, int]]:
    """Size and time of every file, as they were before the scan."""
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in ODD.rglob("*")}


@pytest.fixture(scope="module")
def odd(before: dict[str, tuple[int, int]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scanned]:
    scanned = scan(tmp_path_factory.mktemp("odd"), ODD)
    yield scanned
    scanned.db.close()


@needs("odd")
def test_the_scan_ends_with_status_3_and_no_traceback(odd: Scanned) -> None:
    assert odd.status == 3
    assert odd.errors == ""  # nothing of Pillow, libtiff, onnxruntime or Python itself
    assert odd.digest["outcome"] == "done"
    assert odd.digest["exit_code"] == 3
    assert odd.digest["still_due"] == 0


@needs("odd")
def test_nothing_odd_is_a_bug_or_a_crash(odd: Scanned) -> None:
    assert odd.rows("SELECT * FROM photos_v1 WHERE error LIKE '%report this%' OR error LIKE '%worker%'") == []
    assert odd.rows("SELECT * FROM detection WHERE crashes > 0") == []
    assert odd.rows("SELECT * FROM detection WHERE error IS NOT NULL AND trim(error) = ''") == []


@needs("odd")
def test_every_file_is_a_photograph_or_has_a_reason_or_another_ending(odd: Scanned) -> None:
    files = odd.by_path("SELECT path, photo_id, error FROM files_v1 WHERE present = 1")
    photos = {
        photo_id: rest for photo_id, *rest in odd.rows("SELECT photo_id, width, height, format, error FROM photos_v1")
    }
    others = odd.by_path("SELECT path, reason FROM other_file")
    unaccounted = Counter[str]()
    for path in ODD.rglob("*"):
        if not path.is_file():
            continue
        if str(path) in files:
            assert str(path) not in others
            photo_id, error = files[str(path)]
            if photo_id is None:
                assert error
                continue
            width, height, form, error = photos[photo_id]
            assert bool(error) != bool(width and height and form), path  # one or the other
        elif str(path) in others:
            assert others[str(path)][0], path
        else:
            suffix = path.suffix[1:].lower()
            assert suffix
            assert suffix not in PHOTO_SUFFIXES
            assert suffix not in OTHER_PICTURES
            unaccounted["not photographs"] += 1
    assert odd.digest["scan"]["passed_by"] == unaccounted
    assert len(files) > 90


@needs("odd")
def test_every_photograph_that_is_read_was_searched(odd: Scanned) -> None:
    assert (
        odd.rows("SELECT photo_id FROM photo WHERE error IS NULL AND photo_id NOT IN (SELECT photo_id FROM detection)")
        == []
    )
    assert odd.rows("SELECT count(*) FROM photo WHERE examined_run IS NULL") == [(0,)]


@needs("odd")
def test_the_digest_names_what_was_not_read_and_what_is_damaged(odd: Scanned) -> None:
    told = {entry["path"]: entry["reason"] for entry in odd.digest["detect"]["errors"]}
    known = dict(odd.rows("SELECT path, error FROM photos_v1 WHERE error IS NOT NULL"))
    assert told == known
    damaged = {entry["path"]: entry["reason"] for entry in odd.digest["detect"]["damaged"]}
    assert damaged == dict(odd.rows("SELECT path, warning FROM photos_v1 WHERE warning IS NOT NULL"))


@needs("odd")
@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("generated/zero_bytes.jpg", "the file is empty"),
        ("generated/one_byte.jpg", "the file is only 1 bytes long"),
        ("generated/only_soi.jpg", "the file is only 2 bytes long"),
        ("generated/text_named.jpg", "it is not a picture but text: 'this is not an image'"),
        ("generated/html_named.jpg", "it is not a picture but text: '<html><body>404</body></'"),
        (
            "generated/bomb_256MP.png",
            "16000 x 16000 = 256 megapixels are more than the budget of 128 (images.max_megapixels)",
        ),
        (
            "collected/pillow/decompression_bomb.gif",
            "65535 x 66601 = 4365 megapixels are more than the budget of 128 (images.max_megapixels)",
        ),
        ("collected/compreface-einstein/corrupted.png", "it begins like PNG, but cannot be decoded"),
    ],
)
def test_what_is_no_picture_or_a_bomb_says_so(odd: Scanned, name: str, reason: str) -> None:
    assert odd.rows(
        "SELECT p.error FROM files_v1 f JOIN photos_v1 p USING (photo_id) WHERE f.path = ?", str(ODD / name)
    ) == [(reason,)]


def faces(odd: Scanned, name: str) -> list[tuple[float, float]]:
    """The centres of the faces in a file, in fractions of the upright picture."""
    return odd.rows(
        "SELECT x + w / 2, y + h / 2 FROM faces_v1 JOIN files_v1 f USING (photo_id) WHERE f.path = ?",
        str(GENERATED / name),
    )  # type: ignore[return-value]


def is_near(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) <= NEAR and abs(one[1] - other[1]) <= NEAR


@needs("odd")
def test_the_two_people_are_where_one_sees_them(odd: Scanned) -> None:
    found = faces(odd, "orient_1.jpg")
    for place in TRUE_FACES:
        assert sum(is_near(place, face) for face in found) == 1


@needs("odd")
@pytest.mark.parametrize("name", SHOWN)
def test_both_people_are_found_at_the_same_places_in_every_form_a_viewer_shows(odd: Scanned, name: str) -> None:
    reference = [face for face in faces(odd, "orient_1.jpg") if any(is_near(face, place) for place in TRUE_FACES)]
    assert len(reference) == 2
    found = faces(odd, name)
    for place in reference:
        assert sum(is_near(place, face) for face in found) == 1, (place, found)


@needs("odd")
@pytest.mark.parametrize("name", SHOWN_ELSEWHERE)
def test_both_people_are_found_in_what_is_hardly_them(odd: Scanned, name: str) -> None:
    assert len(faces(odd, name)) >= 2


@needs("odd")
@pytest.mark.parametrize(
    "name", ["orient_5.jpg", "orient_6.jpg", "orient_6.heic", "orient_6.png", "orient_6.tif", "orient_6.webp"]
)
def test_the_size_in_the_library_is_that_of_the_upright_picture(odd: Scanned, name: str) -> None:
    sizes = odd.rows(
        "SELECT width, height FROM photos_v1 JOIN files_v1 f USING (photo_id) WHERE f.path = ?", str(GENERATED / name)
    )
    assert sizes == [(1000, 714)]


@needs("odd")
def test_every_face_lies_in_its_picture_and_has_an_encoding(odd: Scanned) -> None:
    assert odd.rows("SELECT count(*) FROM faces_v1")[0][0] > 100
    outside = "x < 0 OR y < 0 OR w <= 0 OR h <= 0 OR x + w > 1.0000001 OR y + h > 1.0000001"
    assert odd.rows(f"SELECT * FROM faces_v1 WHERE {outside}") == []
    assert (
        odd.rows(
            "SELECT face_id FROM face WHERE face_id NOT IN (SELECT face_id FROM encoding WHERE length(vector) = 512)"
        )
        == []
    )


@needs("odd")
def test_copies_are_one_photograph(odd: Scanned) -> None:
    same = [".hidden.jpg", "JPEG_UPPER.JPG", "jpeg_named.png", "no_extension", "orient_1.jpg"]
    marks = ", ".join("?" * len(same))
    paths = [str(GENERATED / name) for name in same]
    assert len(odd.rows(f"SELECT DISTINCT photo_id FROM files_v1 WHERE path IN ({marks})", *paths)) == 1
    assert odd.rows(f"SELECT count(*) FROM files_v1 WHERE path IN ({marks})", *paths) == [(5,)]


@needs("odd")
def test_what_was_scanned_was_not_touched(before: dict[str, tuple[int, int]], odd: Scanned) -> None:
    after = {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in ODD.rglob("*")}
    assert after == before


# ---- names made to hurt

NAMES = [
    b"caf\xe9.png",
    b"\xff\xfe.png",
    b"new\nline.png",
    b"tab\tand\rreturn.png",
    b"quote'double\"back`.png",
    b"-rf.png",
    b"--db=x.png",
    b"\xf0\x9f\x8e\x82.png",
    b"a" * 251 + b".png",
    b" leading and trailing .png",
    b"percent%20%s{0}$HOME;rm.png",
    b"back\\slash.png",
    b"e\xcc\x81.png",
    b"\x1b[31mred.png",
    b"';DROP TABLE file;--.png",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Scanned]]:
    """Pictures under hostile names, twice scanned with the fake engine: among others in a folder whose name is no text."""
    home = tmp_path_factory.mktemp("hostile")
    top = Path(os.fsdecode(os.path.join(os.fsencode(home), b"l\xefbrary\n")))
    for seed, name in enumerate(NAMES):
        draw(top / os.fsdecode(name), ("red", "lime"), seed=seed)
    draw(top / "folder.jpg" / "inside.png", ("red",), seed=100)
    (top / "broken.jpg").symlink_to(home / "nowhere")
    (top / "circle").symlink_to(top)
    os.mkfifo(top / "pipe.jpg")
    (top / os.fsdecode(b"te\xffxt\n.jpg")).write_text("this is not an image at all")
    (top / os.fsdecode(b"r\xe4w.cr2")).write_text("raw")
    before = os.getcwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(top)
        try:
            server.bind("socket.jpg")
        finally:
            os.chdir(before)
        scanned = scan(home, top, "--workers", "1", config='[detect]\ndetector = "fake"\n')
        scanned.db.close()
        again = scan(home, top, "--workers", "1", config='[detect]\ndetector = "fake"\n')
    yield (
        top,
        Scanned(
            scanned.status,
            [*scanned.events, {**again.digest, "event": "again"}],
            scanned.errors + again.errors,
            again.db,
        ),
    )
    again.db.close()


def test_hostile_names_are_scanned_and_kept_byte_for_byte(hostile: tuple[Path, Scanned]) -> None:
    top, scanned = hostile
    assert scanned.errors == ""
    kept = {os.fsencode(path) for path in scanned.by_path("SELECT path, photo_id FROM files_v1 WHERE present = 1")}
    expected = {os.path.join(os.fsencode(top), name) for name in [*NAMES, b"folder.jpg/inside.png", b"te\xffxt\n.jpg"]}
    assert kept == expected
    # Text where it is text, bytes where it is not; below a folder that is no text nothing is.
    assert {
        kind for (kind,) in scanned.rows("SELECT typeof(path) FROM file UNION SELECT typeof(path) FROM folder")
    } == {"blob"}


def test_pictures_with_hostile_names_are_searched(hostile: tuple[Path, Scanned]) -> None:
    _, scanned = hostile
    photos = scanned.by_path("SELECT path, faces FROM photos_v1 WHERE error IS NULL")
    assert Counter(count for (count,) in photos.values()) == {2: len(NAMES), 1: 1}


def test_a_hostile_name_in_the_digest_comes_back_byte_for_byte(hostile: tuple[Path, Scanned]) -> None:
    top, scanned = hostile
    assert scanned.status == 3
    (error,) = scanned.digest["detect"]["errors"]
    assert os.fsencode(error["path"]) == os.path.join(os.fsencode(top), b"te\xffxt\n.jpg")
    assert error["reason"] == "it is not a picture but text: 'this is not an image at'"
    ((other, reason),) = scanned.rows("SELECT path, reason FROM other_file")
    assert other == os.path.join(os.fsencode(top), b"r\xe4w.cr2")
    assert reason == "a picture of a kind that facelib does not read (camera RAW)"


def test_pipes_sockets_and_links_are_counted_and_not_opened(hostile: tuple[Path, Scanned]) -> None:
    _, scanned = hostile
    assert scanned.digest["scan"]["passed_by"] == {"not photographs": 2, "symbolic links": 2}


def test_a_second_scan_of_hostile_names_finds_nothing_new(hostile: tuple[Path, Scanned]) -> None:
    _, scanned = hostile
    (again,) = (event for event in scanned.events if event["event"] == "again")
    assert again["exit_code"] == 0  # the one file that cannot be read is known by now
    assert again["scan"]["unchanged"] == len(NAMES) + 2
    changed = ("new", "moved", "copied", "edited", "gone", "returned", "unsettled")
    assert {name: again["scan"][name] for name in changed} == dict.fromkeys(changed, 0)
    assert again["detect"]["done"] == 0
