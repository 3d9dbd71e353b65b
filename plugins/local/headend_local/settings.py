"""The settings of the provider ``local``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from attrs import field, frozen

from headend.plugin import Secret, setting

if TYPE_CHECKING:
    from attrs import Attribute


def _http_url(_settings: object, _attribute: Attribute[str], value: str) -> None:
    parts = urlsplit(value)
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    # http to any host: the server speaks nothing else, and it refuses control from other machines,
    # so that an address in a private network is this machine's own, by the name viewers use.
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.port == 0:
        raise ValueError(f"must be an http:// or https:// address, not {value!r}")


def _token(_settings: object, _attribute: Attribute[Secret | None], value: Secret | None) -> None:
    if value is not None and not is_token(value.reveal()):
        raise ValueError("must be ASCII letters, digits and signs without spaces")


def is_token(text: str) -> bool:
    """Tell whether a text can be sent as a control token."""
    return text.isascii() and text.isprintable() and bool(text) and " " not in text


TOKEN_FILE: Final = "token"  # noqa: S105  # a file's name
"""The file in the data folder in which the server keeps its control token."""


@frozen(kw_only=True)
class LocalSettings:
    """Where the local server is and how to prove that you may control it."""

    url: str = field(
        default="http://127.0.0.1:8935",
        validator=_http_url,
        metadata=setting(
            "HEADEND_LOCAL_URL",
            "Where `headend server` listens for HTTP; default http://127.0.0.1:8935.",
        ),
    )
    token: Secret | None = field(
        default=None,
        validator=_token,
        metadata=setting(
            "HEADEND_LOCAL_TOKEN", "The control token, where the data folder is not at hand."
        ),
    )
