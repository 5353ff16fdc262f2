"""What the reader of Picasa's database promises: the recipe to the letter, and of a damaged one what is whole."""

from __future__ import annotations

import doctest
import re
import struct
import time
import tracemalloc
from collections.abc import Iterator, Mapping

import pytest
from conftest import DATA, needs
from hypothesis import example, given, settings
from hypothesis import strategies as st
from make_db3 import (
    DATE,
    FACE,
    I32,
    JPEG,
    LIST,
    NONE,
    STOCK,
    TEXT,
    U8,
    U32,
    U64,
    UNKNOWN_ALBUM,
    Db3Maker,
    column,
    entry,
    thumbindex,
)  # fmt: skip

from facelib.errors import FacelibError
from facelib.picasa import db3, pmp
from facelib.picasa.db3 import Db3, Db3Face, Db3Photo, Problem

FOLDER = "C:\\Users\\Ann\\Pictures\\"
BOX, OTHER_BOX, THIRD_BOX = 0x6800600097FF9FFF, 0x1000200030004000, 0x0000_07C4_FF8B_F8DA
ANN, BOB = 0xCA5C88CA60F42C0B, 0x59A8DF726FD2D6A1
NOBODY = 0xFFFFFFFFFFFFFFFF


def photos(found: Db3) -> list[Db3Photo]:
    return list(found.photos)


def only(made: Db3Maker) -> Db3Photo:
    """The one photo of a database in which nothing is wrong."""
    found = db3.read(made.files())
    assert found.problems == ()
    (photo,) = found.photos
    return photo


def library() -> Db3Maker:
    """Two folders, four photos, two people, an ignored face, a deleted photo, deferred faces: all there is."""
    made = Db3Maker()
    ann, bob = made.person("Ann", ANN), made.person("Bob Müller", BOB)
    ignored = made.album("]ignoreface", "Ignored", 8)
    one, two = made.folder(FOLDER), made.folder("\\\\nas\\photo\\2009\\")
    a = made.photo(one, "a.jpg", width=1600, height=1200, star=True, caption="Größe", tags="Meer,Urlaub", facerect=BOX)
    b = made.photo(one, "b.jpg", width=800, height=600)
    made.deleted(facerect=OTHER_BOX, personalbumid=ann, caption="gone")
    c = made.photo(two, "c ß.jpg", width=640, height=480, star=True)
    d = made.photo(two, "d.jpg", deferredface=f"rect64({BOX:x}),{BOB:x};rect64({OTHER_BOX:x}),{NOBODY:x}")
    made.set("imagedata", d, deferredregion=f"rect64({BOX:x}),Bob M.;rect64({THIRD_BOX:x}),Carla;")
    made.face(a, BOX, ann)
    made.face(a, OTHER_BOX, bob)
    made.face(b, THIRD_BOX, ignored)
    made.face(c, BOX, 0)
    return made


LIBRARY = [
    Db3Photo(FOLDER + "a.jpg", (Db3Face(BOX, ANN, "Ann"), Db3Face(OTHER_BOX, BOB, "Bob Müller")), 1600, 1200, True,
             "Größe", ("Meer", "Urlaub")),
    Db3Photo(FOLDER + "b.jpg", (Db3Face(THIRD_BOX, None, None, ignored=True),), 800, 600),
    Db3Photo("\\\\nas\\photo\\2009\\c ß.jpg", (Db3Face(BOX, None, None),), 640, 480, True),
    Db3Photo("\\\\nas\\photo\\2009\\d.jpg", (Db3Face(BOX, BOB, "Bob Müller"), Db3Face(OTHER_BOX, None, None),
                                             Db3Face(THIRD_BOX, None, "Carla"))),
]  # fmt: skip


# ---- the layout is Picasa's


def test_entries_and_columns_are_made_as_the_real_picasa_wrote_them() -> None:
    # From a database of Picasa 3.9.141: the row of a face, the end of that of a deleted photo, and two sizes of files.
    assert entry("", FACE, 2) == bytes.fromhex("00" + "00" * 16 + "01000000" + "e9030000" + "0001" + "02000000")
    assert entry("", 0, NONE) == bytes.fromhex("00" * 27 + "ffffffff")
    photo = entry("photo05.jpg", JPEG, 19, size=0xF7E3)
    assert (
        photo[:31].hex() == "70686f746f30352e6a7067" + "00" + "00c8c564eafcc901" + "9cce2f00b0f9dc01" + "e3f70000"[:6]
    )
    assert len(column(U64, [0] * 29)) == 252
    assert len(column(LIST, ["", "", "synthtag"])) == 31


def test_a_whole_database_is_read() -> None:
    found = db3.read(library().files())
    assert found.problems == ()
    assert photos(found) == LIBRARY
    assert found.names == {ANN: "Ann", BOB: "Bob Müller"}
    assert found.other_names == {BOB: ("Bob M.",)}


def test_it_can_be_read_twice_and_begun_in_between() -> None:
    found = db3.read(library().files())
    begun = iter(found.photos)
    assert next(begun) == LIBRARY[0]
    assert photos(found) == LIBRARY
    assert [*begun] == LIBRARY[1:]


@needs("picasa-fixtures")
def test_the_person_that_picasa_itself_tagged_is_the_same_in_database_ini_and_contacts() -> None:
    # One session of the real program wrote all three; the database's cells are those of its session's record.
    ini = (DATA / "picasa-fixtures/1/.picasa.ini").read_text(encoding="utf-8")
    contacts = (DATA / "picasa-fixtures/2/contacts.xml").read_text(encoding="utf-8")
    made = Db3Maker()
    folder = made.folder("Z:\\library\\2015-03-15 Garden Project\\")
    photo = made.photo(folder, "photo00.jpg", width=1600, height=1200, facerect=0x6800600097FF9FFF)
    for row in range(7, 11):
        made.album(f"]album:{row:032x}", f"Album {row}", 0)
    person = made.person("synthetiic person 1200", 0xCA5C88CA60F42C0B)
    assert person == 11
    made.face(photo, 0x6800600097FF9FFF, person, width=1600, height=1200, tagdate=46184.861296296294)
    (face,) = only(made).faces
    assert f"faces=rect64({face.rect:x}),{face.contact:x}" in ini
    assert f"{face.contact:x}={face.name};;" in ini
    assert f'<contact id="{face.contact:x}" name="{face.name}"' in contacts


# ---- the recipe


def test_a_face_has_the_name_of_its_album_and_never_the_suggested_one() -> None:
    made = Db3Maker()
    ann, bob = made.person("Ann", ANN), made.person("Bob", BOB)
    photo = made.photo(made.folder(FOLDER), "a.jpg", personalbumid=bob)
    made.face(photo, BOX, ann, suggestionpersonalbumid=bob)
    made.face(photo, OTHER_BOX, 0, suggestionpersonalbumid=bob)
    assert only(made).faces == (Db3Face(BOX, ANN, "Ann"), Db3Face(OTHER_BOX, None, None))


def test_the_album_of_unknown_faces_names_nobody_and_that_of_ignored_ones_says_so() -> None:
    made = Db3Maker()
    ignored = made.album("]ignoreface", "Ignored", 8)
    photo = made.photo(made.folder(FOLDER), "a.jpg")
    made.face(photo, BOX, UNKNOWN_ALBUM)
    made.face(photo, OTHER_BOX, ignored)
    assert only(made).faces == (Db3Face(BOX, None, None), Db3Face(OTHER_BOX, None, None, ignored=True))


@pytest.mark.parametrize("sentinel", [0, 1])
def test_the_rectangle_of_a_photo_without_faces_is_none(sentinel: int) -> None:
    made = Db3Maker()
    made.photo(made.folder(FOLDER), "a.jpg", facerect=sentinel, personalbumid=made.person("Ann", ANN))
    assert only(made).faces == ()


def test_the_photos_own_rectangle_counts_only_where_no_face_has_a_row() -> None:
    made = Db3Maker()
    ann, bob = made.person("Ann", ANN), made.person("Bob", BOB)
    folder = made.folder(FOLDER)
    made.photo(folder, "alone.jpg", facerect=BOX, personalbumid=ann)
    with_row = made.photo(folder, "row.jpg", facerect=BOX, personalbumid=ann)
    made.face(with_row, OTHER_BOX, bob)
    alone, row = photos(db3.read(made.files()))
    assert alone.faces == (Db3Face(BOX, ANN, "Ann"),)
    assert row.faces == (Db3Face(OTHER_BOX, BOB, "Bob"),)


def test_deferred_faces_count_only_where_no_face_has_a_row() -> None:
    made = Db3Maker()
    deferred = {"deferredface": f"rect64({BOX:x}),{ANN:x};", "deferredregion": f"rect64({BOX:x}),Ann;"}
    folder = made.folder(FOLDER)
    with_row = made.photo(folder, "row.jpg", **deferred)
    made.photo(folder, "deferred.jpg", **deferred)
    made.face(with_row, OTHER_BOX)
    row, without = photos(db3.read(made.files()))
    assert row.faces == (Db3Face(OTHER_BOX, None, None),)
    assert without.faces == (Db3Face(BOX, ANN, "Ann"),)


def test_a_rectangle_in_both_deferred_columns_is_one_face_and_teaches_the_name_of_the_id() -> None:
    made = Db3Maker()
    folder = made.folder(FOLDER)
    made.photo(folder, "a.jpg", deferredface=f"rect64({BOX:x}),{ANN:x}", deferredregion=f"rect64({BOX:x}),Ann;")
    made.photo(folder, "b.jpg", deferredface=f"rect64({OTHER_BOX:x}),{ANN:x}")
    found = db3.read(made.files())
    assert [photo.faces for photo in found.photos] == [(Db3Face(BOX, ANN, "Ann"),), (Db3Face(OTHER_BOX, ANN, "Ann"),)]
    assert found.names == {ANN: "Ann"}


def test_a_person_who_was_renamed_has_the_new_name_and_the_old_one_is_told() -> None:
    made = Db3Maker()
    made.person("Ann Smith", ANN)
    made.photo(
        made.folder(FOLDER),
        "a.jpg",
        deferredface=f"rect64({BOX:x}),{ANN:x}",
        deferredregion=f"rect64({BOX:x}),Ann Jones",
    )
    found = db3.read(made.files())
    assert photos(found)[0].faces == (Db3Face(BOX, ANN, "Ann Smith"),)
    assert (found.names, found.other_names) == ({ANN: "Ann Smith"}, {ANN: ("Ann Jones",)})


def test_of_several_names_that_deferred_faces_give_an_id_the_most_frequent_counts() -> None:
    made = Db3Maker()
    folder = made.folder(FOLDER)
    for number, name in enumerate(("Annie", "Ann", "Ann")):
        mark, region = f"rect64({BOX:x}),{ANN:x}", f"rect64({BOX:x}),{name}"
        made.photo(folder, f"{number}.jpg", deferredface=mark, deferredregion=region)
    found = db3.read(made.files())
    assert (found.names, found.other_names) == ({ANN: "Ann"}, {ANN: ("Annie",)})


@pytest.mark.parametrize("nobody", [0, NOBODY])
def test_the_ids_that_mean_nobody_are_no_contacts_and_learn_no_name(nobody: int) -> None:
    made = Db3Maker()
    album = made.person("Somebody", nobody)
    folder = made.folder(FOLDER)
    made.photo(folder, "a.jpg", deferredface=f"rect64({BOX:x}),{nobody:x}")
    made.photo(folder, "b.jpg", deferredface=f"rect64({BOX:x}),{nobody:x}", deferredregion=f"rect64({BOX:x}),Bob;")
    row = made.photo(folder, "c.jpg")
    made.face(row, BOX, album)
    found = db3.read(made.files())
    faces = [photo.faces for photo in found.photos]
    assert faces == [(Db3Face(BOX, None, None),), (Db3Face(BOX, None, "Bob"),), (Db3Face(BOX, None, "Somebody"),)]
    assert found.names == {}


def test_deferred_entries_are_read_one_by_one() -> None:
    made = Db3Maker()
    good = f"rect64({BOX:x}),{ANN:x}"
    made.photo(
        made.folder(FOLDER), "a.jpg",
        deferredface=f"rect64(),12;{good};rect64(zz),1;rect64({OTHER_BOX:x}),no number;rect64(11112222333344445),2",
        deferredregion=f"rect64({OTHER_BOX:x}),Dr. Bob; the elder;rect64({THIRD_BOX:x}),;nonsense;rect64(1),Nobody;",
    )  # fmt: skip
    found = db3.read(made.files())
    assert photos(found)[0].faces == (
        Db3Face(BOX, ANN, None),
        Db3Face(OTHER_BOX, None, "Dr. Bob; the elder"),
        Db3Face(THIRD_BOX, None, ";nonsense"),
    )
    assert found.problems == (Problem("imagedata_deferredface.pmp", "4 faces could not be read"),)


def test_the_same_face_twice_is_one_and_the_same_person_twice_is_two() -> None:
    made = Db3Maker()
    ann = made.person("Ann", ANN)
    photo = made.photo(made.folder(FOLDER), "montage.jpg")
    for rect in (BOX, BOX, OTHER_BOX):
        made.face(photo, rect, ann)
    assert only(made).faces == (Db3Face(BOX, ANN, "Ann"), Db3Face(OTHER_BOX, ANN, "Ann"))


def test_deleted_photos_and_faces_are_not_there_though_their_columns_are() -> None:
    made = Db3Maker()
    folder = made.folder(FOLDER)
    made.deleted(facerect=BOX, width=800, caption="gone", deferredface=f"rect64({BOX:x}),{ANN:x}")
    made.deleted(facerect=BOX, crop64=BOX)
    made.photo(folder, "left.jpg")
    assert only(made) == Db3Photo(FOLDER + "left.jpg")


def test_rows_that_columns_have_beyond_the_index_are_left_over_from_before() -> None:
    made = Db3Maker()
    made.photo(made.folder(FOLDER), "a.jpg")
    made.set("imagedata", 4000, facerect=BOX, filetype=FACE, caption="stale", width=7)
    assert only(made) == Db3Photo(FOLDER + "a.jpg")


def test_an_id_without_a_name_stays_an_id() -> None:
    made = Db3Maker()
    row = made.person("", ANN)
    made.face(made.photo(made.folder(FOLDER), "a.jpg"), BOX, row)
    assert only(made).faces == (Db3Face(BOX, ANN, None),)


def test_of_two_albums_of_one_person_the_later_one_names_her() -> None:
    made = Db3Maker()
    old, _ = made.person("Ann Jones", ANN), made.person("Ann Smith", ANN)
    made.face(made.photo(made.folder(FOLDER), "a.jpg"), BOX, old)
    found = db3.read(made.files())
    assert (found.names, found.other_names) == ({ANN: "Ann Smith"}, {ANN: ("Ann Jones",)})
    assert photos(found)[0].faces == (Db3Face(BOX, ANN, "Ann Jones"),)


# ---- what else is kept


def test_the_star_is_in_a_list_of_paths_also_of_files_that_the_index_does_not_have() -> None:
    made = Db3Maker()
    folder = made.folder(FOLDER)
    made.photo(folder, "plain.jpg")
    made.photo(folder, "Star.jpg")
    made.stars = [FOLDER + "star.JPG", "P:\\elsewhere\\Ä.jpg"]
    found = [(photo.path, photo.starred) for photo in db3.read(made.files()).photos]
    assert found == [(FOLDER + "plain.jpg", False), (FOLDER + "Star.jpg", True), ("P:\\elsewhere\\Ä.jpg", True)]


def test_keywords_are_a_list_and_captions_are_trimmed() -> None:
    made = Db3Maker()
    made.photo(made.folder(FOLDER), "a.jpg", caption=" Am Meer ", tags="Meer, Urlaub,,Meer")
    assert (only(made).caption, only(made).keywords) == ("Am Meer", ("Meer", "Urlaub"))


def test_a_photo_that_was_not_measured_has_no_size() -> None:
    made = Db3Maker()
    made.photo(made.folder(FOLDER), "a.jpg", width=0)
    assert (only(made).width, only(made).height) == (None, None)


@pytest.mark.parametrize(
    ("folder", "path"),
    [
        ("C:\\a\\", "C:\\a\\x.jpg"),
        ("C:\\a", "C:\\a\\x.jpg"),
        ("/Users/a/", "/Users/a/x.jpg"),
        ("/Users/a", "/Users/a/x.jpg"),
    ],
)
def test_a_path_is_the_folder_and_the_name(folder: str, path: str) -> None:
    made = Db3Maker()
    made.photo(made.folder(folder), "x.jpg")
    assert only(made).path == path


def test_columns_that_nobody_used_do_not_exist_and_are_no_problem() -> None:
    made = Db3Maker()
    made.photo(made.folder(FOLDER), "a.jpg")
    found = db3.read({"thumbindex.db": made.files()["thumbindex.db"]})
    assert (photos(found), found.names, found.problems) == ([Db3Photo(FOLDER + "a.jpg")], {}, ())


class Lazy(Mapping[str, bytes]):
    """A folder whose files are read when they are asked for; remembers which."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files, self.asked = files, set[str]()

    def __getitem__(self, name: str) -> bytes:
        self.asked.add(name)
        if self.files[name] == b"unreadable":
            raise FacelibError(f"{name}: Permission denied")
        return self.files[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.files)

    def __len__(self) -> int:
        return len(self.files)


def test_only_the_files_that_are_needed_are_asked_for_whatever_the_case_of_their_names() -> None:
    files = {name.upper(): data for name, data in library().files().items()}
    lazy = Lazy(files | {"PREVIEWS_0.DB": b"", "IMAGEDATA_FILTERS.PMP": b""})
    assert photos(db3.read(lazy)) == LIBRARY
    assert lazy.asked <= {name for name in files if not name.startswith("ALBUMDATA_C")}


def test_the_names_alone_need_no_index() -> None:
    files = library().files()
    del files["thumbindex.db"]
    assert db3.read_names(files) == ({ANN: "Ann", BOB: "Bob Müller"}, ())


# ---- damaged columns


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "0 bytes"),
        (column(U64, [])[:19], "19 bytes"),
        (b"\0\0\0\0" + column(U64, [7])[4:], "its head is not one"),
        (struct.pack("<IHHIHHI", 0x3FCCCCCD, 4, 0x1332, 3, 4, 0x1332, 0), "its head is not one"),
        (struct.pack("<IHHIHHI", 0x3FCCCCCD, 4, 0x1332, 2, 1, 0x1332, 0), "two types, 4 and 1"),
        (column(U32, [7]), "values of type 1, not 4"),
        (column(TEXT, ["7"]), "values of type 0, not 4"),
        (struct.pack("<IHHIHHI", 0x3FCCCCCD, 99, 0x1332, 2, 99, 0x1332, 0), "values of type 99, not 4"),
    ],
)
def test_a_column_that_is_none_is_a_problem_and_the_rest_is_read_without_it(data: bytes, why: str) -> None:
    files = library().files() | {"imagedata_facerect.pmp": data, "imagedata_crop64.pmp": data}
    found = db3.read(files)
    assert re.search(why, next(p.why for p in found.problems if p.file == "imagedata_facerect.pmp"))
    kept = photos(found)
    assert [photo.path for photo in kept] == [photo.path for photo in LIBRARY]
    assert kept[3] == LIBRARY[3]
    assert kept[0].faces == ()
    assert found.names == {ANN: "Ann", BOB: "Bob Müller"}


def test_a_file_that_cannot_be_read_is_a_problem() -> None:
    found = db3.read(Lazy(library().files() | {"imagedata_caption.pmp": b"unreadable"}))
    assert found.problems == (Problem("imagedata_caption.pmp", "imagedata_caption.pmp: Permission denied"),)
    assert [photo.faces for photo in found.photos] == [photo.faces for photo in LIBRARY]


def test_the_rectangle_of_a_face_is_in_a_second_column_should_the_first_be_lost() -> None:
    files = library().files()
    del files["imagedata_facerect.pmp"]
    found = db3.read(files)
    assert found.problems == ()
    assert photos(found) == LIBRARY


def test_a_face_without_a_rectangle_is_a_problem() -> None:
    made = Db3Maker()
    made.face(made.photo(made.folder(FOLDER), "a.jpg"), 1)
    found = db3.read(made.files())
    assert photos(found) == [Db3Photo(FOLDER + "a.jpg")]
    assert found.problems == (Problem("imagedata_facerect.pmp", "1 faces have no rectangle"),)


@pytest.mark.parametrize("name", ["imagedata_facerect", "imagedata_width", "imagedata_caption", "albumdata_name"])
def test_a_column_that_is_cut_off_has_its_first_values(name: str) -> None:
    files = library().files()
    whole = db3.read(files)
    files[f"{name}.pmp"] = files[f"{name}.pmp"][:-1]
    found = db3.read(files)
    (problem,) = (problem for problem in found.problems if problem.why.startswith("cut off"))
    assert problem.file == f"{name}.pmp"
    assert re.fullmatch(r"cut off: (\d+) of (\d+) values are there", problem.why)
    assert len(photos(found)) == len(photos(whole))


def test_numbers_and_text_before_the_cut_are_right() -> None:
    numbers, why = pmp.numbers(column(U32, [1, 2, 3])[:-2], 4, pmp.U32)
    assert (numbers.tolist(), why) == ([1, 2, 0, 0], ["cut off: 2 of 3 values are there"])
    texts, why = pmp.texts(column(TEXT, ["a", "", "bc"])[:-1], None, "cp1252")
    assert (texts.rows.tolist(), why) == ([0], ["cut off: 2 of 3 values are there"])


def test_a_column_longer_than_its_count_ends_at_its_count() -> None:
    numbers, why = pmp.numbers(column(U32, [1, 2, 3], count=2), 4, pmp.U32)
    assert (numbers.tolist(), why) == ([1, 2, 0, 0], ["4 bytes more than its 2 values"])
    texts, why = pmp.texts(column(TEXT, ["a", "", "bc"], count=2), None, "cp1252")
    assert (texts.rows.tolist(), why) == ([0], ["3 bytes more than its 2 values"])


def test_all_types_of_numbers_are_read_with_their_sign() -> None:
    assert pmp.numbers(column(I32, [-86]), None, pmp.U32)[0].tolist() == [-86]
    assert pmp.numbers(column(U8, [-1]), None, frozenset([3]))[0].tolist() == [-1]
    assert pmp.numbers(column(DATE, [42078.5]), None, frozenset([2]))[0].tolist() == [42078.5]


def test_text_that_is_not_utf_8_is_read_with_the_code_page_and_told() -> None:
    made = Db3Maker()
    made.person("Ann", ANN)
    made.set("albumdata", 7, name="Zoë".encode("cp1252"))
    photo = made.photo(made.folder("C:\\Fotos\\"), "Größe.jpg".encode("cp1252"), caption="Straße".encode("cp1252"))
    made.photo(0, "Größe 2.jpg", caption="Straße 2")
    made.face(photo, BOX, 7)
    made.stars = []
    files = made.files() | {"starlist.txt": "C:\\Fotos\\größe.jpg\r\n".encode("cp1252")}
    found = db3.read(files)
    first, second = found.photos
    assert first == Db3Photo("C:\\Fotos\\Größe.jpg", (Db3Face(BOX, ANN, "Zoë"),), None, None, True, "Straße")
    assert second == Db3Photo("C:\\Fotos\\Größe 2.jpg", caption="Straße 2")
    assert found.problems == (
        Problem("thumbindex.db", "1 names are not UTF-8 (first: entry 1)"),
        Problem("albumdata_name.pmp", "1 values are not UTF-8 and were read as cp1252 (first: row 7)"),
        Problem("imagedata_caption.pmp", "1 values are not UTF-8 and were read as cp1252 (first: row 1)"),
        Problem("starlist.txt", "1 lines are not UTF-8 and were read as cp1252"),
    )
    assert db3.read(files, ansi="cp1250").names == {ANN: "Zoë"}


def test_what_the_star_list_has_besides_paths_is_told() -> None:
    files = library().files() | {"starlist.txt": b"\xef\xbb\xbf" + FOLDER.encode() + b"B.JPG\n\r\n\r\nnonsense\r\n"}
    found = db3.read(files)
    assert [photo.path for photo in found.photos if photo.starred] == [FOLDER + "b.jpg"]
    assert found.problems == (Problem("starlist.txt", "1 lines are no paths"),)


def test_a_face_in_an_album_of_no_people_is_unnamed_and_told() -> None:
    made = Db3Maker()
    photo = made.photo(made.folder(FOLDER), "a.jpg")
    folder_album = made.album("]album:00", "Garden Project", 2)
    made.face(photo, BOX, folder_album)
    made.face(photo, OTHER_BOX, 4711)
    made.face(photo, THIRD_BOX, NONE)
    found = db3.read(made.files())
    assert [face.name for face in photos(found)[0].faces] == [None] * 3
    (problem,) = found.problems
    assert problem == Problem(
        "imagedata_personalbumid.pmp", "2 albums with faces are no people: their faces are unnamed (first: row 7)"
    )


def test_without_the_tokens_an_id_shows_who_is_a_person() -> None:
    made = library()
    made.face(5, OTHER_BOX, UNKNOWN_ALBUM)
    files = made.files()
    del files["albumdata_token.pmp"]
    faces = [face for photo in db3.read(files).photos for face in photo.faces]
    assert Db3Face(BOX, ANN, "Ann") in faces
    assert {"Unnamed", "Ignored"}.isdisjoint({face.name for face in faces})


# ---- a damaged index


def test_without_an_index_nothing_can_be_read() -> None:
    files = library().files()
    del files["thumbindex.db"]
    with pytest.raises(FacelibError, match=r"no thumbindex\.db"):
        db3.read(files)


@pytest.mark.parametrize("data", [b"", b"\x66\x66\x46", b"\xcd\xcc\xcc\x3f" + b"\0" * 100])
def test_an_index_that_is_none_is_an_error(data: bytes) -> None:
    with pytest.raises(FacelibError, match=r"thumbindex\.db: not Picasa's list of files"):
        db3.read(library().files() | {"thumbindex.db": data})


def test_of_an_index_that_is_cut_in_the_middle_the_first_part_is_read() -> None:
    files = library().files()
    whole = files["thumbindex.db"]
    for length in range(8, len(whole)):
        found = db3.read(files | {"thumbindex.db": whole[:length]})
        paths = [photo.path for photo in found.photos if photo.width or photo.path.endswith("d.jpg")]
        assert paths == [photo.path for photo in LIBRARY][: len(paths)]
        assert found.problems[0].file == "thumbindex.db"
        assert re.fullmatch(r"cut off: \d+ of 11 entries are there", found.problems[0].why)
    assert len(paths) == 4


def test_an_index_with_more_than_its_count_is_read_to_its_end() -> None:
    made = library()
    found = db3.read(made.files() | {"thumbindex.db": thumbindex(made.entries, count=3)})
    assert photos(found) == LIBRARY
    assert found.problems == (Problem("thumbindex.db", "more than its 3 entries: 11 could be read"),)


@pytest.mark.parametrize(
    ("parent", "why"),
    [
        (4711, "1 entries point outside the file (first: entry 1)"),
        (1 << 31, "1 entries point outside the file (first: entry 1)"),
        (1, "1 entries are in something that is no folder (first: entry 1)"),  # itself
        (2, "1 entries are in something that is no folder (first: entry 1)"),
        (3, "1 entries are in something that is no folder (first: entry 1)"),
    ],
)
def test_an_entry_whose_parent_cannot_be_is_left_out_and_told(parent: int, why: str) -> None:
    made = Db3Maker()
    folder = made.folder(FOLDER)
    made.photo(folder, "bad.jpg")
    made.photo(folder, "good.jpg")
    made.deleted()
    made.entries[1] = entry("bad.jpg", JPEG, parent)
    found = db3.read(made.files())
    assert photos(found) == [Db3Photo(FOLDER + "good.jpg")]
    assert found.problems == (Problem("thumbindex.db", why),)


@pytest.mark.parametrize(
    ("made_entry", "why"),
    [
        (entry("", FACE, 4711), "1 entries point outside the file (first: entry 2)"),
        (entry("", FACE, 2), "1 entries are in something that is no photo (first: entry 2)"),  # itself
        (entry("", FACE, 0), "1 entries are in something that is no photo (first: entry 2)"),  # a folder
        (entry("", JPEG, 1), "1 entries have no name and are no faces (first: entry 2)"),
    ],
)
def test_a_face_whose_photo_cannot_be_is_left_out_and_told(made_entry: bytes, why: str) -> None:
    made = Db3Maker()
    photo = made.photo(made.folder(FOLDER), "a.jpg")
    made.face(photo, BOX, filetype=0)
    made.face(photo, OTHER_BOX)
    made.entries[2] = made_entry
    found = db3.read(made.files())
    assert photos(found)[0].faces == (Db3Face(OTHER_BOX, None, None),)
    assert found.problems == (Problem("thumbindex.db", why),)


@pytest.mark.parametrize("row", range(11))
@pytest.mark.parametrize("end", [b"\xff", b"\x01", b"\x80"])
def test_a_name_that_ends_with_another_byte_than_nul_is_seen_by_what_follows(row: int, end: bytes) -> None:
    made = library()
    made.entries[row] = made.entries[row].replace(b"\0", end, 1)
    found = db3.read(made.files())
    if len(made.entries) - row < 2:  # nothing follows that could tell
        assert photos(found)[:2] == LIBRARY[:2]
        assert found.problems
    else:
        assert photos(found) == LIBRARY
        assert found.problems == (Problem("thumbindex.db", f"1 names end in a strange way (first: entry {row})"),)


def test_a_nul_within_a_name_is_seen_by_what_follows_and_no_row_is_shifted() -> None:
    made = library()
    made.entries[3] = made.entries[3].replace(b"b.jpg", b"b\0jpg", 1)
    found = db3.read(made.files())
    assert [photo.path for photo in found.photos] == [p.path.replace("b.jpg", "b\ufffdjpg") for p in LIBRARY]
    assert [photo.faces for photo in found.photos] == [photo.faces for photo in LIBRARY]
    assert found.problems == (Problem("thumbindex.db", "1 names end in a strange way (first: entry 3)"),)


def test_where_entries_can_no_longer_be_counted_reading_ends_lest_a_face_get_anothers_name() -> None:
    made = library()
    data = made.files()["thumbindex.db"]
    begin, end = ends(made.entries)[2], ends(made.entries)[5]
    zeros = data[:begin] + b"\0" * (end - begin) + data[end:]  # as after a loss of power
    found = db3.read(made.files() | {"thumbindex.db": zeros})
    assert [photo.path for photo in found.photos if photo.width] == [FOLDER + "a.jpg"]
    assert found.problems[0] == Problem("thumbindex.db", "damaged: of 11 entries the first 3 could be read")


def test_where_entries_are_missing_in_between_the_columns_show_from_where_on() -> None:
    made = library()
    files = made.files()
    folder = made.entries.pop(1)
    found = db3.read(files | {"thumbindex.db": thumbindex(made.entries, count=11)})
    assert found.problems[1].why == "its entries from 0 on do not fit the columns and were left out"
    made.entries.insert(1, folder)
    del made.entries[5]  # c, which had a face
    found = db3.read(files | {"thumbindex.db": thumbindex(made.entries, count=11)})
    assert [photo.path for photo in found.photos if photo.width] == [FOLDER + "a.jpg", FOLDER + "b.jpg"]
    assert found.problems[1].why == "its entries from 5 on do not fit the columns and were left out"
    del made.entries[5:]  # only cut off: all that is there fits
    found = db3.read(files | {"thumbindex.db": thumbindex(made.entries, count=11)})
    assert [problem.why for problem in found.problems] == ["cut off: 5 of 11 entries are there"]


def test_the_file_that_another_version_marks_with_other_flags_is_read_all_the_same() -> None:
    made = library()
    made.entries = [e[:-6] + b"\x03\x02" + e[-4:] for e in made.entries]
    assert photos(db3.read(made.files())) == LIBRARY


# ---- anything at all


FILES = library().files()
NAMES = sorted(name for name in FILES if name.endswith((".pmp", ".db", ".txt")))


def read_anything(files: Mapping[str, bytes]) -> None:
    """Whatever is in the files: the project's own error, or photos and problems that can be printed."""
    try:
        found = db3.read(files)
    except FacelibError:
        return
    for photo in found.photos:
        assert photo.path
        assert all(
            1 < face.rect < 1 << 64 and (face.contact is None or 0 < face.contact < NOBODY) for face in photo.faces
        )
    assert all(problem.file in NAMES and problem.why for problem in found.problems)


@settings(deadline=None)
@given(st.sampled_from(NAMES), st.binary(max_size=300), st.booleans())
@example("thumbindex.db", thumbindex([], count=0xFFFFFFFF), False)
@example("thumbindex.db", thumbindex([b"\0" * 31] * 40), False)
def test_any_bytes_may_be_in_any_file(name: str, data: bytes, keep_head: bool) -> None:
    head = FILES[name][: 8 if name == "thumbindex.db" else 20] if keep_head else b""
    read_anything(FILES | {name: head + data})


@settings(deadline=None, max_examples=300)
@given(st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0), st.integers(0, 7)), min_size=1, max_size=4))
def test_any_bits_may_be_flipped_in_any_file(flips: list[tuple[str, int, int]]) -> None:
    files = {name: bytearray(data) for name, data in FILES.items()}
    for name, at, bit in flips:
        if files[name]:
            files[name][at % len(files[name])] ^= 1 << bit
    read_anything({name: bytes(data) for name, data in files.items()})


def test_one_flipped_bit_in_the_index_never_gives_a_face_to_another_photo() -> None:
    known = {photo.path: set(photo.faces) for photo in LIBRARY}
    whole = FILES["thumbindex.db"]
    lost = 0
    for at in range(8, len(whole)):
        for bit in (0, 3, 7):
            data = bytearray(whole)
            data[at] ^= 1 << bit
            found = photos(db3.read(FILES | {"thumbindex.db": bytes(data)}))
            wrong = [photo for photo in found if not set(photo.faces) <= known.get(photo.path, set(photo.faces))]
            # A flipped bit in the parent of a face or photo is another parent; only the file's author could tell.
            at_parent = any(data[end - 4 : end] != whole[end - 4 : end] for end in ends(library().entries))
            assert not wrong or at_parent, (at, bit, wrong)
            lost += len({photo.path for photo in LIBRARY} - {photo.path for photo in found})
    assert lost / (3 * (len(whole) - 8)) < 1  # mostly no photo, and on the average less than one


def ends(entries: list[bytes]) -> list[int]:
    """Where the entries end in the file."""
    position, found = 8, []
    for made in entries:
        position += len(made)
        found.append(position)
    return found


def test_a_forged_count_allocates_nothing() -> None:
    files = {name: data for name, data in FILES.items() if not name.endswith("_0")}
    for name, data in files.items():
        if name.endswith(".pmp"):
            files[name] = data[:16] + b"\xff\xff\xff\xff" + data[20:]
    files["thumbindex.db"] = files["thumbindex.db"][:4] + b"\xff\xff\xff\xff" + files["thumbindex.db"][8:]
    db3.read(files)  # what is imported and cached at first use is not to be measured
    tracemalloc.start()
    found = db3.read(files)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert photos(found) == LIBRARY
    assert len([problem for problem in found.problems if problem.why.startswith("cut off")]) == len(NAMES) - 2
    assert peak < 3 << 20  # of which each column of text takes up to one


def test_a_large_file_of_rubbish_is_read_in_a_moment() -> None:
    began = time.process_time()
    for rubbish in (b"\xff" * (1 << 20), b"a\0" * (1 << 19), b"\0" * (1 << 20), bytes(range(256)) * (1 << 12)):
        for name in NAMES:
            head = FILES[name][: 8 if name == "thumbindex.db" else 20]
            read_anything(FILES | {name: head + rubbish})
    assert time.process_time() - began < 30


def test_reading_takes_microseconds_per_row_and_makes_no_objects_for_rows_that_nobody_asks_for() -> None:
    # A fortieth of a large library.
    made = Db3Maker()
    ann = made.person("Ann", ANN)
    for number in range(20):
        folder = made.folder(f"{FOLDER}{number}\\")
        rows = [made.photo(folder, f"IMG_{n:04d}.jpg", width=4000, height=3000, tags="a,b") for n in range(400)]
        for row in rows[::2]:
            made.face(row, BOX + row, ann)
    files = made.files()
    began = time.process_time()
    found = db3.read(files)
    assert sum(len(photo.faces) for photo in found.photos) == 4000
    assert time.process_time() - began < 2
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    found = db3.read(files)
    held = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert held < 120 * len(made.entries)
    assert found.problems == ()


def test_the_examples_in_the_docstrings_run() -> None:
    result = doctest.testmod(pmp)
    assert (result.attempted >= 1, result.failed) == (True, 0)


def test_the_stock_albums_are_where_picasa_has_them() -> None:
    assert STOCK[UNKNOWN_ALBUM][0] == "]unknownface"
