"""What reading contacts.xml promises: every person in it, whatever became of the file, and no DTD."""

from __future__ import annotations

import random
import time
from datetime import datetime
from html import escape

import pytest
from conftest import DATA, needs
from hypothesis import example, given, settings
from hypothesis import strategies as st

from facelib.errors import UsageError
from facelib.picasa import contacts
from facelib.picasa.contacts import Contact, Contacts
from facelib.picasa.ini import NOBODY, Account

NEW = (
    '<contacts>\r\n <contact id="ca5c88ca60f42c0b" name="Anna &amp; Bert" modified_time="2026-06-11T20:40:16-07:00" '
    'local_contact="1"/>\r\n</contacts>\r\n'
)
OLD = (
    '<contacts>\r\n <contact id="59a8df726fd2d6a1" name=" Ren&#233; " display="Nené" '
    'modified_time="2010-08-20T08:07:25+01:00" sync_enabled="1">\r\n'
    '  <subject user="me_lh" id="f976a9b8d207084"/>\r\n  <subject user="you_lh" id="13"/>\r\n </contact>\r\n</contacts>\r\n'
)
RENE = Contact(
    0x59A8DF726FD2D6A1, "René", "Nené", "2010-08-20T08:07:25+01:00",
    (Account("me_lh", 0xF976A9B8D207084), Account("you_lh", 0x13)),
)  # fmt: skip


def people(*elements: str) -> Contacts:
    return contacts.read(f"<contacts>\n{''.join(elements)}</contacts>".encode())


def element(contact: str, name: str, modified: str = "", inside: str = "") -> str:
    time = f' modified_time="{modified}"' if modified else ""
    return f'<contact id="{contact}" name="{name}"{time}>{inside}</contact>\n'


def names(document: Contacts) -> dict[int, str]:
    return {key: contact.name for key, contact in document.contacts.items()}


# ---- whole files


@needs("picasa-fixtures")
def test_a_file_of_the_real_picasa() -> None:
    document = contacts.read((DATA / "picasa-fixtures" / "2" / "contacts.xml").read_bytes())
    person = Contact(0xCA5C88CA60F42C0B, "synthetiic person 1200", modified="2026-06-11T20:40:16-07:00")
    assert document == Contacts({person.id: person})


@needs("album")
def test_the_people_of_an_album() -> None:
    document = contacts.read((DATA / "album" / "contacts.xml").read_bytes())
    assert len(document.contacts) == 33
    assert document.contacts[0xC2CE6F447ED4D57].name == "Amelie Mauresmo"
    assert document.problems == ()


def test_both_forms_of_the_file() -> None:
    assert contacts.read(OLD.encode()) == Contacts({RENE.id: RENE})
    assert names(contacts.read(NEW.encode())) == {0xCA5C88CA60F42C0B: "Anna & Bert"}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_no_matter(encoding: str) -> None:
    assert contacts.read(OLD.encode(encoding)) == Contacts({RENE.id: RENE})


@pytest.mark.parametrize("declared", ["utf-8", "windows-1252", "ISO-8859-1"])
def test_a_declared_encoding_is_believed(declared: str) -> None:
    data = f'<?xml version="1.0" encoding="{declared}"?>{OLD}'.encode(declared)
    assert contacts.read(data) == Contacts({RENE.id: RENE})


def test_ids_of_different_padding_are_one_and_several_ids_of_one_name_are_several() -> None:
    document = people(element("00ab", "Anna"), element("AB", "Anna"), element("cd", "Anna"))
    assert names(document) == {0xAB: "Anna", 0xCD: "Anna"}
    assert document.contacts[0xAB].also == ()


@pytest.mark.parametrize("nobody", ["0", "ffffffffffffffff", "FFFFFFFFFFFFFFFF"])
def test_the_ids_that_mean_nobody_are_no_people(nobody: str) -> None:
    assert people(element(nobody, "Nobody"), element("1", "Anna")) == Contacts({1: Contact(1, "Anna")})


def test_a_web_identity_outside_of_a_person_belongs_to_nobody() -> None:
    subject = '<subject user="me_lh" id="1"/>'
    document = people(subject, element("1", "Anna"), subject, element("2", "Bert", inside=subject), subject)
    assert document.contacts == {1: Contact(1, "Anna"), 2: Contact(2, "Bert", subjects=(Account("me_lh", 1),))}


# ---- one id several times

# From the newest to the oldest: the second is of an earlier moment than the first, what is no time is older than any.
TIMES = ["2010-08-20T08:07:25+01:00", "2010-08-20T08:30:00+02:00", "2009-01-01T00:00:00", "long ago", ""]


@given(st.permutations(list(zip(TIMES, ["newest", "older", "oldest", "no time", "nothing"], strict=True))))
def test_of_several_names_of_one_id_the_newest_counts_and_the_others_are_kept(order: list[tuple[str, str]]) -> None:
    document = people(*(element("1", name, modified) for modified, name in order))
    (person,) = document.contacts.values()
    assert (person.name, person.modified) == ("newest", TIMES[0])
    assert person.also[:2] == ("older", "oldest")
    assert set(person.also[2:]) == {"no time", "nothing"}


def test_without_times_the_last_one_counts_and_an_empty_name_never_does() -> None:
    document = people(element("1", "Anna"), element("1", "Anne"), element("1", ""), element("1", "Anna"))
    assert document.contacts == {1: Contact(1, "Anna", also=("Anne",))}
    assert names(people(element("1", "Anna", "2010-01-01T00:00:00Z"), element("1", "", "2011-01-01T00:00:00Z"))) == {
        1: "Anna"
    }


def test_the_web_identities_of_all_elements_of_one_id_are_put_together() -> None:
    one, two = ('<subject user="me_lh" id="1"/>', '<subject user="you_lh" id="2"/>')
    document = people(element("1", "Anna", inside=one), element("1", "Anna", inside=two + one))
    assert set(document.contacts[1].subjects) == {Account("me_lh", 1), Account("you_lh", 2)}
    assert len(document.contacts[1].subjects) == 2


# ---- what cannot be read


@pytest.mark.parametrize(
    "damaged",
    ['<contact name="Nobody"/>', '<contact id="" name="Nobody"/>', '<contact id="xyz" name="Nobody"/>',
     '<contact id="12345678901234567" name="Nobody"/>', '<subject user="me_lh" id="q"/>', '<subject id="1"/>'],
)  # fmt: skip
def test_an_unreadable_element_is_a_problem_with_its_line_and_costs_only_itself(damaged: str) -> None:
    document = people(element("1", "Anna"), f"{damaged}\n", element("2", "Bert"))
    assert names(document) == {1: "Anna", 2: "Bert"}
    assert [problem.line for problem in document.problems] == [3]


def test_unknown_elements_and_attributes_are_passed_over() -> None:
    document = people('<group id="9"><x/>text<contact id="1" name="Anna" new="?"/></group>', element("2", "Bert"))
    assert names(document) == {1: "Anna", 2: "Bert"}
    assert document.problems == ()


def test_a_namespace_and_other_case_are_no_matter() -> None:
    document = contacts.read(b'<Contacts xmlns="x"><Contact ID="1" Name="Anna"/></Contacts>')
    assert document == Contacts({1: Contact(1, "Anna")})


PEOPLE = [(random.Random(i).getrandbits(64), f'Person "{i}" <&> Müller') for i in range(30)]
BIG = (
    "<contacts>\r\n"
    + "".join(
        f' <contact id="{key:x}" name="{escape(name)}" modified_time="2014-11-02T20:40:16+01:00">\r\n'
        f'  <subject user="me_lh" id="{key & 0xFFFF:x}"/>\r\n </contact>\r\n'
        for key, name in PEOPLE
    )
    + "</contacts>\r\n"
).encode()


@given(st.integers(0, len(BIG) - 1))
@settings(max_examples=200)
def test_of_a_file_that_is_cut_off_everybody_before_the_cut_is_read(size: int) -> None:
    document = contacts.read(BIG[:size])
    begun = [f'id="{key:x}" name="{escape(name)}"'.encode() for key, name in PEOPLE]
    read = names(document)
    for (key, name), start in zip(PEOPLE, begun, strict=True):
        whole = BIG.index(b">", BIG.index(start)) < size
        assert read.get(key) == (name if whole else None)
    if size < BIG.index(b"</contacts>") + len(b"</contacts>"):
        assert document.problems


@given(st.integers(0, len(BIG) - 1), st.binary(min_size=1, max_size=30))
@settings(max_examples=200)
def test_damage_in_one_place_costs_one_person(place: int, junk: bytes) -> None:
    document = contacts.read(BIG[:place] + junk + BIG[place + len(junk) :])
    read = names(document)
    # Thirty bytes reach into two elements at most, and a stray quotation mark to the end of its element.
    assert sum(read.get(key) == name for key, name in PEOPLE) >= len(PEOPLE) - 2


def test_names_of_two_encodings_in_one_file_are_both_read() -> None:
    data = b'<contacts>\n<contact id="1" name="Ren\xe9"/>\n<contact id="2" name="Ren\xc3\xa9"/>\n</contacts>'
    document = contacts.read(data)
    assert names(document) == {1: "René", 2: "René"}
    assert [(problem.line, problem.text) for problem in document.problems] == [(2, "")]
    assert names(contacts.read(data, "cp1251")) == {1: "Renй", 2: "René"}
    with pytest.raises(UsageError, match="no code page"):
        contacts.read(data, "cp9999")


def test_a_person_in_a_file_that_is_no_xml_is_read_with_web_identity() -> None:
    data = OLD.encode().replace(
        b"</contacts>", b"<contact id='7' name='a > b'/><subject user='x_lh' id='9'/>&<contact id="
    )
    document = contacts.read(data)
    assert document.contacts == {RENE.id: RENE, 7: Contact(7, "a > b")}
    assert len(document.problems) == 2  # no XML; and an element that is cut off


def test_problems_of_a_damaged_file_have_their_own_lines() -> None:
    document = contacts.read(b'<contacts>\n<contact/>\n\n<contact id="1" name="Anna"/>\n<contact id="2\n<subject/>\n')
    assert names(document) == {1: "Anna"}
    assert [problem.line for problem in document.problems] == [6, 2, 5, 6]  # the first: where it ceases to be XML


@pytest.mark.parametrize("data", [b"", b"\0\0\0", b"not xml", b"[Contacts2]\n1=Anna;;\n", b"<contacts>", b"\xff\xfe<"])
def test_what_is_no_xml_is_a_problem(data: bytes) -> None:
    document = contacts.read(data)
    assert document.contacts == {}
    assert len(document.problems) == 1


def test_xml_of_something_else_is_a_problem_and_an_empty_list_is_none() -> None:
    assert contacts.read(b"<contacts/>") == Contacts()
    assert [p.text for p in contacts.read(b"<feed><entry/></feed>").problems] == ["<feed>"]


def test_an_encoding_that_nobody_knows_is_a_problem_and_the_people_are_read() -> None:
    document = contacts.read(b'<?xml version="1.0" encoding="klingon"?>' + NEW.encode())
    assert names(document) == {0xCA5C88CA60F42C0B: "Anna & Bert"}
    assert len(document.problems) == 1


def test_a_bomb_is_refused_and_what_is_not_part_of_it_is_read() -> None:
    laughs = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 10))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lol">{laughs}]><contacts>{element("1", "&l9;")}</contacts>'
    begin = time.process_time()
    document = contacts.read(bomb.encode())
    assert time.process_time() - begin < 1
    assert names(document) == {1: "&l9;"}
    assert ["DTD" in problem.why for problem in document.problems] == [True]


def test_no_file_of_this_machine_gets_into_a_name() -> None:
    data = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><contacts><contact id="1" name="a">&f;</contact></contacts>'
    document = contacts.read(data.encode())
    assert document.contacts == {1: Contact(1, "a")}
    assert len(document.problems) == 1


def test_a_dtd_without_entities_is_refused_too_and_the_people_are_read() -> None:
    document = contacts.read(b'<!DOCTYPE contacts SYSTEM "http://127.0.0.1/x.dtd">' + NEW.encode())
    assert names(document) == {0xCA5C88CA60F42C0B: "Anna & Bert"}
    assert ["DTD" in problem.why for problem in document.problems] == [True]


BAIT = [
    b"<", b">", b"<contact", b"<contact ", b"<contact id='1", b'<contact id="1" name="', b"</contact>", b"<!DOCTYPE x [", b"]>",
    b"<![CDATA[", b"<!--", b"&#0;", b"&#55357;", b"&lt;", b"\0", b"\xff\xfe", b"<?xml version='1.0' encoding='utf-7'?>", b"\xc3",
    b"<?xml version='1.0' encoding='utf-16'?>", b"<contacts>", b"</contacts>", b"<contact id='1' name='x'>", b"<subject id='1'/>",
    b" modified_time='0001-01-01T00:00:00+14:00'", b" modified_time='9999-12-31T23:59:59-14:00'", b"/>",
    b"<?xml version='1.0' encoding='cp932'?>", b"<?xml version='1.0' encoding='hex'?>", b"<?xml version='1.0' encoding='\xff'?>",
]  # fmt: skip


@given(st.binary(max_size=300) | st.lists(st.sampled_from(BAIT) | st.binary(max_size=20), max_size=15).map(b"".join))
@settings(max_examples=250, deadline=None)
@example(b"<?xml version='1.0' encoding='utf-16'?><contacts>")
def test_no_bytes_make_reading_fail_and_the_same_bytes_say_the_same(data: bytes) -> None:
    document = contacts.read(data)
    assert document == contacts.read(data)
    assert not NOBODY & document.contacts.keys()
    repr(document).encode()  # no half characters: all of it can be stored and printed
    assert all(problem.line >= 1 and problem.text.isprintable() for problem in document.problems)


def test_times_at_the_ends_of_the_calendar_are_compared() -> None:
    low, high = datetime.min.isoformat() + "+14:00", datetime.max.isoformat() + "-14:00"
    assert names(people(element("1", "a", low), element("1", "b", high), element("1", "c", "?"))) == {1: "b"}


HOSTILE = [
    b'<contact id="1" name="a"/>',
    b"<a>",
    b"<contact ",
    b"<contact a='",
    b'<contact id="1" name="',
    b"&amp;",
    b"<!--",
    b"\xff\n",
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("start", [b"<contacts>", b""])
def test_twice_the_file_takes_about_twice_the_time(start: bytes, piece: bytes) -> None:
    def seconds(size: int) -> float:
        data = start + piece * (size // len(piece))
        best = 9e9
        for _ in range(2):
            begin = time.process_time()
            contacts.read(data)
            best = min(best, time.process_time() - begin)
        return best

    assert seconds(100_000) < 4 * seconds(50_000) + 0.02


# ---- several files


def test_a_backup_adds_what_the_current_file_lacks() -> None:
    subject = '<subject user="me_lh" id="1"/>'
    current = people(
        element("1", "Anna Neu", "2014-01-01T00:00:00Z"), element("2", ""), element("4", "Dora"), "<contact/>"
    )
    backup = people(
        element("1", "Anna Alt", "2020-01-01T00:00:00Z", subject), element("2", "Bert"), element("3", "Carl")
    )
    assert contacts.merge([current, backup]) == Contacts(
        {
            1: Contact(1, "Anna Neu", "", "2014-01-01T00:00:00Z", (Account("me_lh", 1),), ("Anna Alt",)),
            2: Contact(2, "Bert"),
            3: Contact(3, "Carl"),
            4: Contact(4, "Dora"),
        }
    )


def test_one_file_is_what_it_is_and_none_is_nothing() -> None:
    assert contacts.merge([people(element("1", "Anna"))]) == people(element("1", "Anna"))
    assert contacts.merge([]) == Contacts()
