"""A tape is a cassette of vcrpy that people can read, and it is read back as it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from headend_contract.tape import (
    Interaction,
    Request,
    Response,
    Tape,
    TapeError,
    readable,
    sized,
)

TEXTS = st.text(max_size=60)
HEADERS = st.lists(
    st.tuples(st.sampled_from(["Content-Type", "Link", "x-a"]), TEXTS), max_size=4
).map(lambda pairs: tuple(sorted(pairs, key=lambda pair: pair[0])))
BODIES = st.one_of(st.binary(max_size=60), TEXTS.map(str.encode))
INTERACTIONS = st.builds(
    Interaction,
    st.builds(Request, st.sampled_from(["GET", "POST"]), TEXTS, HEADERS, BODIES),
    st.builds(Response, st.integers(100, 599), TEXTS, HEADERS, BODIES),
)
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), TEXTS),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(TEXTS, inner)),
    max_leaves=10,
)


@settings(deadline=None, max_examples=50)
@given(st.lists(INTERACTIONS, max_size=4))
def test_it_is_read_as_it_was_written(
    tape_of: Callable[..., Tape], interactions: list[Interaction]
) -> None:
    tape = tape_of(*interactions)

    assert Tape.parse(tape.text()) == tape


@settings(deadline=None, max_examples=50)
@given(JSON)
def test_readable_json_means_the_same_and_stands_in_lines(value: object) -> None:
    body = json.dumps(value).encode()
    made = readable(body)

    assert json.loads(made) == value
    if isinstance(value, (dict, list)) and value:
        assert b"\n" in made


@pytest.mark.parametrize("body", [b"", b"\xff", b"plain", b'{"a": 1, "a": 2}', b'{"cut', b'"text"'])
def test_what_is_no_json_object_or_would_change_stays(body: bytes) -> None:
    assert readable(body) == body


def test_bodies_are_blocks_of_text(tape_of: Callable[..., Tape]) -> None:
    body = readable(b'{"uid": "ab", "ingests": [{"url": "rtmps://live.acme.example/app"}]}')
    text = tape_of(Interaction(Request("GET", "https://a.example/"), Response(200, "OK", (), body)))

    assert '      string: |-\n        {\n          "uid": "ab",\n' in text.text()
    assert "!!" not in text.text()


def test_vcrpy_reads_it(tape_of: Callable[..., Tape]) -> None:
    from vcr.serialize import deserialize
    from vcr.serializers import yamlserializer

    request = Request("POST", "https://a.example/x?y=1", (("A", "b"),), b'{\n  "c": 1\n}')
    response = Response(201, "Created", (("D", "e"), ("D", "f")), b"\xff\x00")
    found = deserialize(tape_of(Interaction(request, response)).text(), yamlserializer)

    assert (found[0][0].method, found[0][0].uri, found[0][0].body) == (
        request.method,
        request.url,
        request.body,
    )
    assert found[1] == [
        {
            "status": {"code": 201, "message": "Created"},
            "headers": {"D": ["e", "f"]},
            "body": {"string": b"\xff\x00"},
        }
    ]
    assert found[2]["provenance"] == "simulator of headend-acme 0.1.0"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: [", "not YAML"),
        ("[]", "no interactions"),
        ("interactions: []", "no metadata"),
        ("interactions: []\nmetadata: {}", "has no check"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_another_file_is_told_apart(text: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(text)
    with pytest.raises(TapeError, match=why) as raised:
        Tape.read(path)

    assert str(path) in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [
        ("recorded_at: '2026-11-22T00:00:00+00:00'", "recorded_at: '2026-11-22T00:00:00'"),
        ("recorded_at: '2026-11-22T00:00:00+00:00'", "recorded_at: yesterday"),
        ("uri: https://a.example/", "url: https://a.example/"),
        ("code: 200", "code: fine"),
    ],
)
def test_a_damaged_one_is_refused(tape_of: Callable[..., Tape], change: tuple[str, str]) -> None:
    text = tape_of(Interaction(Request("GET", "https://a.example/"), Response(200, "OK"))).text()
    assert change[0] in text
    with pytest.raises(TapeError):
        Tape.parse(text.replace(*change))


def test_a_length_is_made_right_only_where_there_is_a_body() -> None:
    response = Response(200, "OK", (("content-length", "3"),), b"12345")

    assert sized(Request("GET", "/"), response).headers == (("content-length", "5"),)
    assert sized(Request("HEAD", "/"), response) == response
    assert sized(Request("GET", "/"), Response(304, "", (("content-length", "3"),))).headers == (
        ("content-length", "3"),
    )
