"""The settings of the provider ``cloudflare``, and its options for creating a live stream."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from attrs import field, frozen, validators

from headend.plugin import Secret, is_this_machine, setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attrs import Attribute

DEFAULT_API_URL: Final = "https://api.cloudflare.com/client/v4"
"""Where the API is: ``servers`` in its OpenAPI description."""

MIN_RETENTION: Final = 30
MAX_RETENTION: Final = 1096
"""Days; https://developers.cloudflare.com/stream/stream-live/start-stream-live/ (2026-11-22)."""

MAX_CREATOR: Final = 64
"""Characters: ``stream_creator`` in the OpenAPI description."""

_ACCOUNT_ID: Final = re.compile(r"[0-9a-f]{32}")
_SECRET: Final = re.compile(r"[!-~]+")
MIN_SECRET: Final = 8
"""Signs of a secret that proves events genuine; Cloudflare sets no minimum where one is chosen."""
_PRIVATE_KEY: Final = re.compile(
    rb"-----BEGIN ((?:RSA )?PRIVATE KEY)-----\s.+\s-----END \1-----", re.DOTALL
)
_KEY_ID: Final = re.compile(r"[0-9A-Za-z_-]{1,64}")
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_ORIGIN: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*(:[1-9][0-9]{{0,4}})?", re.IGNORECASE)
_MAX_HOST: Final = 253
"""Characters of a host name (RFC 1035)."""


def is_http_address(text: str) -> bool:
    """Tell whether a text is an http or https address: no user name, no query, no fragment."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in {"http", "https"}
        and bool(parts.hostname)
        and port != 0
        and not {"@", "?", "#"} & set(text)
        and text.isascii()
        and text.isprintable()
        and " " not in text
    )


def _account(_settings: object, _attribute: Attribute[str], value: str) -> None:
    if not _ACCOUNT_ID.fullmatch(value):
        raise ValueError("must be 32 digits and letters from a to f")


def _address(_settings: object, _attribute: Attribute[str], value: str) -> None:
    # The value is not shown: what was pasted into the wrong variable may be a secret.
    if not is_http_address(value):
        raise ValueError(
            "must be an http:// or https:// address without user name, query and fragment"
        )
    parts = urlsplit(value)
    if parts.scheme != "https" and not is_this_machine(parts.hostname or ""):
        raise ValueError(
            "must be an https:// address: by http:// the API token and stream keys would go "
            "unencrypted, which only localhost, 127.0.0.1 and ::1 are allowed"
        )


def _secret(_settings: object, _attribute: Attribute[Secret], value: Secret) -> None:
    if not _SECRET.fullmatch(value.reveal()):
        raise ValueError("must be ASCII letters, digits and signs without spaces")


def _event_secret(_settings: object, attribute: Attribute[Secret], value: Secret) -> None:
    _secret(_settings, attribute, value)
    if len(value.reveal()) < MIN_SECRET:
        raise ValueError(f"must have {MIN_SECRET} signs at least, so that nobody guesses it")


def _signing_key(_settings: object, _attribute: Attribute[Secret], value: Secret) -> None:
    # Whether it is a good key is for the library to say, which is loaded to sign only.
    try:
        pem = base64.b64decode(value.reveal(), validate=True)
    except ValueError:
        pem = b""
    if not _PRIVATE_KEY.fullmatch(pem.strip()):
        raise ValueError("is no signing key: must be base64 of a PEM file with a private key")


def _key_id(_settings: object, _attribute: Attribute[str], value: str) -> None:
    # Not shown either: it may be the key itself.
    if not _KEY_ID.fullmatch(value):
        raise ValueError("must be the id of a key, not the key: at most 64 letters and digits")


def _timeout(_settings: object, _attribute: Attribute[float], value: float) -> None:
    if not value > 0:
        raise ValueError(f"must be more than 0, not {value:g}")


@frozen(kw_only=True)
class CloudflareSettings:
    """Which account, how to prove who you are, and where everything is."""

    account_id: str = field(
        validator=_account,
        metadata=setting(
            "CLOUDFLARE_STREAM_ACCOUNT_ID",
            "The dashboard shows it on the Stream page, under API.",
        ),
    )
    api_token: Secret = field(
        validator=_secret,
        metadata=setting(
            "CLOUDFLARE_STREAM_API_TOKEN",
            "Make one in the dashboard under API Tokens with the permission Stream: Edit, and "
            "Account Analytics: Read for the watch time.",
        ),
    )
    api_url: str = field(
        default=DEFAULT_API_URL,
        validator=_address,
        metadata=setting(
            "CLOUDFLARE_STREAM_API_URL",
            f"All of the API's address before /accounts; default {DEFAULT_API_URL}; change it for "
            "a simulator.",
        ),
    )
    customer_url: str | None = field(
        default=None,
        validator=validators.optional(_address),
        metadata=setting(
            "CLOUDFLARE_STREAM_CUSTOMER_URL",
            "Your account's playback address, such as https://customer-CODE.cloudflarestream.com; "
            "needed only where the API does not tell it.",
        ),
    )
    notification_secret: Secret | None = field(
        default=None,
        validator=validators.optional(_event_secret),
        metadata=setting(
            "CLOUDFLARE_STREAM_NOTIFICATION_SECRET",
            "The secret of the webhook under Notifications (header cf-webhook-auth); needed to "
            "read events of live streams.",
        ),
    )
    webhook_secret: Secret | None = field(
        default=None,
        validator=validators.optional(_event_secret),
        metadata=setting(
            "CLOUDFLARE_STREAM_WEBHOOK_SECRET",
            "What the API gave when the Stream webhook was set (header Webhook-Signature); needed "
            "to read events of recordings.",
        ),
    )
    signing_key_id: str | None = field(
        default=None,
        validator=validators.optional(_key_id),
        metadata=setting(
            "CLOUDFLARE_STREAM_SIGNING_KEY_ID",
            "The id of a signing key, to sign playback tokens on this machine.",
        ),
    )
    signing_key: Secret | None = field(
        default=None,
        validator=validators.optional(_signing_key),
        metadata=setting(
            "CLOUDFLARE_STREAM_SIGNING_KEY",
            "The pem of that signing key just as the API gave it, in base64.",
        ),
    )
    timeout: float = field(
        default=30.0,
        validator=_timeout,
        metadata=setting(
            "CLOUDFLARE_STREAM_TIMEOUT", "Seconds that one request may take; default 30."
        ),
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Return what no field has alone: half a signing key."""
        if self.signing_key is not None and self.signing_key_id is None:
            yield "signing_key_id", "is missing, though CLOUDFLARE_STREAM_SIGNING_KEY is given"
        if self.signing_key_id is not None and self.signing_key is None:
            yield "signing_key", "is missing, though CLOUDFLARE_STREAM_SIGNING_KEY_ID is given"


def _retention(_options: object, _attribute: Attribute[int], value: int) -> None:
    if not MIN_RETENTION <= value <= MAX_RETENTION:
        raise ValueError(f"must be from {MIN_RETENTION} to {MAX_RETENTION} days, not {value}")


def _origins(_options: object, _attribute: object, value: tuple[str, ...]) -> None:
    if not value:
        raise ValueError(
            "is empty, and without any origin every page may show the live stream: name at least "
            "one, or leave the option out"
        )
    for origin in value:
        if len(origin) > _MAX_HOST or not _ORIGIN.fullmatch(origin):
            raise ValueError(
                "must be host names such as example.com, *.example.com or localhost:8080, without "
                f"scheme and path, not {origin!r}"
            )


def _seconds(_options: object, _attribute: Attribute[int], value: int) -> None:
    if value < 0:
        raise ValueError(f"must be seconds from 0, not {value}")


def _creator(_options: object, _attribute: Attribute[str], value: str) -> None:
    if not 0 < len(value) <= MAX_CREATOR or not value.isprintable():
        raise ValueError(f"must have from 1 to {MAX_CREATOR} printable characters")


@frozen(kw_only=True)
class CloudflareOptions:
    """What only Cloudflare can be asked for when a live stream is created.

    Attributes:
        delete_recording_after_days: days, from 30 to 1096, after which a recording is deleted;
            `None` keeps recordings, and they are billed, until somebody deletes them.
        require_signed_urls: whether viewers need a playback token.
        allowed_origins: host names of the pages that may show the live stream, with a port where
            it is not the usual one; ``*.`` means all names below one.  `None` allows every page;
            an empty list is refused, since it would restrict nothing.
        timeout_seconds: how long an encoder may be gone before its return begins a new recording;
            0 or `None` leaves it to Cloudflare.
        hide_live_viewer_count: whether nobody, headend included, is told the viewer count.
        default_creator: goes onto every recording as its creator.
    """

    delete_recording_after_days: int | None = field(
        default=None, validator=validators.optional(_retention)
    )
    require_signed_urls: bool = False
    allowed_origins: tuple[str, ...] | None = field(
        default=None, validator=validators.optional(_origins)
    )
    timeout_seconds: int | None = field(default=None, validator=validators.optional(_seconds))
    hide_live_viewer_count: bool = False
    default_creator: str | None = field(default=None, validator=validators.optional(_creator))
