"""What config.toml promises: every key has a type and a range, and an error names file, key and what may be meant."""

from __future__ import annotations

import os
import re
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facelib import config
from facelib.config import (
    DETECTORS,
    PROVIDERS,
    RUNTIMES,
    Config,
    DetectOptions,
    EncodeOptions,
    EngineOptions,
    ImageOptions,
    MatchOptions,
    PoolOptions,
    WalkOptions,
)
from facelib.errors import ConfigError

NAME = "/home/ann/.config/facelib/config.toml"


def fails(text: str) -> str:
    """The error of a configuration, which begins with the name of its file."""
    with pytest.raises(ConfigError) as caught:
        config.parse(text, NAME)
    message = str(caught.value)
    assert message.startswith(f"{NAME}: ")
    return message.removeprefix(f"{NAME}: ")


def in_table(key: str, value: str) -> str:
    table, name = key.split(".")
    return f"[{table}]\n{name} = {value}\n"


# ---- what is understood


def test_nothing_means_the_defaults() -> None:
    assert config.parse("", NAME) == config.parse("[walk]\n[detect]\n# only a comment\n", NAME) == Config()


def test_every_key_is_taken_over() -> None:
    text = """
        database = "~/faces.db"
        [walk]
        ignore = ["*.bak", "/old"]
        follow_symlinks = true
        max_loss = 0.5
        [images]
        max_megapixels = 64
        [detect]
        detector = "hog"
        canvas = 800
        min_canvas = 300
        hog_upsample = 2
        cnn_upsample = 0
        cnn_pyramid = 6
        cnn_threshold = 0.5
        [encode]
        model = "dlib-resnet-v1"
        weights = "~/facenet.pt"
        mirror = false
        min_face = 60
        canvas = 2000
        [match]
        metric = "euclid"
        wanted = 0.001
        suggested = 0.1
        [engine]
        runtime = "dlib"
        provider = "cpu"
        [workers]
        workers = 3
        recycle_after = 50
        photo_timeout = 60.5
    """
    expected = Config(
        "~/faces.db",
        WalkOptions(("*.bak", "/old"), True, 0.5),
        ImageOptions(64.0),
        DetectOptions(
            detector="hog",
            canvas=800,
            min_canvas=300,
            hog_upsample=2,
            cnn_upsample=0,
            cnn_pyramid=6,
            cnn_threshold=0.5,
        ),
        EncodeOptions("dlib-resnet-v1", "~/facenet.pt", False, 60, 2000),
        MatchOptions("euclid", 0.001, 0.1),
        EngineOptions("dlib", "cpu"),
        PoolOptions(workers=3, recycle_after=50, photo_timeout=60.5),
    )
    found = config.parse(text, NAME)
    assert found == expected
    assert isinstance(found.images.max_megapixels, float)
    # The text above has them all: a key that is added later is missed here.
    written = {line.split("=")[0].strip() for line in text.splitlines() if "=" in line}
    assert written == {
        one.name
        for table in _tables(found)
        for one in fields(table)
        if one.compare and not is_dataclass(getattr(table, one.name))
    }


def _tables(whole: Config) -> list[object]:
    return [whole, *(getattr(whole, one.name) for one in fields(whole) if is_dataclass(getattr(whole, one.name)))]


def test_which_keys_somebody_set_is_known() -> None:
    assert config.parse('database = "x"\n[detect]\ncanvas = 1200\n', NAME).given == {"database", "detect.canvas"}
    assert Config().given == frozenset()


def test_one_key_leaves_the_others_as_they_are() -> None:
    assert config.parse("[detect]\ncanvas = 900\n", NAME) == Config(detect=DetectOptions(canvas=900))


@pytest.mark.parametrize("detector", DETECTORS)
def test_every_detector_may_be_chosen(detector: str) -> None:
    assert config.parse(in_table("detect.detector", f'"{detector}"'), NAME).detect.detector == detector


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_every_runtime_may_be_chosen(runtime: str) -> None:
    assert config.parse(in_table("engine.runtime", f'"{runtime}"'), NAME).engine.runtime == runtime


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_provider_may_be_chosen(provider: str) -> None:
    assert config.parse(in_table("engine.provider", f'"{provider}"'), NAME).engine.provider == provider


# ---- what is not understood


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[detect]\ncanvass = 900", "detect.canvass is not known; did you mean detect.canvas?"),
        ("[detect]\nhog_upsampel = 1", "detect.hog_upsampel is not known; did you mean detect.hog_upsample?"),
        ("[workers]\nworker = 1", "workers.worker is not known; did you mean workers.workers?"),
        ("[detects]\ncanvas = 900", "detects is not known; did you mean detect?"),
        ('databse = "x.db"', "databse is not known; did you mean database?"),
        ("[image]\n", "image is not known; did you mean images?"),
        ("colour = 1", "colour is not known; known are database, walk, images, detect, encode, match, engine, workers"),
        ("[walk]\nzzz = 1", "walk.zzz is not known; known are ignore, follow_symlinks, max_loss"),
        (
            "[detect.hog]\nupsample = 1",
            f"detect.hog is not known; known are {', '.join(one.name for one in fields(DetectOptions))}",
        ),
    ],
)
def test_an_unknown_key_is_named_with_what_may_be_meant(text: str, message: str) -> None:
    assert fails(text) == message


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("detect.canvas", '"1200"', "wants a whole number, not '1200'"),
        ("detect.canvas", "1200.0", "wants a whole number, not 1200.0"),
        ("detect.canvas", "true", "wants a whole number, not True"),
        ("detect.detector", "1", "wants a text in quotes, not 1"),
        ("walk.follow_symlinks", "1", "wants true or false, not 1"),
        ("walk.follow_symlinks", '"yes"', "wants true or false, not 'yes'"),
        ("walk.max_loss", '"20%"', "wants a number, not '20%'"),
        ("walk.max_loss", "false", "wants a number, not False"),
        ("walk.ignore", '"*.bak"', 'wants a list of texts, such as ["*.bak"]'),
        ("walk.ignore", '["*.bak", 1]', 'wants a list of texts, such as ["*.bak"]'),
        ("images.max_megapixels", "[128]", "wants a number, not [128]"),
        ("workers.photo_timeout", "2020-01-01", "wants a number, not datetime.date(2020, 1, 1)"),
    ],
)
def test_a_value_of_another_type_is_refused(key: str, value: str, message: str) -> None:
    assert fails(in_table(key, value)) == f"{key} {message}"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("walk = 3", "walk is a table: write [walk]"),
        ("database = 3", "database wants a text in quotes, not 3"),
        ("[database]\npath = 'x'", "database wants a text in quotes, not {'path': 'x'}"),
        ("[[walk]]\n", "walk is a table: write [walk]"),
    ],
)
def test_tables_and_values_are_not_taken_for_each_other(text: str, message: str) -> None:
    assert fails(text) == message


@pytest.mark.parametrize(
    ("key", "good", "bad", "message"),
    [
        ("walk.max_loss", ["0", "0.0", "1", "0.5"], ["-0.1", "1.1", "nan", "inf"], "between 0 and 1"),
        ("images.max_megapixels", ["1", "1e3", "inf"], ["0", "0.9", "-1", "nan", "-inf"], "at least 1"),
        (
            "detect.detector",
            ['"hog"'],
            ['""'],
            f"one of {', '.join(name for name in DETECTORS if name != 'fake')}, or the name of a pack",
        ),
        ("engine.runtime", ['"dlib"'], ['""', '"cuda"'], "one of onnx, dlib"),
        ("engine.provider", ['"cuda"'], ['""', '"gpu"'], f"one of {', '.join(PROVIDERS)}"),
        ("encode.model", ['"dlib-resnet-v1"'], ['""'], "dlib-resnet-v1, facenet, or the name of a pack"),
        (
            "match.metric",
            ['""', '"plda"'],
            ['"manhattan"'],
            "one of plda, covariance, variance, deviation, relative, cosine, euclid, or empty",
        ),
        ("match.wanted", ["0.001", "0.05"], ["0", "-1", "0.6", "nan"], "more than 0 and at most 0.5"),
        ("match.suggested", ["0.005", "0.9"], ["0.004", "1"], "between match.wanted and 0.9"),
        ("detect.canvas", ["700", "4000"], ["199", "10001", "0", "-1"], "between 200 and 10000"),
        ("detect.min_canvas", ["1", "1200"], ["0", "1201"], "between 1 and detect.canvas"),
        ("detect.cnn_pyramid", ["4", "5", "6"], ["3", "7"], "4, 5 or 6"),
        ("detect.cnn_threshold", ["-1", "2"], ["-1.1", "2.1", "nan"], "between -1 and 2"),
        ("detect.hog_upsample", ["0", "1", "2"], ["-1", "3"], "0, 1 or 2"),
        ("detect.cnn_upsample", ["0", "1"], ["-1", "2"], "0 or 1"),
        ("encode.min_face", ["0", "500"], ["-1", "501"], "between 0 and 500"),
        ("encode.canvas", ["1200", "100000"], ["1199", "0"], "at least detect.canvas"),
        ("workers.workers", ["0", "1024"], ["-1", "1025"], "between 0 (one for each processor) and 1024"),
        ("workers.recycle_after", ["1", "1000000"], ["0", "-1"], "at least 1"),
        (
            "workers.photo_timeout",
            ["0.1", "1"],
            ["0", "-1", "nan", "inf", "86401"],
            "more than 0 seconds and at most 86400",
        ),
    ],
)
def test_numbers_have_their_ranges(key: str, good: list[str], bad: list[str], message: str) -> None:
    for value in good:
        config.parse(in_table(key, value), NAME)
    for value in bad:
        assert fails(in_table(key, value)) == f"{key} must be {message}"


def test_a_larger_canvas_needs_a_larger_canvas_to_encode_from() -> None:
    assert fails(in_table("detect.canvas", "5000")) == "encode.canvas must be at least detect.canvas"
    assert config.parse("[detect]\ncanvas = 5000\n[encode]\ncanvas = 5000\n", NAME).detect.canvas == 5000


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[walk\n", "line 1"),
        ("a = \n", "line 1"),
        ("[walk]\nignore = [\n", "line 2|end of document"),
        ("a = 1\na = 2\n", "line 2"),
        ("[walk]\n[walk]\n", "line 2"),
    ],
)
def test_text_that_is_no_toml_is_refused_with_its_place(text: str, place: str) -> None:
    message = fails(text)
    assert any(one in message for one in place.split("|")), message


def test_text_that_is_nested_without_end_is_refused() -> None:
    fails("a = " + "[" * 100_000)


@given(st.text(max_size=60))
def test_whatever_is_written_is_options_or_an_error_that_names_the_file(text: str) -> None:
    try:
        found: object = config.parse(text, NAME)
    except ConfigError as error:
        found = str(error)
    assert isinstance(found, Config) or (isinstance(found, str) and found.startswith(f"{NAME}: "))


# ---- the file


def test_without_a_file_at_the_default_place_there_are_the_defaults(tmp_path: Path) -> None:
    assert config.default_path() == str(tmp_path / "XDG_CONFIG_HOME" / "facelib" / "config.toml")
    assert config.load(None) == Config()


def test_the_file_at_the_default_place_is_read(tmp_path: Path) -> None:
    path = Path(config.default_path())
    path.parent.mkdir(parents=True)
    path.write_text("[detect]\ncanvas = 900\n")
    assert config.load(None).detect.canvas == 900


def test_a_file_that_was_named_goes_before_the_default_place(tmp_path: Path) -> None:
    default = Path(config.default_path())
    default.parent.mkdir(parents=True)
    default.write_text("this is no toml")
    named = tmp_path / "mine.toml"
    named.write_text("[detect]\ncanvas = 800\n")
    assert config.load(str(named)).detect.canvas == 800


def test_a_file_that_was_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"there is no configuration file .*gone\.toml"):
        config.load(str(tmp_path / "gone.toml"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}: Is a directory")):
        config.load(str(tmp_path))


def test_a_file_that_is_not_utf8_is_named_with_the_place(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(b'database = "caf\xe9"')
    with pytest.raises(ConfigError, match=r"config\.toml: not UTF-8 at byte 15; save it as UTF-8"):
        config.load(str(path))


def test_an_error_in_a_file_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[detect]\ncanvass = 900\n")
    with pytest.raises(ConfigError) as caught:
        config.load(str(path))
    assert str(caught.value) == f"{path}: detect.canvass is not known; did you mean detect.canvas?"
    assert caught.value.exit_code == 2


# ---- where the database is


def test_the_option_goes_before_the_environment_before_the_file_before_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Config(database="/config/faces.db")
    monkeypatch.setenv("FACELIB_DB", "/environment/faces.db")
    assert written.database_path("/option/faces.db") == "/option/faces.db"
    assert written.database_path(None) == "/environment/faces.db"
    monkeypatch.delenv("FACELIB_DB")
    assert written.database_path(None) == "/config/faces.db"
    assert Config().database_path(None) == str(tmp_path / "XDG_DATA_HOME" / "facelib" / "facelib.db")


def test_an_empty_environment_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FACELIB_DB", "")
    assert Config(database="/config/faces.db").database_path(None) == "/config/faces.db"


@pytest.mark.parametrize("where", ["option", "environment", "config"])
def test_a_path_may_begin_at_home_or_here(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ann")
    monkeypatch.chdir(tmp_path)
    for given_path, expected in (
        ("~/faces.db", "/home/ann/faces.db"),
        ("faces.db", os.path.join(os.getcwd(), "faces.db")),
    ):
        option, written = None, Config()
        if where == "option":
            option = given_path
        elif where == "environment":
            monkeypatch.setenv("FACELIB_DB", given_path)
        else:
            written = Config(database=given_path)
        assert written.database_path(option) == expected
