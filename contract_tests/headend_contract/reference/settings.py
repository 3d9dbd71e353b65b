"""The settings of the provider ``reference``."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import field, frozen, validators

from headend.plugin import Secret, is_this_machine, setting

if TYPE_CHECKING:
    from attrs import Attribute


def _http_url(_settings: object, _attribute: Attribute[str], value: str) -> None:
    parts = urlsplit(value)
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError(f"must be an http:// or https:// address, not {value!r}")
    if parts.scheme != "https" and not is_this_machine(parts.hostname):
        raise ValueError("must begin with https://: else the token would go unencrypted")


def _token(_settings: object, _attribute: Attribute[Secret], value: Secret) -> None:
    text = value.reveal()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be ASCII letters, digits and signs without spaces")


@frozen(kw_only=True)
class ReferenceSettings:
    """Where the platform is, and how to prove who you are."""

    api_url: str = field(
        default="https://api.reference.example",
        validator=_http_url,
        metadata=setting("REFERENCE_API_URL", "The platform's address; change it for a simulator."),
    )
    account: str = field(
        default="main",
        validator=validators.matches_re(r"[a-z0-9-]{1,40}"),
        metadata=setting("REFERENCE_ACCOUNT", "The account to work in, as the dashboard names it."),
    )
    api_token: Secret = field(
        validator=_token,
        metadata=setting("REFERENCE_API_TOKEN", "Make one in the dashboard, with leave to write."),
    )
    webhook_secret: Secret | None = field(
        default=None,
        metadata=setting(
            "REFERENCE_WEBHOOK_SECRET", "The dashboard shows it; needed to read events only."
        ),
    )
    timeout: float = field(
        default=10.0,
        validator=validators.gt(0),
        metadata=setting("REFERENCE_TIMEOUT", "Seconds that one request may take."),
    )
