"""Playback tokens are signed here as the platform documents it, and a bad key is told, not shown.

The tokens are taken apart by hand and verified by `cryptography` with the public key, so that the
library that makes them is not its own witness.
"""

from __future__ import annotations

import base64
import json
import logging
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings, strategies as st

from headend.plugin import ConfigurationError, Secret
from headend_cloudflare.signing import sign

INPUT = "66be4bf738797e01e1fca35a7bdecdcd"
KEY_ID = "8f926b2b01f383510025a78a4dcbf6a0"
UNTIL = datetime(2030, 1, 2, 3, 4, 5, 999999, tzinfo=UTC)


@pytest.fixture(scope="module")
def private_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def as_given(key: Any, form: PrivateFormat = PrivateFormat.TraditionalOpenSSL) -> Secret:
    """Write a key as the API does: PEM within base64."""
    return Secret(base64.b64encode(key.private_bytes(Encoding.PEM, form, NoEncryption())).decode())


def taken_apart(token: Secret) -> tuple[dict[str, object], dict[str, object], bytes, bytes]:
    """Return header, payload, what is signed, and the signature."""
    header, payload, signature = token.reveal().split(".")
    parts = [base64.urlsafe_b64decode(one + "=" * (-len(one) % 4)) for one in (header, payload)]
    return (
        json.loads(parts[0]),
        json.loads(parts[1]),
        f"{header}.{payload}".encode(),
        base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)),
    )


def verify(public: rsa.RSAPublicKey, signed: bytes, signature: bytes) -> None:
    public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("form", [PrivateFormat.TraditionalOpenSSL, PrivateFormat.PKCS8])
def test_a_token_has_the_documented_header_and_payload_and_a_good_signature(private_key, form):
    token = sign(INPUT, KEY_ID, as_given(private_key, form), expires_at=UNTIL)

    header, payload, signed, signature = taken_apart(token)
    assert header == {"alg": "RS256", "kid": KEY_ID}
    assert payload == {"sub": INPUT, "kid": KEY_ID, "exp": 1893553445}
    verify(private_key.public_key(), signed, signature)
    with pytest.raises(InvalidSignature):
        verify(private_key.public_key(), signed + b"x", signature)


def test_another_key_does_not_verify_it(private_key):
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    token = sign(INPUT, KEY_ID, as_given(other), expires_at=UNTIL)

    _, _, signed, signature = taken_apart(token)
    with pytest.raises(InvalidSignature):
        verify(private_key.public_key(), signed, signature)


def test_a_token_can_begin_later(private_key):
    east = timezone(timedelta(hours=5, minutes=30))
    later = datetime(2030, 1, 2, 8, 0, 0, tzinfo=east)
    token = sign(INPUT, KEY_ID, as_given(private_key), expires_at=UNTIL, not_before=later)

    _, payload, _, _ = taken_apart(token)
    assert payload["nbf"] == int(datetime(2030, 1, 2, 2, 30, tzinfo=UTC).timestamp())


def test_a_token_can_stand_in_a_path(private_key):
    token = sign(INPUT, KEY_ID, as_given(private_key), expires_at=UNTIL).reveal()
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.")


@settings(max_examples=30)  # each makes a signature, which takes a while
@given(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=64),
    st.integers(min_value=0, max_value=4102444800),
)
def test_what_goes_in_is_in_the_payload_as_it_is(private_key, stream_id, seconds):
    until = datetime.fromtimestamp(seconds, UTC)
    token = sign(stream_id, KEY_ID, as_given(private_key), expires_at=until)

    _, payload, signed, signature = taken_apart(token)
    assert (payload["sub"], payload["exp"]) == (stream_id, seconds)
    verify(private_key.public_key(), signed, signature)


@pytest.fixture(scope="module")
def no_keys() -> dict[str, Secret]:
    """What people may set in place of a signing key."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"planted-password")
    )
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    short = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    return {
        "nothing": Secret(""),
        "words": Secret("planted words that are no key"),
        "other letters": Secret("plänted"),
        "PEM itself": Secret(pem.decode()),
        "base64 of words": Secret(base64.b64encode(b"planted words").decode()),
        "base64 of a cut PEM": Secret(base64.b64encode(pem[: len(pem) // 2]).decode()),
        "a public key": Secret(base64.b64encode(public).decode()),
        "a locked key": Secret(base64.b64encode(locked).decode()),
        "an elliptic curve": as_given(ec.generate_private_key(ec.SECP256R1())),
        "a short key": as_given(short),
    }


@pytest.mark.parametrize(
    "what",
    [
        "nothing",
        "words",
        "other letters",
        "PEM itself",
        "base64 of words",
        "base64 of a cut PEM",
        "a public key",
        "a locked key",
        "an elliptic curve",
        "a short key",
    ],
)
def test_a_key_that_is_none_is_told_by_its_setting_and_not_shown(what, no_keys, caplog):
    key = no_keys[what]
    caplog.set_level(logging.DEBUG)
    with pytest.raises(ConfigurationError, match="CLOUDFLARE_STREAM_SIGNING_KEY is no") as caught:
        sign(INPUT, KEY_ID, key, expires_at=UNTIL)

    assert caught.value.__context__ is None
    shown = "".join(traceback.format_exception(caught.value)) + caplog.text
    assert "planted" not in shown
    assert key.reveal() == "" or key.reveal()[:40] not in shown


@given(st.text(max_size=200))
def test_any_text_that_is_no_key_is_a_wrong_setting(text):
    for given_key in (Secret(text), Secret(base64.b64encode(text.encode()).decode())):
        with pytest.raises(ConfigurationError):
            sign(INPUT, KEY_ID, given_key, expires_at=UNTIL)


def test_the_library_that_signs_is_imported_only_to_sign():
    program = (
        "import sys, headend_cloudflare.signing; "
        "sys.exit(bool({'jwt', 'cryptography'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
