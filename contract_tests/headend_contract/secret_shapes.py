"""What a secret looks like to those who only see traffic: its name, or its shape.

`headend_contract.scrub` replaces what is found here, and `headend_contract.scan` looks for it
afterwards, by a way of its own.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

SHORTEST: Final = 8
"""Characters from which a secret is sought within texts; a shorter one is in too many words."""

_SECRET_NAME: Final = re.compile(
    r"stream_?key|pass_?phrase|password|secret|token|credential|api_?key|access_?key|private_?key"
    r"|signing_?key|webhook_?auth|^(?:pem|jwk|jwt|signature|authorization|cookie|session_id)$"
    r"|^x_amz_signature$"
)
_PUBLIC_NAME: Final = re.compile(
    r"(?:next|previous|prev|page|continuation|pagination|starting)_token$"  # places in a list
    r"|(?:^|_)(?:ids?|arns?|names?|types?|count|limit|version|state|status|format|at|url|expires"
    r"|expiration|expiry|duration|ttl|enabled|required|created|modified)$"
)
_ACCOUNT_NAME: Final = re.compile(r"(?:^|_)(?:access_key_id|account(?:_(?:id|tag))?)$")
"""What a host shows nobody, although it opens nothing by itself."""

_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_WITHIN: Final = frozenset({"value", "key", "secret", "token"})
"""Members of an object with a secret's name which hold the secret."""

_WHIP: Final = re.compile(r"/(?:whip|webrtc/publish)(?:/|$)", re.IGNORECASE)
"""Where the address of a WHIP ingest is all that it takes to push.

Source: https://developers.cloudflare.com/stream/webrtc-beta/
"""

# Written in pieces, so that no scan of source finds them here.
SHAPES: Final = {
    "an AWS access key": re.compile(r"(?<![A-Z0-9])A" + r"(?:KI|SI)A[A-Z0-9]{16}(?![A-Z0-9])"),
    "an AWS identity": re.compile(
        r"(?<![A-Z0-9])A" + r"(?:ID|RO|GP|IP|NP|SC)A[A-Z0-9]{16}(?![A-Z0-9])"
    ),
    "an AWS secret key": re.compile(
        r"(?<![A-Za-z0-9/+=_.\-])(?=[A-Za-z/+]*\d)(?=[a-z0-9/+]*[A-Z])(?=[A-Z0-9/+]*[a-z])"
        r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=_.\-])"
    ),
    "a key with its kind": re.compile(
        r"(?<![A-Za-z0-9_])(?:sk|pk|rk|whsec)" + r"_[A-Za-z0-9_\-]{16,}(?![A-Za-z0-9])"
    ),
    "a JSON web token": re.compile(r"eyJ" + r"[A-Za-z0-9_\-]{6,}\.[A-Za-z0-9_\-]{6,}\.[\w\-]*"),
    "a private key": re.compile(
        r"-----BEGIN [A-Z ]*PRIVATE " + r"KEY-----[^-]*-----END [A-Z ]*PRIVATE " + r"KEY-----"
    ),
}
"""Secrets that are known by their shape, wherever they stand.

Sources: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html,
https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/what-is.html, RFC 7519, RFC 7468.
"""

_BEARER: Final = re.compile(r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9_.~+/\-]{8,}=*)")
_USER: Final = re.compile(r"[a-z][a-z0-9+.\-]*://([^/?#@\s\"']+:[^/?#@\s\"']+)@")
_ARN_ACCOUNT: Final = re.compile(r"\barn:[a-z\-]+:[a-z0-9\-]+:[a-z0-9\-]*:(\d{12}):")
"""The account in the name of a thing at AWS.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference-arns.html
"""

_ELEMENT: Final = re.compile(r"<([A-Za-z][\w.\-]*)>([^<>]+)</\1>")


def holds_secret(value: str, name: str, parent: str = "") -> bool:
    """Tell whether a value is a secret by the name that it bears.

    Args:
        value: the value; an account of a few letters is a word and hides nothing.
        name: the name of the member, parameter or variable.
        parent: that of the object that it is in, where that is a member as well.
    """
    name, parent = _in_words(name), _in_words(parent)
    if _ACCOUNT_NAME.search(name):
        return len(value) >= SHORTEST
    return _is_secret(name) or (name in _WITHIN and _is_secret(parent))


def _in_words(name: str) -> str:
    """Return a name in small letters with an underscore between words."""
    return _HUMP.sub("_", name).lower().replace("-", "_")


def _is_secret(name: str) -> bool:
    return bool(_SECRET_NAME.search(name)) and not _PUBLIC_NAME.search(name)


def is_secret_address(text: str) -> bool:
    """Tell whether an address is a secret as a whole."""
    if "://" not in text:
        return False
    try:
        return bool(_WHIP.search(urlsplit(text).path))
    except ValueError:
        return False


def shaped_secrets(text: str) -> Iterator[tuple[str, str]]:
    """Return what in a text is a secret by its shape, each with what it is."""
    for what, pattern in SHAPES.items():
        for found in pattern.finditer(text):
            yield what, found.group()
    for what, pattern in (
        ("a credential after Bearer or Basic", _BEARER),
        ("a user name with a password", _USER),
        ("an AWS account", _ARN_ACCOUNT),
    ):
        for found in pattern.finditer(text):
            yield what, found.group(1)
    for found in _ELEMENT.finditer(text):
        if holds_secret(found.group(2), found.group(1)):
            yield f"the element {found.group(1)}", found.group(2)
