"""Playback tokens that are signed on this machine, without a request.

A token is a JSON Web Token, signed with RS256, that stands in a playback address where the id
would stand (developers.cloudflare.com/stream/viewing-videos/securing-your-stream, option 2).  The
key is made once, by ``POST /accounts/ACCOUNT_ID/stream/keys``; its answer is the only time that
the platform shows it.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Final

from headend.plugin import ConfigurationError, Secret

if TYPE_CHECKING:
    from datetime import datetime

    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

_ALGORITHM: Final = "RS256"
_SHORTEST: Final = 2048
"""Bits of a key that RS256 needs (RFC 7518, 3.3)."""


def sign(
    stream_id: str,
    key_id: str,
    pem_base64: Secret,
    *,
    expires_at: datetime,
    not_before: datetime | None = None,
) -> Secret:
    """Give leave to watch one live stream or recording for a while.

    The documentation speaks of the ids of videos; that the id of a live input is good as well is
    said nowhere, and only the simulator bears witness to it.

    Args:
        stream_id: the id of what may be watched.
        key_id: ``id`` in the answer that brought the key.
        pem_base64: ``pem`` in that answer, as it is there: PEM within base64.
        expires_at: aware; the token is good until then, rounded down to a whole second.
        not_before: aware; the token is good from then on, rounded down to a whole second.

    Raises:
        ConfigurationError: `pem_base64` is no RSA private key of 2048 bits or more.
    """
    import jwt

    claims: dict[str, object] = {
        "sub": stream_id,
        "kid": key_id,
        "exp": int(expires_at.timestamp()),
    }
    if not_before is not None:
        claims["nbf"] = int(not_before.timestamp())
    # Without `typ`, the header is the one that the platform documents.
    headers = {"kid": key_id, "typ": None}
    key = _private_key(pem_base64)
    return Secret(jwt.encode(claims, key, algorithm=_ALGORITHM, headers=headers))


def _private_key(pem_base64: Secret) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

    key = _load(pem_base64)
    if key is None:
        raise _no_key("it cannot be read")
    if not isinstance(key, RSAPrivateKey):
        raise _no_key("it is a key of another kind than RSA")
    if key.key_size < _SHORTEST:
        raise _no_key(f"it has less than {_SHORTEST} bits")
    return key


def _load(pem_base64: Secret) -> object | None:
    """Return the private key, or `None`: what a parser raises may hold a part of it."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(base64.b64decode(pem_base64.reveal(), validate=True), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        return None


def _no_key(why: str) -> ConfigurationError:
    problem = (
        f"CLOUDFLARE_STREAM_SIGNING_KEY is no signing key: {why}; set it to `pem` as "
        "POST /accounts/ACCOUNT_ID/stream/keys gives it, which is base64 of a PEM file"
    )
    return ConfigurationError.of("provider cloudflare", [problem])
