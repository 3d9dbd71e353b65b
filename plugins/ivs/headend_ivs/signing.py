"""Playback tokens, which are signed on this machine, and the keys to sign them with.

A token is a JSON Web Token, signed with ES384, that a viewer's player sends as ``?token=`` of the
playback address.  AWS IVS checks it with the public half of the key, which was imported before.

Source: https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/private-channels-generate-tokens.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.plugin import ConfigurationError, Secret
from headend_ivs.wire import NAME

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_ALGORITHM: Final = "ES384"
_CHANNEL: Final = "aws:channel-arn"
_ORIGINS: Final = "aws:access-control-allow-origin"


@frozen
class PlaybackKey:
    """A new key of the curve P-384, both halves as PEM; AWS IVS gets the public one only."""

    private_pem: Secret
    public_pem: str


def make_key() -> PlaybackKey:
    """Make a key to sign playback tokens with."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        PublicFormat,
    )

    key = generate_private_key(SECP384R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return PlaybackKey(private_pem=Secret(private.decode()), public_pem=public.decode())


def sign(
    channel_arn: str,
    private_pem: Secret,
    *,
    expires_at: datetime,
    origins: str | None = None,
) -> Secret:
    r"""Give leave to begin to watch one channel for a while; who watches by then may go on.

    Args:
        channel_arn: the channel.
        private_pem: a private key of the curve P-384, as PEM; ``\n`` may stand for line ends.
        expires_at: aware; the token is good until then, rounded down to a whole second.
        origins: web origins whose pages may play, with commas between; `None`: all.  It binds
            browsers only.

    Raises:
        ConfigurationError: `private_pem` is no such key.
    """
    import jwt

    claims: dict[str, object] = {_CHANNEL: channel_arn, "exp": int(expires_at.timestamp())}
    if origins is not None:
        claims[_ORIGINS] = ",".join(one.strip() for one in origins.split(","))
    return Secret(jwt.encode(claims, _private_key(private_pem), algorithm=_ALGORITHM))


def _private_key(private_pem: Secret) -> EllipticCurvePrivateKey:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey

    key = _load(private_pem)
    if key is None:
        raise _no_key("it cannot be read, or it is encrypted")
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP384R1):
        raise _no_key("it is a key of another kind")
    return key


def _load(private_pem: Secret) -> object | None:
    """Return the private key, or `None`: what a parser raises may hold a part of it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    # A variable that was read from a file of variables often has no line ends of its own.
    text = private_pem.reveal().replace("\\n", "\n").strip()
    try:
        return load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _no_key(why: str) -> ConfigurationError:
    problem = (
        f"AWS_IVS_PLAYBACK_KEY is no key for playback tokens: {why}; set it to a private key of "
        "the curve P-384 as PEM, such as `headend ivs-playback-key create` makes"
    )
    return ConfigurationError.of(f"provider {NAME}", [problem])
