"""What reading `.picasa.ini` promises: everything that Picasa wrote is there, and rubbish costs nothing but itself."""

from __future__ import annotations

import doctest
import itertools
import json
import time
import unicodedata

import pytest
from conftest import DATA, needs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facelib.errors import UsageError
from facelib.picasa import ini, rect64
from facelib.picasa.ini import Account, Album, ContactName, FolderEntry, Ini, PhotoEntry, PicasaFace
from facelib.picasa.lines import MOST_PROBLEMS, Problem

SOMEBODY = 0xCA5C88CA60F42C0B
ALBUM = "f07f69266e7760526d5b1553c7f451fa"


def read(text: str) -> Ini:
    return ini.read(text.encode())


def photo(*lines: str) -> PhotoEntry:
    """The entry that these lines of one section make; nothing in them may be a problem."""
    document = read("\r\n".join(["[a.jpg]", *lines, ""]))
    assert document.problems == ()
    return document.photos["a.jpg"]


def whys(document: Ini) -> list[tuple[int, str]]:
    return [(problem.line, problem.text) for problem in document.problems]


def real(number: int) -> Ini:
    """A file that Picasa 3.9 itself wrote."""
    document = ini.read((DATA / "picasa-fixtures" / str(number) / ".picasa.ini").read_bytes())
    assert document.problems == ()
    return document


# ---- files of the real Picasa


@needs("picasa-fixtures")
def test_a_face_its_person_and_an_album() -> None:
    document = real(1)
    assert document.photos == {
        "photo01.jpg": PhotoEntry(albums=(ALBUM,)),
        "photo02.jpg": PhotoEntry(albums=(ALBUM,)),
        "photo00.jpg": PhotoEntry(faces=(PicasaFace(0x6800600097FF9FFF, SOMEBODY),)),
    }
    assert document.contacts == {SOMEBODY: (ContactName("synthetiic person 1200"),)}
    assert document.albums == {ALBUM: Album(ALBUM, "Synthetic Album B", "2015-03-15T09:59:59-07:00")}
    assert document.folder == FolderEntry()


@needs("picasa-fixtures")
def test_a_turned_photo_a_hidden_one_and_an_empty_section() -> None:
    assert real(3).photos == {
        "photo02.jpg": PhotoEntry(),
        "photo00.jpg": PhotoEntry(rotate=1),
        "photo06.jpg": PhotoEntry(hidden=True),
        "photo01.jpg": PhotoEntry(),  # its text overlay is full of semicolons and is not kept
    }


@needs("picasa-fixtures")
def test_a_folder_with_name_description_and_date() -> None:
    document = real(4)
    assert document.folder == FolderEntry(
        name="2015-03-15 Garden Project",
        description="description edit in garden project: done!",
        date="2015-03-15T10:00:00",
        p2category="Folders on Disk",
    )
    assert document.albums[ALBUM].description == "descriptin to renamed album, 2nd attempt"


@needs("picasa-fixtures")
def test_after_a_reset_of_faces_the_person_and_a_nameless_album_are_left() -> None:
    document = real(5)
    assert document.photos == {name: PhotoEntry() for name in ("photo01.jpg", "photo02.jpg", "photo00.jpg")}
    assert list(document.contacts) == [SOMEBODY]
    assert document.albums == {ALBUM: Album(ALBUM)}


@needs("picasa-fixtures")
def test_a_crop_of_15_digits() -> None:
    entry = real(6).photos["photo03.jpg"]
    assert entry == PhotoEntry(crop=0x0DC3369DC570A51E, filters="crop64=1,dc3369dc570a51e;")


@needs("picasa-fixtures")
def test_the_size_of_an_original() -> None:
    entry = real(7).photos["photo03.jpg"]
    assert (entry.width, entry.height) == (800, 600)
    assert entry.crop == 0x0DC3369DC570A51E


@needs("album")
def test_the_album_has_the_faces_that_its_ground_truth_calls_tagged() -> None:
    truth = json.loads((DATA / "album" / "gt.json").read_text(encoding="utf-8"))["photos"]
    expected = {name: sum(face.get("picasa", False) for face in about["faces"]) for name, about in truth.items()}
    found: dict[str, int] = {}
    for path in DATA.glob("album/*/*/.picasa.ini"):
        document = ini.read(path.read_bytes())
        assert document.problems == ()
        folder = path.parent.relative_to(DATA / "album")
        assert document.folder.name == folder.name
        for name, entry in document.photos.items():
            found[f"{folder}/{name}"] = sum(face.contact is not None for face in entry.faces)
    assert sum(found.values()) == sum(expected.values()) == 341
    assert found == {name: expected[name] for name in found}


# ---- faces and ids


def test_faces_with_and_without_a_last_semicolon() -> None:
    two = (PicasaFace(0x1F0D1E7C6655CB01, 0x3B1A11DF587FD280), PicasaFace(0x07C4FF8BF8DA, 0x2AEF23AE02C3BE))
    text = "faces=rect64(1f0d1e7c6655cb01),3b1a11df587fd280;rect64(7c4ff8bf8da),2aef23ae02c3be"
    assert photo(text).faces == photo(text + ";").faces == photo(text.upper()).faces == two


def test_ids_of_different_padding_are_one_number() -> None:
    document = read("[a]\nfaces=rect64(1),015f401bca26710c\n[Contacts2]\n15f401bca26710c=Anna;;\n")
    assert document.photos["a"].faces[0].contact in document.contacts


@pytest.mark.parametrize("nobody", ["0", "0000000000000000", "ffffffffffffffff", "FFFFFFFFFFFFFFFF"])
def test_the_ids_that_mean_nobody_are_unnamed_faces_and_never_people(nobody: str) -> None:
    document = read(
        f"[a.jpg]\nfaces=rect64(585b0668c1009d50),{nobody}\n"
        f"[Contacts2]\n{nobody}=Not A Person;;\n[Contacts]\n{nobody}=me_lh,12\n"
    )
    assert document.photos["a.jpg"].faces == (PicasaFace(0x585B0668C1009D50, None),)
    assert document.contacts == document.accounts == {}
    assert document.problems == ()


def test_a_person_who_is_in_a_photo_three_times_stays_three_times() -> None:
    assert len(photo("faces=rect64(1),a;rect64(2),a;rect64(3),a").faces) == 3


def test_the_same_rectangle_of_the_same_person_is_one_face() -> None:
    assert photo("faces=rect64(1),a;rect64(0001),0a;rect64(1),b").faces == (PicasaFace(1, 10), PicasaFace(1, 11))


def test_of_a_damaged_face_the_readable_half_is_kept_and_the_others_are_whole() -> None:
    document = read(
        "[a.jpg]\nfaces=rect64(1),a;rect64(2);rect64(3),;rect64(4),xyz;rect64(x),b;rect64(12345678901234567),c;"
        "junk;junk,d;rect64(5),e;rect64(6"
    )
    assert document.photos["a.jpg"].faces == (
        PicasaFace(1, 10),
        PicasaFace(2, None),
        PicasaFace(3, None),
        PicasaFace(4, None),
        PicasaFace(0, 11),  # in the picture, and nobody knows where
        PicasaFace(0, 12),
        PicasaFace(5, 14),
    )
    assert whys(document) == [
        (2, text)
        for text in ("rect64(2)", "rect64(3),", "rect64(4),xyz", "rect64(x),b", "rect64(12345678901234567),c")
        + ("junk", "junk,d", "rect64(6")
    ]


faces = st.builds(
    PicasaFace,
    st.integers(0, 2**64 - 1),
    st.none() | st.integers(1, 2**64 - 2),
)


@given(st.lists(faces, unique=True), st.booleans(), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_any_faces_come_back_as_they_were_written(some: list[PicasaFace], semicolon: bool, end: str, pad: bool) -> None:
    def digits(value: int | None) -> str:
        text = rect64.to_text(2**64 - 1 if value is None else value)
        return text.zfill(16) if pad else text

    line = ";".join(f"rect64({digits(face.rect)}),{digits(face.contact)}" for face in some) + ";" * semicolon
    document = read(f"[a.jpg]{end}faces={line}{end}")
    assert document.photos["a.jpg"].faces == tuple(some)
    assert document.problems == ()


# ---- other keys of a photo


def test_all_that_the_owner_of_a_photo_would_miss_is_kept() -> None:
    assert photo(
        "star=yes",
        "caption=Fr&#252;hling\\nim Garten &#8364; 5 &#55357;&#56832; [sic] = 100 % ;)",
        "keywords=Garten,, Mai ,Garten,Anna",
        f"albums={ALBUM.upper()},0123",
        "rotate=rotate(3)",
        "geotag=-33.868820,151.209296",
        "Hidden=yes",
        "width=4000",
        "height=3000",
    ) == PhotoEntry(
        star=True,
        hidden=True,
        caption="Frühling\nim Garten € 5 😀 [sic] = 100 % ;)",
        keywords=("Garten", "Mai", "Anna"),
        albums=(ALBUM, "0123"),
        rotate=3,
        width=4000,
        height=3000,
        geotag=(-33.86882, 151.209296),
    )


@pytest.mark.parametrize(("text", "turns"), [("0", 0), ("1", 1), ("3", 3), ("-1", 3), ("4", 0)])
def test_a_turn_is_counted_in_quarters_clockwise(text: str, turns: int) -> None:
    assert photo(f"rotate=rotate({text})").rotate == turns


def test_the_last_of_several_crops_is_the_crop() -> None:
    filters = "filters=crop64=1,1;tilt=1,0.2;crop64=1,dc3369dc570a51e;enhance=1;"
    assert photo(filters).crop == photo(filters, "crop=rect64(dc3369dc570a51e)").crop == 0x0DC3369DC570A51E
    assert photo("filters=uncrop64=1,1;").crop is None


def test_faces_and_a_crop_in_one_section_do_not_touch_each_other() -> None:
    entry = photo("crop=rect64(1000100080008000)", "faces=rect64(2000200030003000),a")
    assert (entry.crop, entry.faces) == (0x1000100080008000, (PicasaFace(0x2000200030003000, 10),))


@pytest.mark.parametrize(
    "line",
    ["rotate=1", "rotate=rotate()", "crop=12", "crop=rect64()", "width=-1", "height=0", "width=1e3", "geotag=north",
     "geotag=48.1", "geotag=91,0", "geotag=0,181"],
)  # fmt: skip
def test_a_value_that_cannot_be_read_is_a_problem_with_its_line_and_costs_only_itself(line: str) -> None:
    document = read(f"\r\n[a.jpg]\r\nstar=yes\r\n{line}\r\nfaces=rect64(1),a\r\n")
    assert document.photos == {"a.jpg": PhotoEntry(faces=(PicasaFace(1, 10),), star=True)}
    assert whys(document) == [(4, line)]
    assert document.problems[0].why


@pytest.mark.parametrize(
    "line",
    ["backuphash=600", "me-backuphash=1", "moddate=5ec020afbcf9dc01", "textactive=0", "IIDLIST_me_lh=1", "BKTag x=1",
     "onlinechecksum=1", "flipped=flipped(1)", "facedata=0,conf(0.3),leye(1,2);", "redo=enhance=1;", "screensaver=yes",
     "somethingnew=1", "star=", "faces=", "faces=;", "caption=", "rotate=", "05292=hsahpukcab"],
)  # fmt: skip
def test_keys_of_no_use_and_keys_without_a_value_say_nothing(line: str) -> None:
    assert photo(line) == PhotoEntry()


def test_a_text_overlay_may_look_like_anything() -> None:
    overlay = "text=1;132;11;[a.jpg] faces=rect64(1),a;Times;0.342500,0.685625;v1,4294967295;;"
    assert photo(overlay, "star=yes") == PhotoEntry(star=True)


# ---- sections


@pytest.mark.parametrize(
    "name",
    ["2012-04-01 19.43.09.jpg", "subtitle.png.jpg", "a[1].jpg", "[a].jpg", "a].jpg", "[", "100 %(name)s %d.jpg", "a=b.jpg",
     "Grüße 日本 😀.jpg", "a;b#c.jpg", "#1.jpg", ";.jpg", " a.jpg ", "a.jpg]", "DEFAULT", "no suffix", "Picasa.jpg"],
)  # fmt: skip
def test_a_section_name_is_everything_between_the_first_and_the_last_bracket(name: str) -> None:
    document = read(f"[before.jpg]\r\n[{name}]\r\nfaces=rect64(1),a\r\n[after.jpg]\r\n")
    assert document.photos == {
        "before.jpg": PhotoEntry(),
        name: PhotoEntry(faces=(PicasaFace(1, 10),)),
        "after.jpg": PhotoEntry(),
    }


def test_percent_semicolon_and_hash_are_data() -> None:
    document = read("[Contacts2]\n1=100 % # Anna;a#b@x;7\n[a.jpg]\ncaption=; # 50 %(x)s\n")
    assert document.contacts == {1: (ContactName("100 % # Anna", "a#b@x", "7"),)}
    assert document.photos["a.jpg"].caption == "; # 50 %(x)s"


def test_sections_that_occur_twice_are_merged() -> None:
    document = read(
        "[a.jpg]\nfaces=rect64(1),a;rect64(2),b\nkeywords=x,y\nrotate=rotate(1)\ncaption=old\n"
        "[b.jpg]\nstar=yes\n"
        "[a.jpg]\nfaces=rect64(2),b;rect64(3),c\nkeywords=y,z\nstar=yes\ncaption=new\ncaption=\n"
        "faces=rect64(2),d\n"
    )
    assert document.photos == {
        "a.jpg": PhotoEntry(
            faces=(PicasaFace(1, 10), PicasaFace(2, 11), PicasaFace(3, 12), PicasaFace(2, 13)),
            star=True,
            caption="new",
            keywords=("x", "y", "z"),
            rotate=1,
        ),
        "b.jpg": PhotoEntry(star=True),
    }


SECTIONS = [
    "[a.jpg]\nfaces=rect64(1),a\n",
    "[Contacts2]\na=Anna;;\n",
    "[Picasa]\nname=Sommer\n",
    f"[.album:{ALBUM}]\nname=Best of\n",
    "[encoding]\nutf8=1\n",
    "[Contacts2]\nb=Berta;;\n",
]


@given(st.permutations(SECTIONS))
def test_the_order_of_sections_does_not_matter(order: list[str]) -> None:
    document = read("".join(order))
    assert document.photos == {"a.jpg": PhotoEntry(faces=(PicasaFace(1, 10),))}
    assert document.contacts == {10: (ContactName("Anna"),), 11: (ContactName("Berta"),)}
    assert document.folder == FolderEntry(name="Sommer")
    assert document.albums == {ALBUM: Album(ALBUM, "Best of")}
    assert document.problems == ()


@pytest.mark.parametrize("junk", ["[(null)]", "[encoding]", "[photoid]", "[ENCODING]"])
def test_sections_of_no_use_are_passed_over_with_all_that_they_hold(junk: str) -> None:
    document = read(f"[a.jpg]\n{junk}\nfaces=rect64(1),a\nnonsense\n[b.jpg]\nstar=yes\n")
    assert document.photos == {"a.jpg": PhotoEntry(), "b.jpg": PhotoEntry(star=True)}
    assert document.problems == ()


@pytest.mark.parametrize("damaged", ["[b.jpg", "[b.jp\0\0", "[", "[]", "[ ]", "[b.jpg]x", "b.jpg]", "]gpj.b["])
def test_faces_below_a_damaged_section_name_are_not_given_to_the_photo_before(damaged: str) -> None:
    document = read(f"[a.jpg]\nstar=yes\n{damaged}\nfaces=rect64(1),a\nfaces=rect64(2),b\n[c.jpg]\nhidden=yes\n")
    assert document.photos == {"a.jpg": PhotoEntry(star=True), "c.jpg": PhotoEntry(hidden=True)}
    assert [problem.line for problem in document.problems] == [3]
    assert "left out" in document.problems[0].why


# ---- people


def test_a_name_ends_at_the_first_semicolon() -> None:
    document = read(
        "[Contacts2]\n1= Anna Müller ;anna@example.org;117602123456789012345\n2=Bert;b@x;\n3=Carl;;\n4=Dora\n5=;e@x;\n"
    )
    assert document.contacts == {
        1: (ContactName("Anna Müller", "anna@example.org", "117602123456789012345"),),
        2: (ContactName("Bert", "b@x"),),
        3: (ContactName("Carl"),),
        4: (ContactName("Dora"),),
        5: (ContactName("", "e@x"),),
    }
    assert document.problems == ()


def test_an_id_with_several_names_keeps_them_the_last_one_last() -> None:
    document = read("[Contacts2]\n1=Anna;;\n1=Anne;;\n[Contacts2]\n0001=Anna;;\n")
    assert document.contacts == {1: (ContactName("Anne"), ContactName("Anna"))}


def test_web_identities_are_an_account_and_a_hexadecimal_id() -> None:
    document = read("[Contacts]\n9b9dbbc5e4babcc=some,one_lh,1ee\n2=me_lh,13;\n2=you_lh,f976a9b8d207084\n")
    assert document.accounts == {
        0x9B9DBBC5E4BABCC: (Account("some,one_lh", 0x1EE),),
        2: (Account("me_lh", 0x13), Account("you_lh", 0xF976A9B8D207084)),
    }


def test_a_person_without_a_readable_id_is_a_problem_and_known_rubbish_is_none() -> None:
    document = read(
        "[Contacts2]\nxyz=Anna;;\n05292=hsahpukcab\n1=Bert;;\n[Contacts]\n1=me_lh\n1=,5\nq=me_lh,1\n2=me_lh,1\n05292=hsahpukcab\n"
    )
    assert document.contacts == {1: (ContactName("Bert"),)}
    assert document.accounts == {2: (Account("me_lh", 1),)}
    assert whys(document) == [(2, "xyz=Anna;;"), (6, "1=me_lh"), (7, "1=,5"), (8, "q=me_lh,1")]


# ---- folders and albums


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("42078.416667", "2015-03-15T10:00:00"),
        ("42078,416667", "2015-03-15T10:00:00"),
        ("42078", "2015-03-15T00:00:00"),
        ("1.999999", "1900-01-01T00:00:00"),
        ("-1.25", "1899-12-29T06:00:00"),
        ("2015-03-15T09:59:59-07:00", "2015-03-15T09:59:59-07:00"),
        ("0.000000", None),
    ],
)
def test_dates_are_days_since_1899_or_iso(text: str, date: str | None) -> None:
    document = read(f"[Picasa]\ndate={text}\n[.album:1]\ndate={text}\n")
    assert document.folder.date == document.albums["1"].date == date
    assert document.problems == ()


@pytest.mark.parametrize("text", ["soon", "nan", "inf", "1e5", "9999999", "-9999999.5", "2015-02-30", "12345678.5"])
def test_a_date_that_is_none_is_a_problem(text: str) -> None:
    document = read(f"[Picasa]\ndate={text}\nname=Sommer\n")
    assert document.folder == FolderEntry(name="Sommer")
    assert whys(document) == [(2, f"date={text}")]


def test_what_is_said_about_a_folder_by_picasa_2_and_3() -> None:
    document = read(
        "[Picasa]\nName=Sommer 2003\ndescription=Am Meer&#10;und \\nin den Bergen\nlocation=Kreta\ncategory=My Albums\n"
        "P2category=Exported Pictures\nme_lh=12\ncontactsversion=3\n"
    )
    assert document.folder == FolderEntry(
        "Sommer 2003", "Am Meer\nund\nin den Bergen", "Kreta", None, "My Albums", "Exported Pictures"
    )


def test_the_first_picasa_called_the_folder_lifescape_and_the_newer_word_counts() -> None:
    old, new = "[LifeScape]\nname=Old\nlocation=Kreta\n", "[Picasa]\nname=New\n"
    assert read(old).folder == FolderEntry(name="Old", location="Kreta")
    assert read(old + new).folder == read(new + old).folder == FolderEntry(name="New", location="Kreta")


# ---- bytes


@pytest.mark.parametrize(
    "nothing", [b"", b"\n", b"\r\n\r\n", b"\xef\xbb\xbf", b"  \t", b"[Picasa]", b"[encoding]\nutf8=1"]
)
def test_nothing_says_nothing(nothing: bytes) -> None:
    assert ini.read(nothing) == Ini()


@pytest.mark.parametrize("data", [b"[a.jpg]\nstar=yes", b"[a.jpg]\r\nstar=yes\r", b"\n\n[a.jpg]\n\nstar=yes\n\n"])
def test_line_ends_may_be_missing_or_doubled(data: bytes) -> None:
    assert ini.read(data) == Ini(photos={"a.jpg": PhotoEntry(star=True)})


@pytest.mark.parametrize("bom_before", [b"[Contacts2]", b"[a.jpg]"])
def test_a_bom_is_no_part_of_a_section_name_even_in_the_middle_where_files_were_joined(bom_before: bytes) -> None:
    data = b"\xef\xbb\xbf[Contacts2]\r\na=Anna;;\r\n[a.jpg]\r\nfaces=rect64(1),a\r\n"
    document = ini.read(data.replace(bom_before, b"\xef\xbb\xbf" + bom_before))
    assert document.photos == {"a.jpg": PhotoEntry(faces=(PicasaFace(1, 10),))}
    assert document.contacts == {10: (ContactName("Anna"),)}


def test_text_of_the_windows_code_page_is_read_line_by_line_whatever_the_file_says_of_itself() -> None:
    data = (
        b"[encoding]\r\nutf8=1\r\n[Gr\xfc\xdfe.jpg]\r\ncaption=\xd8resund \x80\r\n"
        b"[Contacts2]\r\n1=Ren\xe9;;\r\n2=Ren\xc3\xa9;;\r\n"
    )
    document = ini.read(data)
    assert document.photos == {"Grüße.jpg": PhotoEntry(caption="Øresund €")}
    assert document.contacts == {1: (ContactName("René"),), 2: (ContactName("René"),)}
    assert document.problems == ()


def test_utf_8_is_read_without_a_section_that_says_so() -> None:
    assert ini.read("[Ünï.jpg]\nstar=yes\n".encode()).photos == {"Ünï.jpg": PhotoEntry(star=True)}


def test_the_code_page_may_be_another_one() -> None:
    name = "表示.jpg"  # the second byte of the first character is a backslash in cp932
    data = b"[" + name.encode("cp932") + b"]\nfaces=rect64(1),a\n"
    assert ini.read(data, "cp932").photos == {name: PhotoEntry(faces=(PicasaFace(1, 10),))}
    with pytest.raises(UsageError, match="'cp9999' is no code page"):
        ini.read(data, "cp9999")
    with pytest.raises(UsageError, match="'hex' is no code page"):
        ini.read(b"", "hex")


def test_only_a_newline_ends_a_line() -> None:
    """0x85 is an ellipsis in cp1252, and a line end to Python's str.splitlines once it is U+0085."""
    ends = "\x85\x0b\x0c\x1c\u2028\u2029"
    ansi = ini.read(b"[a\x85.jpg]\ncaption=wait\x85 here\nstar=yes\n")
    assert ansi.photos == {"a….jpg": PhotoEntry(caption="wait… here", star=True)}
    utf8 = read(f"[a.jpg]\nkeywords=x{ends}y\nstar=yes\n")
    assert len(utf8.photos["a.jpg"].keywords) == 1
    assert utf8.photos["a.jpg"].star
    assert utf8.problems == ()


def test_a_block_of_zero_bytes_that_a_crash_left_costs_only_itself() -> None:
    document = ini.read(b"[a.jpg]\nfaces=rect64(1),a\n" + bytes(4096) + b"[b.jpg]\nstar=yes\n" + bytes(4096) + b"\n")
    assert document.photos == {"a.jpg": PhotoEntry(faces=(PicasaFace(1, 10),)), "b.jpg": PhotoEntry(star=True)}
    assert [problem.line for problem in document.problems] == [5]


def test_text_never_holds_control_characters_or_half_characters() -> None:
    entry = ini.read(b"[a.jpg]\ncaption=x\0y\x1b[31m&#0;&#1;&#55357;&#1114112;&#9999999;z\n").photos["a.jpg"]
    assert entry.caption == "x y [31m&#0; \N{REPLACEMENT CHARACTER}&#1114112;&#9999999;z"


# ---- problems


def test_a_problem_says_line_text_and_reason_in_printable_characters() -> None:
    document = ini.read(b"[a.jpg]\n\nno key here \x1b[2J" + b"x" * 5000 + b"\n=no key\n")
    first, second = document.problems
    assert first == Problem(
        3, "no key here \N{REPLACEMENT CHARACTER}[2J" + "x" * 184, "neither a section nor key=value"
    )
    assert (second.line, second.text) == (4, "=no key")


def test_what_stands_before_the_first_section_is_a_problem() -> None:
    document = read("star=yes\n[a.jpg]\n")
    assert document.photos == {"a.jpg": PhotoEntry()}
    assert document.problems == (Problem(1, "star=yes", "stands before the first section"),)


def test_a_file_of_nothing_but_rubbish_has_a_bounded_number_of_problems_and_says_how_many_more() -> None:
    document = ini.read(b"[a.jpg]\n" + b"rubbish\n" * 5000)
    assert len(document.problems) == MOST_PROBLEMS + 1
    assert document.problems[-1] == Problem(5001, "", "and 4000 more up to this line")


# ---- the entry of a file


def test_a_file_is_found_by_its_name_then_in_other_case_then_in_another_unicode_form() -> None:
    nfd = unicodedata.normalize("NFD", "Café.jpg")
    document = read(f"[IMG_1.JPG]\nrotate=rotate(1)\n[img_1.jpg]\nrotate=rotate(2)\n[{nfd}]\nrotate=rotate(3)\n")
    assert document.section("IMG_1.JPG") == "IMG_1.JPG"
    assert document.section("img_1.jpg") == "img_1.jpg"
    assert document.section("Img_1.jpg") == "IMG_1.JPG"
    assert document.section("Café.jpg") == document.section("CAFÉ.JPG") == document.section(nfd.upper()) == nfd
    assert document.section("other.jpg") is None
    found = document.find("Café.jpg")
    assert found is not None
    assert found.rotate == 3
    assert document.find("other.jpg") is None


def test_of_two_unicode_forms_in_other_case_the_same_form_counts() -> None:
    nfc, nfd = (unicodedata.normalize(form, "Café.jpg") for form in ("NFC", "NFD"))
    for order in itertools.permutations([nfc, nfd]):
        document = read("".join(f"[{name}]\n" for name in order))
        assert document.section(nfc.upper()) == nfc
        assert document.section(nfd.upper()) == nfd


def test_names_that_windows_tells_apart_are_two() -> None:
    assert read("[strasse.jpg]\n").section("straße.jpg") is None


def test_a_file_name_in_the_code_page_is_found_too() -> None:
    """The disk of an old Windows, copied byte by byte: the file's name is no UTF-8, nor is the ini."""
    document = ini.read(b"[Gr\xfc\xdfe.jpg]\nstar=yes\n")
    found = document.find(b"Gr\xfc\xdfe.JPG".decode("utf-8", "surrogateescape"))
    assert found == PhotoEntry(star=True)


def test_files_and_sections_are_paired_one_to_one_and_what_is_left_is_stale() -> None:
    document = read("[a.jpg]\n[B.JPG]\n[gone.jpg]\n[B.jpg]\n")
    pairs = document.pair(["b.jpg", "A.JPG", "a.jpg", "B.JPG", "c.jpg"])
    assert pairs == {"a.jpg": "a.jpg", "B.JPG": "B.JPG"}  # A.JPG and b.jpg lie beside the files that are meant
    assert document.pair(["A.JPG", "c.jpg"]) == {"A.JPG": "a.jpg"}


# ---- several files in one folder

TWINS = [
    ".picasa.ini",
    "Picasa.ini",
    "picasa.ini",
    ".picasa (1).ini",
    ".picasa (2).ini",
    ".picasa (PC's conflicted copy 2013-05-01).ini",
    ".picasa.sync-conflict-20200101-120000-ABCDEFG.ini",
]


@given(st.permutations(TWINS), st.lists(st.text(), max_size=3))
def test_the_inis_of_a_folder_are_read_new_before_old_before_copies_whatever_their_order(
    order: list[str], others: list[str]
) -> None:
    others = [name for name in others if "picasa" not in name.lower()]
    assert ini.ini_names([*order, *others]) == TWINS


@pytest.mark.parametrize(
    "name",
    ["._.picasa.ini", ".picasa.ini~", ".picasa.ini.bak", "desktop.ini", "picasa", ".picasaoriginals", "picasa2.ini",
     "my.picasa.ini", ".picasa.ini\n", "picasaweb.ini"],
)  # fmt: skip
def test_what_is_no_ini_of_picasa_is_not_read(name: str) -> None:
    assert ini.ini_names([name]) == []


@pytest.mark.parametrize("name", [".PICASA.INI", "PICASA.INI", ".Picasa (2).Ini", "picasa~1.ini"])
def test_case_does_not_matter(name: str) -> None:
    assert ini.ini_names([name]) == [name]


def test_a_later_file_only_says_what_no_earlier_one_speaks_of() -> None:
    new = read(
        "[a.jpg]\nfaces=rect64(1),a\n[empty.jpg]\n[Contacts2]\na=Anna Neu;;\n[Picasa]\nname=Neu\n[.album:1]\nname=Eins\n"
    )
    old = read(
        "[A.JPG]\nfaces=rect64(2),b\nstar=yes\n[empty.jpg]\nfaces=rect64(3),c\n[old.jpg]\nstar=yes\n[OLD.jpg]\nhidden=yes\n"
        "[Contacts2]\na=Anna Alt;;\nb=Bert;;\n[Contacts]\na=me_lh,1\n[Picasa]\nname=Alt\nlocation=Kreta\n"
        "[.album:1]\nname=Uno\n[.album:2]\nname=Due\n"
    )
    merged = ini.merge([new, old])
    assert merged.photos == {
        "a.jpg": PhotoEntry(faces=(PicasaFace(1, 10),)),
        "empty.jpg": PhotoEntry(),
        "old.jpg": PhotoEntry(star=True),
        "OLD.jpg": PhotoEntry(hidden=True),
    }
    assert merged.contacts == {10: (ContactName("Anna Alt"), ContactName("Anna Neu")), 11: (ContactName("Bert"),)}
    assert merged.accounts == {10: (Account("me_lh", 1),)}
    assert merged.folder == FolderEntry(name="Neu")
    assert merged.albums == {"1": Album("1", "Eins"), "2": Album("2", "Due")}


def test_faces_that_a_later_file_has_and_an_earlier_one_not_are_named() -> None:
    new = read("[a.jpg]\nfaces=rect64(1),a\n[b.jpg]\n[c.jpg]\nfaces=rect64(5),e;rect64(6),f\n")
    old = read(
        "[A.jpg]\nfaces=rect64(2),b\n[b.jpg]\nfaces=rect64(3),c\n[c.jpg]\nfaces=rect64(6),f\n[d.jpg]\nfaces=rect64(4),d\n"
    )
    assert ini.shadowed(new, old) == ("A.jpg", "b.jpg")


def test_one_file_is_what_it_is_and_none_is_nothing() -> None:
    document = read("[a.jpg]\nstar=yes\n[A.jpg]\n[Contacts2]\na=Anna;;\n")
    assert ini.merge([document]) == document
    assert ini.merge([]) == Ini()


def test_a_merged_document_finds_files_like_any_other() -> None:
    merged = ini.merge([ini.read(b"[a.jpg]\n"), ini.read(b"[B.JPG]\nstar=yes\n")])
    assert merged.find("b.jpg") == PhotoEntry(star=True)


# ---- arbitrary bytes

BAIT = [
    b"[", b"]", b"[]", b"[x", b"x]", b"=", b"a=", b"=b", b";", b"\0", b"\x85", b"\xff\xfe", b"\xef\xbb\xbf", b"faces=rect64(",
    b"faces=rect64(1),", b"rotate=rotate(", b"[Contacts2]", b"[.album:", b"[.album:]", b"[Picasa]", b"date=1e999", b"&#55357;",
    b"caption=&#", b"\r", b"[(null)]", b"width=" + b"9" * 5000, b"date=" + b"9" * 5000, b"geotag=1,1,1", b"\xc3", b"\xe2\x82",
]  # fmt: skip
rubbish = st.lists(st.binary(max_size=60) | st.sampled_from(BAIT), max_size=12).map(b"\n".join)


@given(st.binary(max_size=400) | rubbish, st.sampled_from(["cp1252", "cp932", "ascii", "latin-1", "utf-16"]))
@settings(max_examples=250, deadline=None)
@example(b"\0" * 100, "cp1252")
def test_no_bytes_make_reading_fail_and_the_same_bytes_say_the_same(data: bytes, ansi: str) -> None:
    document = ini.read(data, ansi)
    again = ini.read(data, ansi)
    assert document == again
    assert list(document.photos) == list(again.photos)
    for name in (*document.photos, "a.jpg", "\udcff"):
        document.find(name)
    for entry in document.photos.values():
        for face in entry.faces:
            assert 0 <= face.rect < 2**64
            assert face.contact not in ini.NOBODY
    repr(document).encode()  # no half characters: all of it can be stored and printed
    lines = data.count(b"\n") + 1
    assert all(1 <= problem.line <= lines and problem.text.isprintable() for problem in document.problems)


@given(rubbish, rubbish)
@settings(deadline=None)
def test_a_good_section_survives_whatever_stands_around_it(before: bytes, after: bytes) -> None:
    good = b"\n[good one.jpg]\r\nfaces=rect64(123),abc;rect64(456),def\r\nstar=yes\r\n[Contacts2]\nabc=Anna;;\n[end]\n"
    document = ini.read(before + good + after)
    entry = document.photos["good one.jpg"]
    assert entry.faces == (PicasaFace(0x123, 0xABC), PicasaFace(0x456, 0xDEF))
    assert entry.star
    assert document.contacts[0xABC] == (ContactName("Anna"),)


WHOLE = [
    b"[Picasa]", b"name=Sommer", b"[a.jpg]", b"faces=rect64(1),a", b"star=yes", b"[b.jpg]", b"faces=rect64(2),b", b"[c.jpg]",
    b"faces=rect64(3),c", b"hidden=yes", b"[Contacts2]", b"a=Anna;;", b"b=Bert;;",
]  # fmt: skip


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=40).filter(lambda b: b"\n" not in b and b"=" not in b))
def test_a_line_turned_into_rubbish_takes_nothing_from_other_sections(index: int, junk: bytes) -> None:
    whole, damaged = ini.read(b"\n".join(WHOLE)), ini.read(b"\n".join([*WHOLE[:index], junk, *WHOLE[index + 1 :]]))
    section = next(i for i in range(index, -1, -1) if WHOLE[i].startswith(b"["))
    touched = {WHOLE[section][1:-1].decode()}
    if section == index and index:  # the name of a section: its lines may look like those of the one before
        touched.add(next(WHOLE[i] for i in range(index - 1, -1, -1) if WHOLE[i].startswith(b"["))[1:-1].decode())
    for name, entry in whole.photos.items():
        if name not in touched:
            assert damaged.photos[name] == entry
    if "Contacts2" not in touched:
        assert damaged.contacts == whole.contacts
    if "Picasa" not in touched:
        assert damaged.folder == whole.folder


HOSTILE = {
    "one section": b"[a]\n",
    "one face again": b"[a]\nfaces=rect64(1),2;\n",
    "no keys": b"=\n",
    "no section names": b"[\n",
    "broken faces": b"rect64(1;",
    "brackets": b"[",
    "entities": b"&#8364;",
    "not UTF-8": b"\xff\n",
    "blanks": b" \t",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_twice_the_rubbish_takes_about_twice_the_time(kind: str) -> None:
    def seconds(size: int) -> float:
        data = b"[x]\nfaces=" + HOSTILE[kind] * (size // len(HOSTILE[kind])) + b"x"
        best = 9e9
        for _ in range(2):
            begin = time.process_time()
            ini.read(data)
            best = min(best, time.process_time() - begin)
        return best

    assert seconds(100_000) < 4 * seconds(50_000) + 0.02


@pytest.mark.parametrize("line", ["[{}]\nstar=yes\n", "[x]\nfaces=rect64({}),1\n", "[Contacts2]\n1=Name {};;\n"])
def test_twice_the_content_takes_about_twice_the_time(line: str) -> None:
    def seconds(count: int) -> float:
        data = "".join(line.format(i) for i in range(count)).encode()
        begin = time.process_time()
        document = ini.merge([ini.read(data), ini.read(data)])
        document.pair(f"{i}.jpg" for i in range(count))
        return time.process_time() - begin

    assert min(seconds(10_000) for _ in range(2)) < 4 * min(seconds(5_000) for _ in range(2)) + 0.02


def test_the_examples_in_the_module_run() -> None:
    assert doctest.testmod(ini).attempted >= 2
    assert doctest.testmod(ini).failed == 0
