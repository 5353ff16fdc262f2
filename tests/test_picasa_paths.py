"""What the path rules promise: Picasa's paths lead to the files here, and rules are learned where the names agree."""

from __future__ import annotations

import doctest
import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib.errors import UsageError
from facelib.picasa import paths
from facelib.picasa.paths import PathMap, Rule, learn, parse_rule, split

names = st.text(st.characters(codec="utf-8", exclude_characters="/\\\0:"), min_size=1, max_size=8).filter(
    lambda name: name not in (".", "..") and name.strip()
)
folders = st.lists(names, max_size=4)


def given_map(*texts: str) -> PathMap:
    return PathMap(map(parse_rule, texts))


def test_the_examples_in_the_docstrings_run() -> None:
    result = doctest.testmod(paths)
    assert (result.attempted >= 3, result.failed) == (True, 0)


# ---- rules that a person gives


def test_a_rule_is_two_folders_with_an_equals_sign_between() -> None:
    assert parse_rule(r"C:\Photos=/home/me/Pictures") == Rule(r"C:\Photos", "/home/me/Pictures")
    assert str(parse_rule(r"\\nas\photo=/mnt/nas")) == r"\\nas\photo=/mnt/nas"


def test_a_folder_may_have_an_equals_sign_in_its_name() -> None:
    assert parse_rule(r"C:\a=b=/mnt/c=d") == Rule(r"C:\a=b", "/mnt/c=d")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (r"C:\Photos", "no '=' in it"),
        ("", "no '=' in it"),
        (r"C:\Photos=Pictures", "full path, beginning with '/'"),
        (r"C:\Photos=", "full path, beginning with '/'"),
        ("=/home/me", "no folder before '='"),
    ],
)
def test_what_is_no_rule_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        parse_rule(text)


# ---- translating


@pytest.mark.parametrize(
    ("rule", "path", "place"),
    [
        (r"C:\Photos=/home/me/Pictures", r"C:\Photos\2015\a.jpg", "/home/me/Pictures/2015/a.jpg"),
        (r"C:\Photos=/home/me/Pictures", r"c:\PHOTOS\2015\A.JPG", "/home/me/Pictures/2015/A.JPG"),
        ("c:/photos/=/home/me/Pictures/", r"C:\Photos\a.jpg", "/home/me/Pictures/a.jpg"),
        (r"C:\Photos=/home/me/Pictures", r"C:\Photos", "/home/me/Pictures"),
        (r"C:\Photos=/home/me/Pictures", r"\\?\C:\Photos\a.jpg", "/home/me/Pictures/a.jpg"),
        ("D:=/", r"D:\a\b.jpg", "/a/b.jpg"),
        ("D:\\=/mnt/d", r"D:\b.jpg", "/mnt/d/b.jpg"),
        (r"C:\ÄRGER=/mnt/c", r"C:\Ärger\b.jpg", "/mnt/c/b.jpg"),
        (r"\\NAS\photo=/mnt/nas", r"\\nas\Photo\2009\a b.jpg", "/mnt/nas/2009/a b.jpg"),
        ("//nas/photo=/mnt/nas", r"\\?\UNC\nas\photo\a.jpg", "/mnt/nas/a.jpg"),
        ("/Users/ann=/home/ann", "/Users/ann/Pictures/a.jpg", "/home/ann/Pictures/a.jpg"),
        ("/Volumes/Disk=/mnt/disk", "/Volumes/Disk/A\\B.jpg", "/mnt/disk/A\\B.jpg"),
        ("/Users/Zoe\u0308=/home/zoe", "/Users/Zo\u00eb/a.jpg", "/home/zoe/a.jpg"),
        (r"Z:\home\ann=/srv/ann", r"Z:\home\ann\a.jpg", "/srv/ann/a.jpg"),
    ],
)
def test_a_path_below_the_folder_of_a_rule_is_translated(rule: str, path: str, place: str) -> None:
    assert given_map(rule).translate(path) == place


@pytest.mark.parametrize(
    "path",
    [
        r"C:\Photos2\a.jpg",
        r"D:\Photos\a.jpg",
        r"\\C\Photos\a.jpg",
        "",
        r"C:\Photos\..\Secret\a.jpg",
        r"Photos\a.jpg",
    ],
)
def test_a_path_that_is_not_below_it_is_not(path: str) -> None:
    assert given_map(r"C:\Photos=/home/me/Pictures").translate(path) is None


def test_case_counts_in_the_folders_of_a_mac() -> None:
    assert given_map("/Users/Ann=/home/ann").translate("/Users/ann/a.jpg") == "/Users/ann/a.jpg"  # its own place


def test_the_longest_folder_is_asked_first_and_the_first_of_two_equal_rules_counts() -> None:
    found = given_map(r"C:\=/c", r"C:\Photos\2015=/old", r"C:\Photos=/p", r"c:\photos=/other")
    assert found.candidates(r"C:\Photos\2015\a.jpg") == ["/old/a.jpg", "/p/2015/a.jpg", "/c/Photos/2015/a.jpg"]


def test_what_a_person_said_is_asked_before_what_was_learned() -> None:
    found = PathMap([Rule(r"C:\Photos\2015", "/learned", votes=9), Rule(r"C:\Photos", "/said")])
    assert found.candidates(r"C:\Photos\2015\a.jpg") == ["/said/2015/a.jpg", "/learned/a.jpg"]


def test_without_a_rule_wines_drive_z_is_the_root_and_other_drives_are_unknown() -> None:
    assert PathMap().translate(r"Z:\home\ann\a.jpg") == "/home/ann/a.jpg"
    assert PathMap().translate("/home/ann/a.jpg") == "/home/ann/a.jpg"
    assert PathMap().translate(r"C:\home\ann\a.jpg") is None


@given(folders, folders, folders, names)
def test_what_is_below_the_folder_keeps_its_components(
    there: list[str], here: list[str], below: list[str], name: str
) -> None:
    rule = Rule("\\".join(["C:", *there]), "/" + "/".join(here))
    path = "\\".join(["c:", *there, *below, name])
    assert split(PathMap([rule]).translate(path) or "") == ("/", *here, *below, name)


@given(st.text())
def test_any_text_is_a_path_or_none(text: str) -> None:
    found = given_map(r"C:\=/c", "/=/root").translate(text)
    assert found is None or found.startswith("/")


# ---- learning


def test_two_files_whose_names_agree_make_a_rule_of_the_folders_above_what_they_share() -> None:
    rules = learn(
        [r"C:\Users\Ann\Pictures\2015\IMG_1.JPG", r"C:\Users\Ann\Pictures\2016\b.jpg"],
        ["/srv/photos/pictures/2015/img_1.jpg", "/srv/photos/Pictures/2016/B.jpg"],
    )
    assert rules == [Rule(r"C:\Users\Ann", "/srv/photos", votes=2)]


def test_a_learned_rule_leads_to_the_files_that_it_was_learned_from() -> None:
    there = [rf"\\nas\photo\{year}\{year}_{n}.jpg" for year in range(2000, 2010) for n in range(3)]
    here = [f"/mnt/photo/{year}/{year}_{n}.jpg" for year in range(2000, 2010) for n in range(3)]
    assert [PathMap(learn(there, here)).translate(path) for path in there] == here


def test_names_that_are_there_twice_on_one_side_say_nothing() -> None:
    there = [r"C:\a\IMG_1.jpg", r"C:\a\IMG_2.jpg", r"C:\b\img_1.JPG"]
    assert learn(there, ["/x/a/img_1.jpg"]) == []
    assert learn([r"C:\a\1.jpg", r"C:\a\2.jpg"], ["/x/1.jpg", "/y/1.jpg", "/x/2.jpg", "/z/2.jpg"]) == []


def test_one_file_is_enough_only_where_there_is_no_second() -> None:
    assert learn([r"C:\p\1.jpg"], ["/x/1.jpg"]) == [Rule(r"C:\p", "/x", votes=1)]
    assert learn([r"C:\p\1.jpg", r"D:\q\2.jpg"], ["/x/1.jpg", "/y/2.jpg"]) == []
    assert learn([], ["/x/1.jpg"]) == []


def test_files_that_contradict_each_other_make_no_rule() -> None:
    assert learn([r"C:\p\1.jpg", r"C:\p\2.jpg"], ["/x/1.jpg", "/y/2.jpg"]) == []
    there = [rf"C:\p\{n}.jpg" for n in range(4)]
    assert learn(there, ["/x/0.jpg", "/x/1.jpg", "/y/2.jpg", "/y/3.jpg"]) == []


def test_a_few_files_that_were_moved_do_not_spoil_a_rule_nor_make_one() -> None:
    there = [rf"C:\Photos\2015\{n}.jpg" for n in range(50)]
    here = [f"/p/2015/{n}.jpg" for n in range(48)] + ["/misc/48.jpg", "/misc/49.jpg"]
    assert learn(there, here) == [Rule("C:\\Photos", "/p", votes=48)]


def test_a_folder_that_was_moved_as_a_whole_has_a_rule_of_its_own() -> None:
    there = [rf"C:\Photos\{year}\{year}_{n}.jpg" for year in (2013, 2014, 2015) for n in range(5)]
    here = [
        path.replace("C:\\Photos\\2013", "/old/13").replace("C:\\Photos", "/p").replace("\\", "/") for path in there
    ]
    rules = learn(there, here)
    assert rules == [Rule(r"C:\Photos", "/p", votes=10), Rule(r"C:\Photos\2013", "/old/13", votes=5)]
    assert [PathMap(rules).translate(path) for path in there] == here


def test_each_drive_has_its_own_rule() -> None:
    there = [r"C:\a\1.jpg", r"C:\a\2.jpg", r"P:\b\3.jpg", r"P:\b\4.jpg"]
    rules = learn(there, ["/x/a/1.jpg", "/x/a/2.jpg", "/y/b/3.jpg", "/y/b/4.jpg"])
    assert set(rules) == {Rule("C:\\", "/x", votes=2), Rule("P:\\", "/y", votes=2)}


def test_files_that_lie_where_picasa_had_them_need_no_rule() -> None:
    same = ["/home/ann/1.jpg", "/home/ann/2.jpg"]
    assert learn(same, same) == []
    assert PathMap(learn(same, same)).translate(same[0]) == same[0]


def test_wines_drive_z_is_learned_like_any_other() -> None:
    rules = learn([r"Z:\photos\1.jpg", r"Z:\photos\2.jpg"], ["/photos/1.jpg", "/photos/2.jpg"])
    assert rules == [Rule("Z:\\", "/", votes=2)]
    assert PathMap(rules).candidates(r"Z:\a.jpg") == ["/a.jpg"]


def test_a_macs_decomposed_names_are_the_same_names() -> None:
    names = ["Zoë.jpg", "Jürgen.jpg"]
    there = [unicodedata.normalize("NFD", f"/Users/ann/Bücher/{name}") for name in names]
    assert learn(there, [f"/srv/bücher/{name}" for name in names]) == [Rule("/Users/ann", "/srv", votes=2)]


@given(folders, folders, st.lists(st.tuples(folders, names), min_size=1, max_size=8))
def test_a_library_that_was_moved_as_a_whole_is_found_again(
    there: list[str], here: list[str], files: list[tuple[list[str], str]]
) -> None:
    foreign = ["\\".join(["C:", *there, *folder, name]) for folder, name in files]
    local = ["/" + "/".join([*here, *folder, name]) for folder, name in files]
    rules = learn(foreign, local)
    assert all(rule.votes >= 1 for rule in rules)
    unique = len({name.casefold() for _, name in files}) == len(files)
    simple = all(name.isascii() for folder, name in files for name in (*folder, name))
    if unique and simple:
        assert [PathMap(rules).translate(path) for path in foreign] == local


def test_learning_half_a_million_names_takes_seconds_whatever_their_folders() -> None:
    # A fiftieth of it, and each file in a folder of its own on both sides, which is the most work.
    count = 10_000
    began = time.process_time()
    assert learn([rf"C:\a{n}\{n}.jpg" for n in range(count)], [f"/x/b{n}/{n}.jpg" for n in range(count)]) == []
    assert time.process_time() - began < 2
