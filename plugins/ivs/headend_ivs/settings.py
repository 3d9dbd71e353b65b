"""The settings of the provider ``aws-ivs``, and its options for creating a live stream."""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from attrs import field, frozen, validators

from headend.plugin import Secret, setting
from headend_ivs.facts import REGIONS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attrs import Attribute

_ROLE: Final = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:role/[\w+=,.@/-]+", re.ASCII)
"""docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""
_RECORDING: Final = re.compile(
    r"arn:aws:ivs:[a-z0-9-]+:[0-9]+:recording-configuration/[a-zA-Z0-9-]+"
)
"""botocore's service model ``ivs``, ``ChannelRecordingConfigurationArn``."""
_ORIGIN: Final = re.compile(
    r"https?://(?:\*\.)?[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*(?::[0-9]{1,5})?", re.ASCII
)
MIN_SECRET: Final = 8
"""Signs of the secret that proves events genuine; AWS sets no minimum."""
_MAX_ORIGINS: Final = 1000
"""Signs; a whole token has 2 KB at most
(docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide/service-quotas.html)."""
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?:EC )?PRIVATE KEY-----.+-----END (?:EC )?PRIVATE KEY-----", re.DOTALL
)


def _region(_settings: object, _attribute: Attribute[str], value: str) -> None:
    if value not in REGIONS:
        raise ValueError(f"must be a region that has IVS ({', '.join(REGIONS)}), not {value!r}")


def _header_text(_settings: object, _attribute: Attribute[Secret], value: Secret) -> None:
    text = value.reveal()
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("must be ASCII letters, digits and signs without spaces")


def _event_secret(_settings: object, attribute: Attribute[Secret], value: Secret) -> None:
    _header_text(_settings, attribute, value)
    if len(value.reveal()) < MIN_SECRET:
        raise ValueError(f"must have {MIN_SECRET} signs at least, so that nobody guesses it")


def _role(_settings: object, _attribute: Attribute[str], value: str) -> None:
    if not _ROLE.fullmatch(value):
        raise ValueError(
            f"must be the ARN of a role, as arn:aws:iam::123456789012:role/live, not {value!r}"
        )


def _push_url(_settings: object, _attribute: Attribute[str], value: str) -> None:
    try:
        parts = urlsplit(value)
        whole = parts.scheme in {"rtmp", "rtmps"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ValueError("must be an rtmp:// or rtmps:// address") from None
    if "@" in parts.netloc:
        raise ValueError("must not hold a user name or password")
    if not whole:
        raise ValueError(f"must be an rtmp:// or rtmps:// address, not {value!r}")


def _private_key(_settings: object, _attribute: Attribute[Secret], value: Secret) -> None:
    if not _PRIVATE_KEY.fullmatch(value.reveal().strip()):
        raise ValueError(
            "must be a private key as PEM, from -----BEGIN PRIVATE KEY----- to its END line"
        )


def _origins(_settings: object, _attribute: Attribute[str], value: str) -> None:
    for part in value.split(","):
        if not _ORIGIN.fullmatch(part.strip()):
            raise ValueError(
                "must be websites as https://www.example.com or https://*.example.com, separated "
                f"by commas, and not {part.strip()!r}"
            )
    if len(value) > _MAX_ORIGINS:
        raise ValueError(f"must have at most {_MAX_ORIGINS} signs, and has {len(value)}")


def _recording(_options: object, _attribute: Attribute[str], value: str) -> None:
    if not _RECORDING.fullmatch(value):
        raise ValueError(
            "must be the ARN of a recording configuration, as "
            "arn:aws:ivs:us-west-2:123456789012:recording-configuration/AbCd1234EfGh"
        )


@frozen(kw_only=True)
class IvsSettings:
    """Where to work, and how to prove who you are.

    Keys beat a profile, and a profile beats what boto3 would find by itself.  Where the services
    answer is boto3's to know: ``AWS_ENDPOINT_URL_IVS``, ``AWS_ENDPOINT_URL_CLOUDWATCH`` and
    ``AWS_ENDPOINT_URL_STS`` point it at a simulator.
    """

    region: str = field(
        default="us-west-2",
        validator=_region,
        metadata=setting(
            "AWS_IVS_REGION",
            "The region to work in; default us-west-2; a live stream can be managed from its own "
            "region only.",
        ),
    )
    access_key_id: Secret | None = field(
        default=None,
        validator=validators.optional(_header_text),
        metadata=setting(
            "AWS_IVS_ACCESS_KEY_ID",
            "Half of an access key of IAM; without keys boto3's default chain is used.",
        ),
    )
    secret_access_key: Secret | None = field(
        default=None,
        validator=validators.optional(_header_text),
        metadata=setting("AWS_IVS_SECRET_ACCESS_KEY", "The other half of the access key."),
    )
    session_token: Secret | None = field(
        default=None,
        validator=validators.optional(_header_text),
        metadata=setting(
            "AWS_IVS_SESSION_TOKEN", "Belongs to a temporary access key, one that begins with ASIA."
        ),
    )
    profile: str | None = field(
        default=None,
        metadata=setting(
            "AWS_IVS_PROFILE",
            "A profile of boto3's files; its credentials are used where no access key is set.",
        ),
    )
    role_arn: str | None = field(
        default=None,
        validator=validators.optional(_role),
        metadata=setting(
            "AWS_IVS_ROLE_ARN",
            "A role to work as; the credentials found are used to assume it (sts:AssumeRole).",
        ),
    )
    ingest_url: str | None = field(
        default=None,
        validator=validators.optional(_push_url),
        metadata=setting(
            "AWS_IVS_INGEST_URL",
            "For simulators only: where encoders push to instead of the channel's own endpoint.",
        ),
    )
    timeout: float = field(
        default=10.0,
        validator=validators.gt(0),
        metadata=setting(
            "AWS_IVS_TIMEOUT",
            "Seconds that one request may take, a third of them to connect; default 10.",
        ),
    )
    playback_key: Secret | None = field(
        default=None,
        validator=validators.optional(_private_key),
        metadata=setting(
            "AWS_IVS_PLAYBACK_KEY",
            "The private half of a playback key pair (P-384, PEM); needed for tokens of private "
            "live streams only. `headend ivs-playback-key create` makes one.",
        ),
    )
    playback_origins: str | None = field(
        default=None,
        validator=validators.optional(_origins),
        metadata=setting(
            "AWS_IVS_PLAYBACK_ORIGINS",
            "Websites whose pages may play with playback tokens, as https://www.example.com or "
            "https://*.example.com, separated by commas; without it all may.",
        ),
    )
    event_secret: Secret | None = field(
        default=None,
        validator=validators.optional(_event_secret),
        metadata=setting(
            "AWS_IVS_EVENT_SECRET",
            "Proves that an event comes from your own EventBridge rule: the value of the API key "
            "X-Headend-Event-Secret in the connection of its API destination.",
        ),
    )
    events_from_queue: bool = field(
        default=False,
        metadata=setting(
            "AWS_IVS_EVENTS_FROM_QUEUE",
            "Whether events that are given without any headers are taken as they are, because "
            "they come from your own queue or function (SQS, Lambda), which IAM guards.",
        ),
    )

    def problems(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with settings that belong together."""
        if self.access_key_id is None and self.secret_access_key is not None:
            yield (
                "access_key_id",
                "is missing, and AWS_IVS_SECRET_ACCESS_KEY is set: set both or neither",
            )
        if self.access_key_id is not None and self.secret_access_key is None:
            yield (
                "secret_access_key",
                "is missing, and AWS_IVS_ACCESS_KEY_ID is set: set both or neither",
            )
        if self.session_token is not None and self.access_key_id is None:
            keys = "AWS_IVS_ACCESS_KEY_ID and AWS_IVS_SECRET_ACCESS_KEY"
            yield "session_token", f"is set without the keys that it belongs to: {keys}"


class _Word(Enum):
    """A word of IVS."""

    # A StrEnum is a text to whoever reads settings and options, so that any text would pass.
    def __str__(self) -> str:
        return str(self.value)


class ChannelType(_Word):
    """What IVS makes of a push, and so what an hour of it costs.

    Source: https://docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference/channel-types.html
    """

    BASIC = "BASIC"
    """Viewers get what the encoder pushes."""
    STANDARD = "STANDARD"
    """Several renditions, up to 1080p."""
    ADVANCED_SD = "ADVANCED_SD"
    """Several renditions, up to SD quality."""
    ADVANCED_HD = "ADVANCED_HD"
    """Several renditions, up to 720p."""


class Preset(_Word):
    """How good and how large the renditions of an advanced channel type are."""

    HIGHER_BANDWIDTH_DELIVERY = "HIGHER_BANDWIDTH_DELIVERY"
    CONSTRAINED_BANDWIDTH_DELIVERY = "CONSTRAINED_BANDWIDTH_DELIVERY"


_ADVANCED: Final = frozenset({ChannelType.ADVANCED_SD, ChannelType.ADVANCED_HD})


@frozen(kw_only=True)
class IvsOptions:
    """What AWS IVS alone has when a live stream is created.

    Attributes:
        type: what IVS makes of a push.
        insecure_ingest: take RTMP and unencrypted SRT as well.
        recording_configuration_arn: records each session into the bucket of this configuration,
            which is in the same region; the host owns the recordings.
        authorized: viewers need a playback token.
        preset: for the types ``ADVANCED_SD`` and ``ADVANCED_HD`` only; `None`: IVS decides.
    """

    type: ChannelType = ChannelType.STANDARD
    insecure_ingest: bool = False
    recording_configuration_arn: str | None = field(
        default=None, validator=validators.optional(_recording)
    )
    authorized: bool = False
    preset: Preset | None = None

    def problems(self) -> Iterator[tuple[str, str]]:
        """Return what is wrong with options that belong together."""
        if self.preset is not None and self.type not in _ADVANCED:
            yield "preset", f"is for the types ADVANCED_SD and ADVANCED_HD, not for {self.type}"
