"""A playback token says what AWS documents, and its signature is good by the public key alone.

Signatures are checked with `cryptography` by the rules of RFC 7518, not with what signed them.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)
from hypothesis import given, strategies as st

from headend.plugin import ConfigurationError, CreateRequest, Secret
from headend_ivs import signing
from headend_ivs.settings import IvsOptions

ARN = "arn:aws:ivs:us-west-2:123456789012:channel/AbCdEf123456"
UNTIL = datetime(2030, 1, 2, 4, 4, 5, 987654, tzinfo=UTC)
KEY = signing.make_key()


def decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def claims_of(token: Secret, public_pem: str = KEY.public_pem) -> tuple[object, object]:
    """Check a token with a public key; return its header and its claims."""
    header, claims, signature = token.reveal().split(".")
    raw = decoded(signature)
    assert len(raw) == 96, "ES384: two numbers of 48 bytes"
    public = load_pem_public_key(public_pem.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    public.verify(
        encode_dss_signature(int.from_bytes(raw[:48]), int.from_bytes(raw[48:])),
        f"{header}.{claims}".encode(),
        ec.ECDSA(SHA384()),
    )
    return json.loads(decoded(header)), json.loads(decoded(claims))


def pem(key: object, encryption: object = None) -> str:
    made = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return str(made.decode())


def test_a_token_says_what_the_platform_documents():
    header, claims = claims_of(signing.sign(ARN, KEY.private_pem, expires_at=UNTIL))

    assert header == {"alg": "ES384", "typ": "JWT"}
    assert claims == {"aws:channel-arn": ARN, "exp": int(UNTIL.timestamp())}


def test_origins_are_in_the_token_where_they_are_set():
    token = signing.sign(
        ARN,
        KEY.private_pem,
        expires_at=UNTIL,
        origins="https://www.example.com, https://*.example.net",
    )
    _, claims = claims_of(token)

    assert claims == {
        "aws:channel-arn": ARN,
        "exp": int(UNTIL.timestamp()),
        "aws:access-control-allow-origin": "https://www.example.com,https://*.example.net",
    }


@given(st.floats(1.6e9, 4e9).map(lambda at: datetime.fromtimestamp(at, UTC)))
def test_a_token_is_never_good_for_longer_than_asked(until):
    _, claims = claims_of(signing.sign(ARN, KEY.private_pem, expires_at=until))
    (expires,) = [one for name, one in claims.items() if name == "exp"]

    assert 0 <= until.timestamp() - expires < 1


def test_a_token_is_good_by_its_own_key_and_by_no_other():
    token = signing.sign(ARN, KEY.private_pem, expires_at=UNTIL)
    with pytest.raises(InvalidSignature):
        claims_of(token, signing.make_key().public_pem)


def test_a_token_is_shorter_than_the_platform_allows():
    """2 KB (docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/service-quotas.html)."""
    longest = "https://" + "a" * 992
    token = signing.sign("a" * 128, KEY.private_pem, expires_at=UNTIL, origins=longest)

    assert len(longest) == 1000
    assert len(token.reveal()) < 2048


SEC1 = ec.generate_private_key(ec.SECP384R1()).private_bytes(
    Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
)


@pytest.mark.parametrize(
    "text",
    [
        f"\n{KEY.private_pem.reveal()}\n\n",
        KEY.private_pem.reveal().replace("\n", "\\n"),
        SEC1.decode(),
    ],
    ids=["with space around it", "in one line", "as openssl ecparam writes it"],
)
def test_a_key_may_be_written_as_people_write_it(text):
    assert signing.sign(ARN, Secret(text), expires_at=UNTIL).reveal().count(".") == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("planted", "it cannot be read"),
        ("", "it cannot be read"),
        (KEY.private_pem.reveal()[:-60], "it cannot be read"),
        (KEY.public_pem, "it cannot be read"),
        ("\udcff", "it cannot be read"),
        (
            pem(ec.generate_private_key(ec.SECP384R1()), BestAvailableEncryption(b"p")),
            "it is encrypted",
        ),
        (pem(ec.generate_private_key(ec.SECP256R1())), "it is a key of another kind"),
        (pem(ec.generate_private_key(ec.SECP521R1())), "it is a key of another kind"),
        (pem(rsa.generate_private_key(65537, 2048)), "it is a key of another kind"),
        (pem(ed25519.Ed25519PrivateKey.generate()), "it is a key of another kind"),
    ],
)
def test_what_is_no_such_key_is_a_problem_of_the_settings_and_is_not_shown(text, why):
    with pytest.raises(ConfigurationError) as caught:
        signing.sign(ARN, Secret(text), expires_at=UNTIL)

    (problem,) = caught.value.problems
    assert problem.startswith("AWS_IVS_PLAYBACK_KEY is no key for playback tokens: ")
    assert why in problem
    shown = "".join(traceback.format_exception(caught.value))
    for line in text.splitlines():
        assert len(line) < 7 or line.startswith("-----") or line not in shown


def test_a_new_key_is_of_the_curve_that_the_platform_takes_and_shows_no_private_half():
    one, other = signing.make_key(), signing.make_key()
    public = load_pem_public_key(one.public_pem.encode())

    assert isinstance(public, ec.EllipticCurvePublicKey)
    assert public.curve.name == "secp384r1"
    assert one.public_pem != other.public_pem
    assert "PRIVATE" not in repr(one)
    assert one.private_pem.reveal().startswith("-----BEGIN PRIVATE KEY-----")


def test_the_provider_gives_the_address_with_a_token_for_that_live_stream(provider_for, clock):
    provider = provider_for(
        playback_key=KEY.private_pem, playback_origins="https://www.example.com"
    )
    made = provider.create_live_stream(
        CreateRequest(channel_id="1", marker="m" * 40, options=IvsOptions(authorized=True))
    )
    given = provider.create_playback_token(made.stream_id, expires_in=60.5)

    url, query = given.playback_url.reveal().split("?")
    assert url == made.playback_url
    assert parse_qs(query) == {"token": [given.token.reveal()]}
    assert urlsplit(given.playback_url.reveal()).path.endswith(".m3u8")
    _, claims = claims_of(given.token)
    assert claims == {
        "aws:channel-arn": made.stream_id,
        "aws:access-control-allow-origin": "https://www.example.com",
        "exp": given.expires_at.timestamp(),
    }
    assert (
        timedelta(0)
        <= clock.now() + timedelta(seconds=60.5) - given.expires_at
        < timedelta(seconds=1)
    )


def test_a_key_that_is_none_is_told_before_anything_is_sent(provider_for, simulated):
    text = pem(rsa.generate_private_key(65537, 2048))
    provider = provider_for(playback_key=Secret(text))

    with pytest.raises(ConfigurationError, match="AWS_IVS_PLAYBACK_KEY"):
        provider.create_playback_token(ARN, expires_in=60)
    assert [one for one in simulated.requests if "Channel" in repr(one)] == []


def test_signing_imports_its_libraries_when_it_signs():
    code = (
        "import sys, headend_ivs.signing; "
        "print([one for one in ('jwt', 'cryptography', 'boto3') if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
