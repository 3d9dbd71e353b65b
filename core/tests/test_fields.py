"""Reading a platform's JSON gives a right value or a `BrokenAnswerError`, and nothing else."""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given, strategies as st

from headend.fields import MAX_DEPTH, BrokenAnswerError, Fields, elements, read_json
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    Json = object

PLANTED = "kE7-planted-9Q"
LETTERS = re.compile(r"[a-z]+")

READERS: dict[str, Callable[[Fields], object]] = {
    "has": lambda one: one.has("x"),
    "raw": lambda one: one.raw("x"),
    "text": lambda one: one.text("x"),
    "matching": lambda one: one.matching("x", LETTERS, "a word"),
    "secret": lambda one: one.secret("x"),
    "address": lambda one: one.address("x", "https", "rtmps"),
    "flag": lambda one: one.flag("x"),
    "count": lambda one: one.count("x"),
    "number": lambda one: one.number("x"),
    "time": lambda one: one.time("x"),
    "object": lambda one: one.object("x"),
    "texts": lambda one: one.texts("x"),
    "text_list": lambda one: one.text_list("x"),
    "each": lambda one: one.each("x", lambda inner: inner.text("y")),
    "optional": lambda one: one.optional("x", Fields.time),
}

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=10**300)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text()
    | st.text(alphabet=st.characters(categories=["Cs", "Ll", "Nd"]), max_size=8)
    | st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat)
    | st.sampled_from(
        [
            "https://a.example/b",
            "https://[::1",
            "https://a.example:99999/",
            "rtmps:///",
            "2026-02-30T00:00:00Z",
            "9999-12-31T23:59:59-23:59",
            PLANTED,
        ]
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def fields(value: Json) -> Fields:
    return Fields(read_json(json.dumps({"x": value}).encode()))


def error_of(act: Callable[[], object]) -> BrokenAnswerError:
    with pytest.raises(BrokenAnswerError) as caught:
        act()
    return caught.value


def is_right(reader: str, value: Json, given: Json) -> bool:
    """Tell, by other means than the reader's own, whether it may give this value for that JSON."""
    match reader:
        case "has":
            return value == (given is not None)
        case "raw":
            return value == given
        case "text":
            return isinstance(given, str) and value == given
        case "matching":
            return value == given and str(given).isascii() and str(given).islower()
        case "secret":
            return isinstance(value, Secret) and value.reveal() == given and " " not in str(given)
        case "address":
            parts = urlsplit(str(value))
            assert parts.port is None or parts.port > 0
            return parts.scheme in {"https", "rtmps"} and bool(parts.hostname) and value == given
        case "flag":
            return value is given and given in {True, False}
        case "count":
            return type(given) is int and value == given >= 0
        case "number":
            assert isinstance(value, float)
            assert isinstance(given, (int, float))
            assert not isinstance(given, bool)
            return abs(Fraction(value) - Fraction(given)) <= abs(Fraction(given)) / 2**52
        case "time":
            return value == datetime.fromisoformat(str(given))
        case "object":
            return isinstance(value, Fields) and isinstance(given, dict)
        case "texts":
            return value == given and isinstance(given, dict)
        case "text_list":
            return value == given and isinstance(given, list)
        case "each":
            assert isinstance(given, list)
            return value == [one["y"] for one in given]
        case _:
            return value is None if given is None else is_right("time", value, given)


@pytest.mark.parametrize("reader", READERS)
@given(value=json_values)
def test_any_json_gives_a_right_value_or_a_broken_answer(reader: str, value: Json) -> None:
    try:
        read = READERS[reader](fields(value))
    except BrokenAnswerError:
        return

    assert is_right(reader, read, value)


@pytest.mark.parametrize("reader", set(READERS) - {"has", "raw", "optional"})
def test_a_field_that_is_missing_or_null_is_a_broken_answer(reader: str) -> None:
    assert "x is not " in str(error_of(lambda: READERS[reader](Fields({}))))
    assert "x is not " in str(error_of(lambda: READERS[reader](fields(None))))


@given(raw=st.binary() | json_values.map(lambda one: json.dumps(one).encode()[:-1]))
@example(b"\xff")
@example(b"\xef\xbb\xbf{}")
@example(b'{"a": NaN}')
@example(b"[-Infinity]")
@example(b"[1e999]")
@example(b"1" * 5000)
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"")
def test_any_bytes_are_json_or_a_broken_answer(raw: bytes) -> None:
    try:
        value = read_json(raw)
    except BrokenAnswerError:
        return

    assert read_json(json.dumps(value, allow_nan=False).encode()) == value


def _joined(value: Json) -> Json:
    """Return the value with two halves of a character that stand side by side made one."""
    return json.loads(json.dumps(value))


@given(value=json_values.map(_joined))
def test_json_is_read_as_it_was_written(value: Json) -> None:
    assert read_json(json.dumps(value).encode()) == value
    assert read_json(json.dumps(value, indent=3, ensure_ascii=True).encode()) == value


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"<html>", "it is not JSON"),
        (b'{"a": "\xff"}', "it is not JSON"),
        (b'{"a": 1', "it is not JSON"),
        ("[1]".encode("utf-16"), "it is not JSON"),
        (b"[NaN]", "it holds a number that is none"),
        (b"[Infinity]", "it holds a number that is none"),
        (b"[1e999]", "it holds a number that is none"),
        (b"[" * 5000 + b"]" * 5000, f"it is nested more than {MAX_DEPTH} deep"),
    ],
)
def test_what_is_no_json_is_told_in_words(raw: bytes, what: str) -> None:
    assert str(error_of(lambda: read_json(raw))) == what


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_nesting_is_allowed_up_to_a_depth_whatever_the_interpreter_could_bear(
    opening: str, closing: str
) -> None:
    def nested(depth: int) -> bytes:
        return (opening * depth + "1" + closing * depth).encode()

    read_json(nested(MAX_DEPTH))
    assert "nested" in str(error_of(lambda: read_json(nested(MAX_DEPTH + 1))))


def test_a_long_flat_answer_is_not_taken_for_a_deep_one() -> None:
    assert read_json(json.dumps([{"a": [1]}] * 1000).encode()) == [{"a": [1]}] * 1000
    assert read_json(json.dumps("[" * 1000).encode()) == "[" * 1000


def test_an_answer_is_read_up_to_the_limit() -> None:
    assert read_json(b'"ab"', limit=4) == "ab"
    assert str(error_of(lambda: read_json(b'"abc"', limit=4))) == "it has more than 4 bytes"


WRONG: dict[str, Json] = {
    "text": 1,
    "matching": PLANTED,
    "secret": f"{PLANTED} and a space",
    "address": f"ftp://{PLANTED}/",
    "flag": PLANTED,
    "count": PLANTED,
    "number": PLANTED,
    "time": PLANTED,
    "object": PLANTED,
    "texts": {"a": PLANTED, PLANTED: 1},
    "text_list": [PLANTED, 1],
    "each": [PLANTED],
    "optional": PLANTED,
}


@pytest.mark.parametrize("reader", WRONG)
def test_an_error_holds_the_path_and_never_the_value(reader: str) -> None:
    error = error_of(
        lambda: fields({"y": [{"x": WRONG[reader]}]}).object("x").each("y", READERS[reader])
    )

    assert str(error).startswith("x.y[0].x")
    assert PLANTED not in repr(error)
    assert error.__cause__ is None
    assert error.__context__ is None


@pytest.mark.parametrize(
    "raw",
    [b'{"key": "%s"' % PLANTED.encode(), b'{"key": "%s\xff"}' % PLANTED.encode()],
    ids=["cut off", "not UTF-8"],
)
def test_an_answer_that_is_no_json_is_in_no_error(raw: bytes) -> None:
    error = error_of(lambda: read_json(raw))

    assert PLANTED not in repr(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_fields_do_not_show_what_is_in_them() -> None:
    assert PLANTED not in repr(fields(PLANTED))


@given(
    moment=st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1)),  # noqa: DTZ001  # the zone comes next
    minutes=st.integers(-1439, 1439),
)
def test_a_time_of_any_zone_is_the_same_moment_in_utc(moment: datetime, minutes: int) -> None:
    written = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))

    read = fields(written.isoformat()).time("x")

    assert read == written
    assert read.tzinfo is UTC


@given(digits=st.text("0123456789", max_size=9))
def test_a_second_may_have_up_to_nine_digits(digits: str) -> None:
    read = fields(f"2026-11-22T01:02:03{'.' if digits else ''}{digits}Z").time("x")

    assert read.replace(microsecond=0) == datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)
    assert read.microsecond == int(digits.ljust(6, "0")[:6])


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22",
        "2026-11-22T01:02:03",
        "2026-11-22T01:02Z",
        "20261122T010203Z",
        "2026-W47-7T01:02:03Z",
        "2026-11-22T24:00:00Z",
        "2026-11-22T01:02:60Z",
        "2026-11-22T01:02:03.Z",
        "2026-11-22T01:02:03.1234567890Z",
        "2026-11-22T01:02:03+24:00",
        "2026-11-22T01:02:03+01:60",
        "2026-13-22T01:02:03Z",
        "0001-01-01T00:00:00+01:00",
        "٢026-11-22T01:02:03Z",
        " 2026-11-22T01:02:03Z",
        "2026-11-22T01:02:03Z\n",
        "1763773323",
    ],
)
def test_what_is_not_rfc_3339_is_no_time(text: str) -> None:
    assert str(error_of(lambda: fields(text).time("x"))).startswith("x is not a time")


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://a.example", "https://a.example"),
        ("HTTPS://A.example/x?y=%20#z", "https://A.example/x?y=%20#z"),
        ("rtmps://a.example:443/live/", "rtmps://a.example:443/live/"),
        ("https://[2001:db8::1]:8443/x", "https://[2001:db8::1]:8443/x"),
    ],
)
def test_an_address_keeps_all_but_the_case_of_its_scheme(given: str, kept: str) -> None:
    assert fields(given).address("x", "https", "rtmps") == kept


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a.example",
        "//a.example/x",
        "http://a.example/",
        "https:a.example",
        "https:///x",
        "https://user@a.example/",
        "https://user:password@a.example/",
        "https://a.example:0/",
        "https://a.example:65536/",
        "https://a.example:port/",
        "https://a.example/a b",
        "https://a.example/a\nb",
        "https://a.example\\@b.example/",
        "https://a.example/\N{LATIN SMALL LETTER E WITH ACUTE}",
        "https://[::1/",
    ],
)
def test_what_could_lead_elsewhere_is_no_address(text: str) -> None:
    what = "x is not an address with https or rtmps"
    assert str(error_of(lambda: fields(text).address("x", "https", "rtmps"))) == what


@pytest.mark.parametrize("value", [3.0, -1, True, "3", 2**63, 10**400])
def test_a_count_is_a_whole_number_from_0_of_64_bits(value: Json) -> None:
    assert str(error_of(lambda: fields(value).count("x"))) == "x is not a number from 0"
    assert fields(2**63 - 1).count("x") == 2**63 - 1


@pytest.mark.parametrize("value", [True, "3", 10**400, -(10**400)])
def test_a_number_can_be_reckoned_with(value: Json) -> None:
    assert "x is not a number" in str(error_of(lambda: fields(value).number("x")))


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_number_that_did_not_come_from_json_is_finite_all_the_same(value: float) -> None:
    assert "x is not a number" in str(error_of(lambda: Fields({"x": value}).number("x")))


def test_a_text_with_half_a_character_is_no_text() -> None:
    half = json.loads('"\\ud83d"')
    assert "half a character" in str(error_of(lambda: fields(half).text("x")))
    assert "x is not" in str(error_of(lambda: fields({half: "a"}).texts("x")))
    assert "x is not" in str(error_of(lambda: fields({"a": half}).texts("x")))
    assert "x is not" in str(error_of(lambda: fields([half]).text_list("x")))


def test_what_a_platform_adds_is_let_be() -> None:
    answer = Fields({"id": "a", "new": {"deep": [1, None]}})

    assert answer.text("id") == "a"
    assert answer.has("new")
    assert answer.raw("new") == {"deep": [1, None]}
    assert answer.raw("newer") is None


@pytest.mark.parametrize("data", [{}, {"x": None}])
def test_an_optional_field_that_is_missing_or_null_is_none(data: dict[str, Json]) -> None:
    assert Fields(data).optional("x", Fields.text) is None


def test_an_optional_field_that_is_there_is_read_as_strictly_as_any() -> None:
    assert fields("a").optional("x", Fields.text) == "a"
    assert "x is not a text" in str(error_of(lambda: fields(1).optional("x", Fields.text)))


def test_an_array_that_stands_alone_is_read_element_by_element() -> None:
    data = read_json(b'[{"id": "a"}, {"id": "b"}]')

    assert elements(data, lambda one: one.text("id")) == ["a", "b"]
    assert str(error_of(lambda: elements(data, lambda one: one.count("id")))) == (
        "[0].id is not a number from 0"
    )
    assert "[0] is not an object" in str(error_of(lambda: elements([1], lambda one: one)))
    assert "no JSON array" in str(error_of(lambda: elements({}, lambda one: one)))


@pytest.mark.parametrize("data", [None, [], "text", 1, True])
def test_what_is_no_object_has_no_fields(data: Json) -> None:
    assert str(error_of(lambda: Fields(data))) == "it is not a JSON object"
