"""Playback tokens: JSON Web Tokens (RS256) that stand in the place of an id in an address.

https://developers.cloudflare.com/stream/viewing-videos/securing-your-stream/
"""

from __future__ import annotations

import base64
import ipaddress
import json
from typing import TYPE_CHECKING, Final

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from headend_cloudflare.simulator.refusals import invalid

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend_cloudflare.simulator.records import SigningKey

DEFAULT_LIFE: Final = 3600
MAX_LIFE: Final = 24 * 3600
"""Seconds that a token of the token endpoint is good for."""

MAX_RULES: Final = 5
_RULES: Final = frozenset({"any", "ip.src", "ip.geoip.country"})
_BITS: Final = 2048


def new_private_key() -> rsa.RSAPrivateKey:
    """Make an RSA key.

    The one thing of the simulated platform that no seed decides: a library makes it, and takes
    its numbers from the machine.
    """
    return rsa.generate_private_key(public_exponent=65537, key_size=_BITS)


def to_pem(key: rsa.RSAPrivateKey) -> str:
    """Return a key as the API gives it: PEM in base64."""
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    return base64.b64encode(pem).decode()


def to_jwk(key: SigningKey) -> str:
    """Return a key as the API gives it: a JSON Web Key in base64."""
    data: dict[str, object] = jwt.algorithms.RSAAlgorithm.to_jwk(key.private, as_dict=True)
    kept = {name: value for name, value in data.items() if name != "key_ops"}
    whole = {"use": "sig", "kid": key.id, "alg": "RS256", **kept}
    return base64.b64encode(json.dumps(whole).encode()).decode()


def from_pem(text: str) -> rsa.RSAPrivateKey:
    """Read a key as the API gives it.

    Raises:
        RefusedError: it is none.
    """
    try:
        key = load_pem_private_key(base64.b64decode(text, validate=True), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey):
        raise invalid("pem must be a private key in PEM, in base64")
    return key


def sign(
    uid: str, key_id: str, key: rsa.RSAPrivateKey, body: Mapping[str, object], now: int
) -> str:
    """Make a token as a request for one says.

    Args:
        uid: what it is for.
        key_id: names the key.
        key: signs it.
        body: ``exp``, ``nbf``, ``accessRules``, ``downloadable``, all optional.
        now: seconds since 1970.

    Raises:
        RefusedError: a value is wrong.
    """
    expires = _moment(body, "exp", now + DEFAULT_LIFE)
    if not now < expires <= now + MAX_LIFE:
        raise invalid("exp must be in the future, at most 24 hours from now")
    payload: dict[str, object] = {
        "sub": uid,
        "kid": key_id,
        "exp": expires,
        "nbf": _moment(body, "nbf", now - DEFAULT_LIFE),
    }
    rules = body.get("accessRules")
    if rules is not None:
        if not isinstance(rules, list) or len(rules) > MAX_RULES:
            raise invalid(f"accessRules must be an array of at most {MAX_RULES} rules")
        for rule in rules:
            if not isinstance(rule, dict) or rule.get("type") not in _RULES:
                raise invalid("a rule's type must be any, ip.src or ip.geoip.country")
        payload["accessRules"] = rules
    if body.get("downloadable") is True:
        payload["downloadable"] = True
    return jwt.encode(payload, key, algorithm="RS256", headers={"kid": key_id})


def _moment(body: Mapping[str, object], name: str, default: int) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int):
        raise invalid(f"{name} must be seconds since 1970")
    return value


def verify(token: str, keys: Mapping[str, rsa.RSAPrivateKey], now: int, address: str) -> str | None:
    """Return what a token lets somebody watch, or `None` if it is none, or not for them.

    Args:
        token: what stood in the place of an id.
        keys: those that count, by id.
        now: seconds since 1970.
        address: where the request comes from.
    """
    try:
        header = jwt.get_unverified_header(token)
        key = keys[str(header.get("kid"))]
        payload: dict[str, object] = jwt.decode(
            token,
            key.public_key(),
            algorithms=["RS256"],
            # The time is this platform's, not the machine's.
            options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except (jwt.PyJWTError, KeyError):
        return None
    uid, expires, begins = payload.get("sub"), payload.get("exp"), payload.get("nbf", 0)
    if payload.get("kid") != header["kid"] or not isinstance(uid, str):
        return None
    if not isinstance(expires, int) or not isinstance(begins, int) or not begins <= now < expires:
        return None
    return uid if _is_let_in(payload.get("accessRules"), address) else None


def _is_let_in(rules: object, address: str) -> bool:
    """Tell whether access rules let an address in: the first that matches decides.

    Countries match nobody, because a simulator's viewers have none.
    """
    if not isinstance(rules, list):
        return True
    for rule in rules:
        kind = rule.get("type") if isinstance(rule, dict) else None
        if kind == "any" or (kind == "ip.src" and _is_in(rule.get("ip"), address)):
            return bool(rule.get("action") == "allow")
    return True


def _is_in(networks: object, address: str) -> bool:
    try:
        here = ipaddress.ip_address(address)
        return isinstance(networks, list) and any(
            here in ipaddress.ip_network(one, strict=False) for one in networks
        )
    except ValueError:
        return False
