from __future__ import annotations

from enum import Enum

from attrs import field, frozen

from headend.plugin import Secret, setting


class Region(Enum):
    EUROPE = "eu"
    AMERICA = "us"


def _positive(_settings: object, _attribute: object, value: float) -> None:
    if value <= 0:
        raise ValueError(f"must be more than 0, not {value:g}")


@frozen(kw_only=True)
class AcmeSettings:
    account: str = field(metadata=setting("ACME_ACCOUNT", "The number on your bill."))
    api_token: Secret = field(metadata=setting("ACME_API_TOKEN", "Make one in your account."))
    timeout: float = field(
        default=30.0, validator=_positive, metadata=setting("ACME_TIMEOUT", "Seconds.")
    )


@frozen(kw_only=True)
class AcmeOptions:
    record: bool = False
    keep_days: int | None = None
    region: Region = Region.EUROPE


@frozen(kw_only=True)
class PlainSettings:
    pass
