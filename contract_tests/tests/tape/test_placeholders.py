"""Placeholders keep the shape of a value, tell values apart, and are plain to see."""

from __future__ import annotations

import re
import string

import pytest
from hypothesis import given, settings, strategies as st

from headend_contract.placeholders import WORD, is_placeholder, placeholder, stands_for

NUMBERS = st.integers(1, 200)
SEPARATORS = "-_.:/+=~"
RUNS = st.one_of(
    st.text("0123456789abcdef", min_size=1, max_size=70),
    st.text(string.digits, min_size=1, max_size=20),
    st.text(string.ascii_lowercase, min_size=1, max_size=40),
    st.text(string.ascii_uppercase, min_size=1, max_size=40),
    st.text(string.ascii_letters + string.digits, min_size=1, max_size=70),
    st.text(min_size=1, max_size=20),
)
VALUES = st.builds(
    lambda head, runs, separator: head + separator.join(runs),
    st.sampled_from(["", "", "sk_us-west-2_", "rk_", "https://host.example/"]),
    st.lists(RUNS, min_size=1, max_size=5),
    st.sampled_from(SEPARATORS),
)

CLASSES = (
    ("digits", r"[0-9]+"),
    ("hexadecimal", r"[0-9a-f]+"),
    ("hexadecimal, large", r"[0-9A-F]+"),
    ("small letters", r"[a-z]+"),
    ("large letters", r"[A-Z]+"),
    ("small letters and digits", r"[a-z0-9]+"),
    ("letters", r"[A-Za-z]+"),
    ("letters and digits", r"[A-Za-z0-9]+"),
)


def runs_of(text: str) -> list[str]:
    return re.findall(r"[A-Za-z0-9]+", text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sk_us-west-2_AbCd1234EfGh_567890abcdEF", "sk_us-west-2_REDACTED0001_REDACTED0001"),
        ("rk_0123456789abcdef", "rk_1111111111111111"),
        ("4f1c9e02ab", "1111111111"),
        ("eyJ" + "hbGciO-i.eyJhIj_-xMj.ab-cd_ef-g12", "REDACTED001.REDACTED001.REDACTED0001"),
        ("123456789012", "111111111111"),
        ("hunter2isnotgood", "redacted00000001"),
        ("3f2504e0-4f89-11d3-9a0c-0305e82c3301", "11111111-1111-1111-1111-111111111111"),
        (
            "https://customer-ab.example/0123456789abcdefk0123456789/webRTC/publish",
            "https://customer-ab.example/redacted0000000000000000001/webRTC/publish",
        ),
    ],
)
def test_it_looks_as_the_value_did(value: str, expected: str) -> None:
    assert placeholder(value, 1) == expected


@settings(deadline=None, max_examples=50)
@given(VALUES, NUMBERS)
def test_length_and_separators_stay(value: str, number: int) -> None:
    made = placeholder(value, number)

    assert len(made) == len(value)
    if any(one not in SEPARATORS and not one.isspace() for one in value):
        assert [(at, one) for at, one in enumerate(made) if one in SEPARATORS] == [
            (at, one) for at, one in enumerate(value) if one in SEPARATORS
        ]


@settings(deadline=None, max_examples=50)
@given(st.lists(st.text(string.ascii_letters + string.digits, min_size=1), min_size=1), NUMBERS)
def test_each_run_stays_within_its_class_of_characters(parts: list[str], number: int) -> None:
    value = "-".join(parts)
    for before, after in zip(runs_of(value), runs_of(placeholder(value, number)), strict=True):
        name, pattern = next(one for one in CLASSES if re.fullmatch(one[1], before))
        assert re.fullmatch(pattern, after), name


@settings(deadline=None, max_examples=50)
@given(VALUES, NUMBERS, NUMBERS)
def test_two_numbers_give_two_placeholders_where_there_is_room(
    value: str, one: int, other: int
) -> None:
    room = max(map(len, runs_of(value)), default=0) >= 12
    if one != other and room and "://" not in value:
        assert placeholder(value, one) != placeholder(value, other)


@settings(deadline=None, max_examples=50)
@given(VALUES, NUMBERS)
def test_a_placeholder_is_its_own(value: str, number: int) -> None:
    made = placeholder(value, number)

    assert placeholder(made, number) == made


@settings(deadline=None, max_examples=50)
@given(st.text(string.ascii_letters + string.digits, min_size=12, max_size=60), NUMBERS)
def test_the_word_is_in_it_wherever_the_shape_allows_letters(value: str, number: int) -> None:
    is_hex = re.fullmatch(r"[0-9a-f]+|[0-9A-F]+", value)
    made = placeholder(value, number)

    assert is_placeholder(made)
    assert stands_for(made, value)
    assert is_hex or WORD in made.upper()


@settings(deadline=None, max_examples=50)
@given(st.text(string.ascii_letters + string.digits, min_size=16, max_size=60))
def test_what_chance_makes_is_no_placeholder(value: str) -> None:
    if len(set(value)) > 8 and WORD not in value.upper():
        assert not is_placeholder(value)
