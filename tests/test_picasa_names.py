"""What putting names to Picasa's ids promises: the order of trust, nobody lost, and every disagreement told."""

from __future__ import annotations

import doctest
import json
import random
import time
import unicodedata
from pathlib import Path

import pytest
from conftest import DATA, needs
from hypothesis import given
from hypothesis import strategies as st

from facelib.geometry import to_upright
from facelib.picasa import contacts, ini, names, rect64
from facelib.picasa.contacts import Contact, Contacts
from facelib.picasa.ini import Account
from facelib.picasa.names import Names, Resolved, Source

ANNA, BERT, CARL, DORA, NOBODY = 0xA, 0xB, 0xC, 0xD, 0xE


def folder(*people: str, web: tuple[str, ...] = (), faces: tuple[int, ...] = ()) -> ini.Ini:
    """The ini of a folder: lines of [Contacts2], of [Contacts], and the ids of faces in it."""
    text = "\n".join(["[Contacts2]", *people, "[Contacts]", *web, "[a.jpg]", ""])
    text += "faces=" + ";".join(f"rect64({i + 1:x}),{contact:x}" for i, contact in enumerate(faces))
    document = ini.read(text.encode())
    assert document.problems == ()
    return document


def listed(*people: Contact) -> Contacts:
    return Contacts({person.id: person for person in people})


# ---- the order of trust


def test_contacts_xml_is_right_whatever_the_folders_say() -> None:
    known = Names(listed(Contact(ANNA, "Anna Neu")), {ANNA: "Anna in db3"})
    known.add("/p/a", folder("a=Anna Alt;;"))
    assert known.resolve(ANNA, "/p/a") == Resolved("Anna Neu", Source.CONTACTS, ("Anna Alt", "Anna in db3"))


def test_without_it_the_photos_own_folder_is_asked_then_those_above_it_the_nearest_first() -> None:
    known = Names()
    known.add("/p", folder("a=Top;;", "b=Top;;"))
    known.add("/p/2015", folder("a=Year;;"))
    known.add("/p/2015/03", folder("a=Month;;"))
    assert known.resolve(ANNA, "/p/2015/03") == Resolved("Month", Source.FOLDER, ("Top", "Year"))
    assert known.resolve(ANNA, "/p/2015/03/deep/er") == Resolved("Month", Source.ABOVE, ("Top", "Year"))
    assert known.resolve(ANNA, "/p/2015/04") == Resolved("Year", Source.ABOVE, ("Month", "Top"))
    assert known.resolve(BERT, "/p/2015/03") == Resolved("Top", Source.ABOVE)
    assert known.resolve(BERT, "/p") == Resolved("Top", Source.FOLDER)


def test_then_any_folder_the_most_frequent_name_first_then_the_newest() -> None:
    known = Names()
    for number, name in enumerate(["Anne", "Anna", "Annie", "Anna", "Anne"]):
        known.add(f"/p/{number}", folder(f"a={name};;"), mtime_ns=number)
    assert known.resolve(ANNA, "/q") == Resolved("Anne", Source.ANYWHERE, ("Anna", "Annie"))
    known.add("/p/5", folder("a=Anna;;"), mtime_ns=0)
    assert known.resolve(ANNA, "/q").name == "Anna"


def test_a_folder_is_above_another_only_at_a_slash() -> None:
    known = Names()
    known.add("/p/2015", folder("a=Anna;;"))
    assert known.resolve(ANNA, "/p/2015-03").source == Source.ANYWHERE
    assert known.resolve(ANNA, "/p/2015/03").source == Source.ABOVE


@pytest.mark.parametrize("top", ["/", "/p", "", "p", "//server"])
def test_any_path_comes_to_an_end(top: str) -> None:
    known = Names()
    known.add(top, folder("a=Anna;;"))
    assert known.resolve(ANNA, top) == Resolved("Anna", Source.FOLDER)
    assert known.resolve(ANNA, f"{top}/x/y").name == "Anna"
    assert known.resolve(BERT, top).name is None


def test_then_the_web_identity_of_any_folder_leads_to_somebody_in_contacts_xml() -> None:
    known = Names(listed(Contact(BERT, "Anna", subjects=(Account("Me_lh", 0x1EE), Account("you_lh", 0x13)))))
    known.add("/p/a", folder(web=("a=me_lh,1ee", "c=other_lh,1ee", "d=me_lh,13")))
    assert known.resolve(ANNA, "/q") == Resolved("Anna", Source.WEB)
    assert known.resolve(CARL, "/p/a").name is None  # another account counts its people by itself
    assert known.resolve(DORA, "/p/a").name is None


def test_a_web_identity_that_a_nameless_person_has_too_leads_to_the_other() -> None:
    me = (Account("me_lh", 1),)
    known = Names(listed(Contact(BERT, "Anna", subjects=me), Contact(CARL, "", subjects=me)))
    known.add("/p", folder(web=("a=me_lh,1",)))
    assert known.resolve(ANNA, "/p") == Resolved("Anna", Source.WEB)


def test_then_db3_and_then_nobody() -> None:
    known = Names(listed(Contact(BERT, "")), {ANNA: "Anna", BERT: "Bert", CARL: " "})
    assert known.resolve(ANNA, "/p") == Resolved("Anna", Source.DB3)
    assert known.resolve(BERT, "/p") == Resolved("Bert", Source.DB3)  # an element without a name says nothing
    assert known.resolve(CARL, "/p") == known.resolve(NOBODY, "/p") == Resolved(None, Source.NOWHERE)


@given(st.permutations(list(Source)[:-1]), st.integers(0, 6))
def test_the_first_source_that_has_a_name_counts_whatever_the_order_in_which_they_came(
    order: list[Source], missing: int
) -> None:
    sources = set(order[missing:])
    expected = min(sources, key=list(Source).index, default=Source.NOWHERE)
    people = [Contact(ANNA, "contacts.xml")] if Source.CONTACTS in sources else []
    people += [Contact(BERT, "web identity", subjects=(Account("me_lh", 1),))] if Source.WEB in sources else []
    known = Names(listed(*people), {ANNA: "db3"} if Source.DB3 in sources else {})
    places = {
        Source.FOLDER: ("/p/a/b", folder("a=folder;;")),
        Source.ABOVE: ("/p/a", folder("a=folder above;;")),
        Source.ANYWHERE: ("/q", folder("a=any folder;;")),
        Source.WEB: ("/r", folder(web=("a=me_lh,1",))),
    }
    for source in order[missing:]:
        if source in places:
            known.add(*places[source])
    found = known.resolve(ANNA, "/p/a/b")
    assert found.source == expected
    assert found.name == (None if expected == Source.NOWHERE else str(expected))
    assert set(found.also) == {str(source) for source in sources if source != expected}


# ---- names


def test_names_are_trimmed_and_of_one_unicode_form() -> None:
    nfc, nfd = (unicodedata.normalize(form, "René") for form in ("NFC", "NFD"))
    known = Names(listed(Contact(ANNA, nfd)))
    known.add("/p", folder(f"a= {nfc}\t;;", faces=(ANNA,)))
    assert known.resolve(ANNA, "/p") == Resolved(nfc, Source.CONTACTS)
    assert known.conflicts() == {}


def test_of_several_names_in_one_folder_the_last_one_counts() -> None:
    known = Names()
    known.add("/p", folder("a=Anna;;", "a=Anne;;", "a=;mail@example.org;"))
    assert known.resolve(ANNA, "/p") == Resolved("Anne", Source.FOLDER, ("Anna",))


def test_a_merged_folder_gives_the_name_of_its_newer_file() -> None:
    known = Names()
    known.add("/p", ini.merge([folder("a=Neu;;"), folder("a=Alt;;")]))
    assert known.resolve(ANNA, "/p") == Resolved("Neu", Source.FOLDER, ("Alt",))


def test_what_is_added_after_an_answer_counts_in_the_next_one() -> None:
    known = Names()
    assert known.resolve(ANNA, "/p").name is None
    known.add("/p", folder("a=Anna;;"))
    assert known.resolve(ANNA, "/p").name == "Anna"


def test_an_id_without_a_name_has_a_word_of_16_digits() -> None:
    assert names.placeholder(0x9B9DBBC5E4BABCC) == "picasa:09b9dbbc5e4babcc"
    assert doctest.testmod(names).failed == 0


# ---- reports


def test_an_id_of_faces_with_several_names_is_a_conflict() -> None:
    known = Names(listed(Contact(ANNA, "Anna", also=("Nan",)), Contact(CARL, "Carl", also=("Karl",))), {BERT: "Bert"})
    known.add("/p/a", folder("a=Anna;;", "b=Bert;;", faces=(ANNA, BERT)))
    known.add("/p/b", folder("a=Anne;;", "b=Bert;;", faces=(ANNA,)))
    assert known.conflicts() == {ANNA: ("Anna", "Anne", "Nan")}  # nobody has tagged Carl


def test_an_id_of_faces_without_any_name_is_an_orphan_and_a_person_without_faces_is_none() -> None:
    known = Names(listed(Contact(ANNA, "Anna")))
    known.add("/p/a", folder("b=Bert;;", faces=(NOBODY, ANNA, NOBODY, DORA)))
    known.add("/p/b", folder("d=Dora;;"))
    assert known.orphans() == (NOBODY,)
    assert known.conflicts() == known.shared() == {}


def test_several_ids_of_one_name_are_one_person() -> None:
    known = Names(listed(Contact(ANNA, "Anna"), Contact(BERT, "Anna"), Contact(NOBODY, "Anna")))
    known.add("/p/a", folder("c=Carl;;", "d=Anna;;", faces=(ANNA, BERT, CARL)))
    known.add("/p/b", folder("c=Anna;;", faces=(CARL, DORA)))
    # Carl's id has the other name in one folder only, and Dora's takes it from there; the last id has no faces.
    assert known.shared() == {"Anna": (ANNA, BERT, CARL, DORA)}


# ---- real files, and how fast


def album() -> tuple[Names, dict[str, ini.Ini]]:
    root = DATA / "album"
    found = {str(path.parent): ini.read(path.read_bytes()) for path in root.glob("*/*/.picasa.ini")}
    known = Names(contacts.read((root / "contacts.xml").read_bytes()))
    for place, document in found.items():
        known.add(place, document)
    return known, found


@needs("album")
def test_each_of_the_341_tagged_faces_of_the_album_gets_the_name_that_its_ground_truth_has_at_that_place() -> None:
    truth = json.loads((DATA / "album" / "gt.json").read_text(encoding="utf-8"))["photos"]
    known, found = album()
    named = 0
    for place, document in found.items():
        for photo, entry in document.photos.items():
            about = truth[str((Path(place) / photo).relative_to(DATA / "album"))]
            tagged = {face["id"].replace("_", " "): face["box"] for face in about["faces"] if face.get("picasa")}
            width, height = about["size_upright"]
            people = [face for face in entry.faces if face.contact is not None]
            assert {known.resolve(face.contact, place).name for face in people} == set(tagged)  # type: ignore[arg-type]
            for face in people:
                region = rect64.decode(face.rect)
                assert region is not None
                assert face.contact is not None
                x, y = to_upright(
                    ((region.left + region.right) / 2, (region.top + region.bottom) / 2), about["orientation"]
                )
                left, top, right, bottom = tagged[known.resolve(face.contact, place).name or ""]
                assert left < x * width < right
                assert top < y * height < bottom
                named += 1
    assert named == 341
    assert known.orphans() == ()


@needs("album")
def test_the_album_has_no_id_of_two_names_and_some_people_of_two_ids() -> None:
    known, _ = album()
    assert known.conflicts() == {}
    shared = known.shared()
    assert "Andy Roddick" in shared
    assert all(len(ids) == 2 for ids in shared.values())


@pytest.mark.parametrize("with_contacts", [True, False])
def test_a_thousand_inis_with_twenty_thousand_faces_take_a_second_or_so(with_contacts: bool) -> None:
    draw = random.Random(1)
    ids = [draw.getrandbits(64) for _ in range(200)]
    people = [f"{key:x}=Person {i % 180};;" for i, key in enumerate(ids)]
    faces = [
        f"[{i}.jpg]\nbackuphash=1\nfaces=rect64({draw.getrandbits(64):x}),{draw.choice(ids):x}\n" for i in range(20_000)
    ]
    files = [
        "".join(["[Contacts2]\n", "\n".join(draw.sample(people, 40)), "\n", *faces[20 * i : 20 * i + 20]]).encode()
        for i in range(1000)
    ]
    everybody = listed(*(Contact(key, f"Person {i % 180}") for i, key in enumerate(ids)))
    begin = time.process_time()
    known = Names(everybody if with_contacts else None)
    documents = {f"/home/me/Pictures/{i // 12}/{i}": ini.merge([ini.read(data)]) for i, data in enumerate(files)}
    for place, document in documents.items():
        known.add(place, document)
    answers = [
        known.resolve(face.contact, place).name
        for place, document in documents.items()
        for entry in document.photos.values()
        for face in entry.faces
        if face.contact is not None
    ]
    known.conflicts(), known.orphans(), known.shared()
    assert len(answers) == 20_000
    assert None not in answers
    assert time.process_time() - begin < 5  # about 0.4; the rest is for slow machines
