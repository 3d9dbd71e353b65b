"""A scan finds a secret however it is wrapped, says where, and does not repeat it."""

from __future__ import annotations

import base64
import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from headend_contract.scan import scan_bytes, scan_folder
from headend_contract.scrub import Scrubber
from headend_contract.tape import Interaction, Request, Response

ROOT = Path(__file__).parents[3]
CANARY = 'canary bird/4711+é"x'
PLAIN_CANARY = "canarybird4711x"


def in_yaml(value: object) -> bytes:
    return yaml.safe_dump({"interactions": [{"response": {"body": {"string": value}}}]}).encode()


def b64(content: bytes) -> str:
    return base64.b64encode(content).decode()


WRAPPINGS: dict[str, Callable[[str], bytes]] = {
    "text": lambda secret: f"# {secret}\n".encode(),
    "a YAML text": in_yaml,
    "YAML with escapes": lambda secret: yaml.safe_dump({"a": f"\x07{secret}"}).encode(),
    "a YAML name": lambda secret: yaml.safe_dump({secret: 1}).encode(),
    "YAML binary": lambda secret: in_yaml(b"\xff\x00" + secret.encode()),
    "YAML binary of gzip": lambda secret: in_yaml(gzip.compress(secret.encode())),
    "YAML binary of zlib": lambda secret: in_yaml(zlib.compress(secret.encode())),
    "JSON": lambda secret: in_yaml(json.dumps({"a": [secret]})),
    "JSON in JSON": lambda secret: in_yaml(json.dumps({"a": json.dumps({"b": secret})})),
    "half a JSON": lambda secret: in_yaml("{" + json.dumps(f"tab\t{secret}") + ": cut"),
    "percent": lambda secret: in_yaml(f"https://a.example/?q={quote(secret, safe='')}"),
    "base64": lambda secret: in_yaml(f"x={b64(secret.encode())};"),
    "base64 for URLs": lambda secret: in_yaml(
        base64.urlsafe_b64encode(f"~~~{secret}".encode()).decode().rstrip("=")
    ),
    "base64 after letters": lambda secret: in_yaml(f"ab{b64(secret.encode())}"),
    "base64 of base64": lambda secret: in_yaml(b64(b64(secret.encode()).encode())),
    "base64 of gzip of JSON": lambda secret: in_yaml(
        b64(gzip.compress(json.dumps({"a": secret}).encode()))
    ),
    "percent of base64 in JSON": lambda secret: in_yaml(
        json.dumps({"next": quote(b64(secret.encode()), safe="")})
    ),
    "UTF-16": lambda secret: in_yaml(secret.encode("utf-16-le") + b"\xff\xdc"),
}


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
@pytest.mark.parametrize("canary", [CANARY, PLAIN_CANARY])
def test_a_planted_one_is_found(wrap: Callable[[str], bytes], canary: str) -> None:
    found = scan_bytes(wrap(canary), "a.yaml", [canary])

    assert any(one.what == "planted secret 1" for one in found)


@pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
def test_without_it_nothing_is(wrap: Callable[[str], bytes]) -> None:
    assert scan_bytes(wrap("an ordinary text"), "a.yaml", [CANARY]) == []


SHAPED = {
    "an AWS access key": "AKIA" + "IOSFODNN7EXAMPLE",
    "an AWS secret key": "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEK3Y",
    "a key with its kind": "sk_us-west-2_" + "AbCd1234EfGh_567890abcdEF",
    "a JSON web token": "eyJ" + "hbGciOiJFUzM4NCJ9.eyJhIjoxMjM0NTZ9.c2lnbmF0dXJlMTIz",
    "a private key": "-----BEGIN PRIVATE " + "KEY-----\nMIIE\n-----END PRIVATE " + "KEY-----",
    "a credential after Bearer or Basic": "Authorization: Bearer " + "abcdef1234567890",
    "a user name with a password": "https://user:" + "pass1word@host.example/",
    "an AWS account": "arn:aws:ivs:us-west-2:" + "987654321098:channel/AbC",
    "the address of a WHIP ingest": "https://c.example/" + "0a1b2c3d4e5f60718293k/webRTC/publish",
}


@pytest.mark.parametrize(("what", "secret"), SHAPED.items(), ids=SHAPED)
def test_whatever_has_the_shape_of_a_key_is_found(what: str, secret: str) -> None:
    for content in (in_yaml(f"x {secret} y"), in_yaml(gzip.compress(f"x {secret} y".encode()))):
        assert any(one.what == what for one in scan_bytes(content, "a.yaml"))


@pytest.mark.parametrize(
    "content",
    [
        in_yaml(json.dumps({"rtmps": {"streamKey": "tulips and roses"}})),
        in_yaml(b64(json.dumps({"passphrase": "4ever2gether"}).encode())),
        yaml.safe_dump({"headers": {"authorization": ["letmein1"]}}).encode(),
        b"ACME_API_TOKEN: letmein1\n",
        in_yaml("<SecretAccessKey>letmein1</SecretAccessKey>"),
        in_yaml("https://a.example/?token=letmein1&x=1"),
    ],
)
def test_what_bears_the_name_of_a_secret_is_found(content: bytes) -> None:
    assert scan_bytes(content, "a.yaml")


@settings(deadline=None, max_examples=50)
@given(st.text("abcdefghijklmnopqrstuvwxyzABCDEFG0123456789", min_size=12, max_size=40))
def test_a_placeholder_is_no_finding(secret: str) -> None:
    answer = Interaction(
        Request("GET", "https://a.example/"),
        Response(200, "OK", (), json.dumps({"streamKey": secret}).encode()),
    )
    (clean,) = Scrubber([secret]).interactions([answer])

    assert scan_bytes(in_yaml(clean.response.body.decode()), "a.yaml") == []


def test_a_finding_tells_the_place_and_never_the_secret(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "LIVE-X-001.yaml"
    path.parent.mkdir()
    path.write_bytes(in_yaml(gzip.compress(f"k {PLAIN_CANARY}".encode())))
    found = scan_folder(tmp_path, planted=[PLAIN_CANARY])

    assert [str(one) for one in found] == [
        f"{path}/interactions/0/response/body/string (gzip) (text): planted secret 1"
    ]


def test_a_file_that_is_no_yaml_is_scanned_all_the_same() -> None:
    for content in (b"\xff\xfe: [ " + PLAIN_CANARY.encode(), f"a: [ {PLAIN_CANARY}".encode()):
        assert scan_bytes(content, "a.yaml", [PLAIN_CANARY])


def test_the_recordings_of_this_tree_hold_no_secret() -> None:
    folder = ROOT / "cassettes"

    assert list(folder.rglob("*.yaml"))
    assert scan_folder(folder) == []
