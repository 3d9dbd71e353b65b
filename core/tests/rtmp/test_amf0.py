"""AMF0 values."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given, strategies as st

from headend.rtmp.amf0 import UNDEFINED, Date, decode, encode
from headend.rtmp.errors import ProtocolError
from headend.rtmp.limits import Limits

text = st.text(st.characters(codec="utf-8"), max_size=30)
values = st.recursive(
    st.floats(allow_nan=False)
    | st.booleans()
    | text
    | st.none()
    | st.just(UNDEFINED)
    | st.builds(Date, st.floats(allow_nan=False), st.integers(-720, 720)),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(text.filter(bool), inner, max_size=4)
    ),
    max_leaves=12,
)
NO_BOUNDS = Limits(amf_depth=100)

GOLDEN = [  # from the layouts in the AMF0 specification, section 2
    (1.0, "003ff0000000000000"),
    (True, "0101"),
    (False, "0100"),
    ("live", "0200046c697665"),
    ("ü", "020002c3bc"),
    (None, "05"),
    (UNDEFINED, "06"),
    ({"app": "live"}, "0300036170700200046c697665000009"),
    ([1.0, None], "0a00000002003ff000000000000005"),
    (Date(0.0, 0), "0b00000000000000000000"),
]


@pytest.mark.parametrize(("value", "data"), GOLDEN)
def test_each_type_has_the_layout_of_the_specification(value: object, data: str) -> None:
    assert encode(value).hex() == data
    assert decode(bytes.fromhex(data)) == [value]


@pytest.mark.parametrize(
    ("data", "value"),
    [
        ("0c000000046c697665", "live"),  # long string
        ("0f000000033c2f3e", "</>"),  # XML document
        ("0800000001000161050000 09", {"a": None}),  # ECMA array
        ("08ffffffff000161050000 09", {"a": None}),  # whose count is only a hint
        ("1000015400016105000009", {"a": None}),  # typed object
        ("0d", UNDEFINED),  # unsupported
        ("0102", True),
        ("020001ff", "\ufffd"),  # not UTF-8
    ],
)
def test_types_that_are_only_read(data: str, value: object) -> None:
    assert decode(bytes.fromhex(data.replace(" ", ""))) == [value]


@given(st.lists(values, max_size=4))
def test_what_is_written_is_read_back(sequence: list[object]) -> None:
    assert decode(encode(*sequence), NO_BOUNDS) == sequence


def test_text_beyond_65535_bytes_becomes_a_long_string() -> None:
    assert encode("x" * 65535)[0] == 0x02
    assert encode("x" * 65536)[0] == 0x0C
    assert decode(encode("x" * 65536)) == ["x" * 65536]


@given(st.lists(values, min_size=1, max_size=3), st.data())
def test_a_cut_anywhere_is_a_protocol_error_or_fewer_values(
    sequence: list[object], data: st.DataObject
) -> None:
    whole = encode(*sequence)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    with suppress(ProtocolError):
        read = decode(cut, NO_BOUNDS)
        assert read == sequence[: len(read)]


@given(st.binary(max_size=300))
def test_random_bytes_give_values_or_a_protocol_error(data: bytes) -> None:
    with suppress(ProtocolError):
        assert isinstance(decode(data), list)


@pytest.mark.parametrize("marker", [0x04, 0x07, 0x09, 0x0E, 0x11, 0xFF])
def test_markers_without_a_place_in_publishing_are_refused(marker: int) -> None:
    with pytest.raises(ProtocolError, match=f"{marker:#04x}"):
        decode(bytes((marker, 0, 0, 0, 0)))


def nested(depth: int) -> list[object]:
    value: list[object] = []
    for _ in range(depth - 1):
        value = [value]
    return value


def test_nesting_is_bounded() -> None:
    assert decode(encode(nested(8))) == [nested(8)]
    with pytest.raises(ProtocolError, match="deeper than 8"):
        decode(encode(nested(9)))


def test_a_million_opened_arrays_do_not_exhaust_the_stack() -> None:
    with pytest.raises(ProtocolError, match="deeper"):
        decode(b"\x0a\x00\x00\x00\x01" * 1_000_000)


def test_properties_are_bounded_also_when_they_repeat_a_name() -> None:
    decode(encode({str(n): None for n in range(256)}))
    with pytest.raises(ProtocolError, match="256 properties"):
        decode(b"\x03" + b"\x00\x01a\x05" * 257 + b"\x00\x00\x09")


def test_array_elements_are_bounded_before_they_are_read() -> None:
    assert decode(encode([None] * 1024)) == [[None] * 1024]
    with pytest.raises(ProtocolError, match="1024 elements"):
        decode(b"\x0a\xff\xff\xff\xff")


def test_all_values_of_a_message_are_bounded_together() -> None:
    with pytest.raises(ProtocolError, match="4096 values"):
        decode(b"\x05" * 4097)


def test_a_property_without_a_name_is_an_error() -> None:
    with pytest.raises(ProtocolError, match="without a name"):
        decode(b"\x03\x00\x00\x05")
    with pytest.raises(ValueError, match="property name"):
        encode({"": None})
