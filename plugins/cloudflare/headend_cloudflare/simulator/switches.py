"""How the simulated platform behaves where the real one is at odds with itself, or unkind.

Each switch says what it does and which public page, description or report tells of it.  Where none
does, the switch says that it is headend's own invention.  The defaults are the most hostile
reading of the sources with which a provider that is right still works.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Final

from attrs import field, frozen, validators

from headend.plugin import Switches, switch

if TYPE_CHECKING:
    from attrs import Attribute

_DOCS: Final = "https://developers.cloudflare.com"
_STREAM: Final = f"{_DOCS}/stream"
_OPENAPI: Final = "the OpenAPI description in github.com/cloudflare/cloudflare-typescript"
_SDK: Final = "PyPI cloudflare 5.9.0"
_MEMO: Final = (
    "measured: github.com/onryde/seazn.club, "
    "docs/superpowers/specs/2026-09-05-stream-overlay-prompts/R0-memo.md"
)
_CORRECTIONS: Final = (
    "measured: github.com/onryde/seazn.club, "
    "docs/superpowers/specs/2026-09-05-stream-overlay-prompts/R0-CORRECTIONS-FOR-R1.md"
)
_ADAPTER: Final = "measured: github.com/onryde/seazn.club, the tests of its adapter"
_CATALOGUE: Final = (
    "npm @distilled.cloud/cloudflare 0.30.3, src/services/stream.ts and src/client/api.ts"
)
_INVENTED: Final = "headend's own invention; no public source tells"


class StatusShape(Enum):
    """What ``status`` of a live input is once an encoder was there."""

    OBJECT = "object"
    STRING = "string"


class IdleStatus(Enum):
    """What ``status`` is before an encoder was ever there."""

    NULL = "null"
    OBJECT = "object"
    ABSENT = "absent"


class PlaybackSegment(Enum):
    """What stands before ``/webRTC/play`` in the address of WebRTC playback."""

    INPUT = "input"
    SECRET = "secret"  # noqa: S105  # a word, no secret


class ListShape(Enum):
    """What a list of live inputs is."""

    OBJECT = "object"
    ARRAY = "array"


class RecordingUpdate(Enum):
    """What an update with a part of ``recording`` does to the rest of it."""

    REPLACE = "replace"
    MERGE = "merge"


class DeleteAnswer(Enum):
    """What the answer to a successful delete is."""

    OBJECT = "object"
    NOTHING = "nothing"
    ENVELOPE = "envelope"


class RateAnswer(Enum):
    """How a request beyond the rate is refused."""

    STATUS_429 = "429"
    STATUS_200 = "200"
    BOTH = "both"


class MinutesOf(Enum):
    """Whose id the minutes that viewers watched are counted under."""

    VIDEO = "video"
    INPUT = "input"


class QueryRefusal(Enum):
    """The HTTP status of a GraphQL query that is refused."""

    STATUS_200 = "200"
    DOCUMENTED = "documented"


class HiddenViews(Enum):
    """What the viewer count is where ``hideLiveViewerCount`` is set."""

    ZERO = "zero"
    REFUSED = "refused"


DROPPABLE: Final = (
    "deleteRecordingAfterDays",
    "preferLowLatency",
    "meta",
    "recording.mode",
    "recording.requireSignedURLs",
    "recording.allowedOrigins",
    "recording.timeoutSeconds",
    "recording.hideLiveViewerCount",
)
"""The settings of a live input that can be accepted and not kept."""


def _droppable(
    _switches: object, _attribute: Attribute[tuple[str, ...]], value: tuple[str, ...]
) -> None:
    unknown = sorted(set(value) - set(DROPPABLE))
    if unknown:
        raise ValueError(f"must be names of {', '.join(DROPPABLE)}, not {unknown[0]!r}")


_seconds = validators.ge(0.0)
_count = validators.ge(0)


@frozen(kw_only=True)
class CloudflareSwitches(Switches):
    """How the platform behaves."""

    # -- the shapes of answers --------------------------------------------------------------------

    status_shape: StatusShape = field(
        default=StatusShape.OBJECT,
        metadata=switch(
            "status after an encoder's first visit: object (current.state) or string.",
            f"object: {_CORRECTIONS} (C5); string: {_OPENAPI}",
        ),
    )
    idle_status: IdleStatus = field(
        default=IdleStatus.NULL,
        metadata=switch(
            "status before any encoder came: null, object (without current) or absent.",
            f"null: {_STREAM}/stream-live/start-stream-live/; others: {_INVENTED}",
        ),
    )
    unknown_state: bool = field(
        default=False,
        metadata=switch(
            "The state of every input that had an encoder is a word of no documentation.",
            f"{_INVENTED}, but 'disconnected' is real and in no description",
        ),
    )
    extra_fields: bool = field(
        default=False,
        metadata=switch("Every object has a field of no documentation.", _INVENTED),
    )
    playback_field: bool = field(
        default=False,
        metadata=switch(
            "A live input has playback.hls and playback.dash.",
            f"{_SDK} declares it, {_OPENAPI} and the examples of {_STREAM}/ do not have it",
        ),
    )
    omit_low_latency: bool = field(
        default=True,
        metadata=switch(
            "preferLowLatency is absent until it was set.",
            f"{_MEMO} (section 3a); {_STREAM}/stream-live/start-stream-live/ shows it as false",
        ),
    )
    customer_host_unknown: bool = field(
        default=False,
        metadata=switch(
            "No answer has an address of the customer host: no webRTC, no playback.",
            f"{_INVENTED}; webRTC is optional in {_OPENAPI}",
        ),
    )
    webrtc_playback_id: PlaybackSegment = field(
        default=PlaybackSegment.SECRET,
        metadata=switch(
            "webRTCPlayback.url holds the input's id (input) or a secret that ends in it (secret).",
            f"input: {_STREAM}/webrtc-beta/; secret: the example in {_OPENAPI}",
        ),
    )
    delete_answer: DeleteAnswer = field(
        default=DeleteAnswer.OBJECT,
        metadata=switch(
            "The body of a successful delete: object ({}), nothing, or envelope.",
            f"object: {_OPENAPI}; others: {_INVENTED}",
        ),
    )

    # -- lists ------------------------------------------------------------------------------------

    list_shape: ListShape = field(
        default=ListShape.OBJECT,
        metadata=switch(
            "A list of live inputs is an object with liveInputs, range and total, or an array.",
            f"object: {_OPENAPI}; array: {_CATALOGUE}",
        ),
    )
    list_lag: float = field(
        default=0.0,
        validator=_seconds,
        metadata=switch("Seconds until a list shows what was created.", _INVENTED),
    )
    list_cap: int = field(
        default=1000,
        validator=validators.ge(1),
        metadata=switch(
            "The most live inputs that a list gives; its total counts all.",
            f"{_OPENAPI} has range, total and no cursor; the number is its example of range",
        ),
    )
    video_list_cap: int = field(
        default=1000,
        validator=validators.ge(1),
        metadata=switch(
            "The most videos that a list gives, whatever its limit says.",
            f"{_OPENAPI}: limit is 1000 by default and at most",
        ),
    )

    # -- settings of live inputs ------------------------------------------------------------------

    dropped_settings: tuple[str, ...] = field(
        default=(),
        validator=_droppable,
        metadata=switch(
            f"Settings accepted and not kept, separated by commas: {', '.join(DROPPABLE)}.",
            f"timeoutSeconds, and deleteRecordingAfterDays inside recording: {_ADAPTER}; others: "
            f"{_INVENTED}",
        ),
    )
    recording_update: RecordingUpdate = field(
        default=RecordingUpdate.REPLACE,
        metadata=switch(
            "An update with a part of recording resets the rest (replace) or keeps it (merge).",
            _INVENTED,
        ),
    )
    idempotency_keys: bool = field(
        default=False,
        metadata=switch(
            "A create with a known Idempotency-Key gives the first answer again.",
            f"{_SDK} sends the header; {_INVENTED} what it does",
        ),
    )
    input_limit: int = field(
        default=0,
        validator=_count,
        metadata=switch("The most live inputs of an account; 0: any number.", _INVENTED),
    )
    output_limit: int = field(
        default=50,
        validator=_count,
        metadata=switch(
            "The most outputs of a live input.",
            f"{_STREAM}/stream-live/simulcasting/; how a further one is refused: {_INVENTED}",
        ),
    )

    # -- broadcasts -------------------------------------------------------------------------------

    connect_time: float = field(
        default=2.0,
        validator=_seconds,
        metadata=switch(
            "Seconds from an encoder's arrival until the state is connected; until then it is "
            "new_configuration_accepted.",
            f"the word: {_OPENAPI}; the time: {_INVENTED}",
        ),
    )
    playlist_time: float = field(
        default=4.0,
        validator=_seconds,
        metadata=switch(
            "Seconds from connected until there is something to watch.",
            f"connected is no proof of a picture: {_CORRECTIONS} (C6); the time: {_INVENTED}",
        ),
    )
    stop_time: float = field(
        default=2.0,
        validator=_seconds,
        metadata=switch(
            "Seconds until the state tells that an encoder was thrown out.",
            f"that it is: {_STREAM}/stream-live/start-stream-live/; the time: {_INVENTED}",
        ),
    )
    srt_loss_time: float = field(
        default=30.0,
        validator=_seconds,
        metadata=switch(
            "Seconds until the loss of an SRT encoder is noticed.", f"{_MEMO} (section 4a)"
        ),
    )
    announce_reconnecting: bool = field(
        default=False,
        metadata=switch(
            "A lost encoder that may come back shows as reconnecting, not as disconnected.",
            f"reconnecting: {_OPENAPI}; disconnected: {_CORRECTIONS} (C5)",
        ),
    )
    hold_time: float = field(
        default=60.0,
        validator=_seconds,
        metadata=switch(
            "Seconds that a lost encoder may be gone where timeoutSeconds is 0.",
            f"{_OPENAPI}: 0 is the platform's default; the time: {_INVENTED}",
        ),
    )
    processing_time: float = field(
        default=60.0,
        validator=_seconds,
        metadata=switch(
            "Seconds from a broadcast's end until its recording is ready and can be deleted.",
            f"{_STREAM}/stream-live/watch-live-stream/ (within 60 s); {_MEMO} (F8: minutes)",
        ),
    )

    # -- storage and recordings -------------------------------------------------------------------

    storage_limit: int = field(
        default=1000,
        validator=_count,
        metadata=switch(
            "Minutes of recordings that the account has paid for.", f"{_STREAM}/pricing/"
        ),
    )
    refuse_when_full: bool = field(
        default=False,
        metadata=switch(
            "A live input cannot be created while the storage is full; else only its broadcasts "
            "fail, with ERR_STORAGE_QUOTA_EXHAUSTED.",
            f"the broadcasts: {_STREAM}/stream-live/webhooks/; the refusal: {_INVENTED}",
        ),
    )
    recordings_outlive: bool = field(
        default=True,
        metadata=switch(
            "Recordings stay when their live input is deleted.",
            f"{_SDK} (live_inputs.delete); otherwise: {_INVENTED}",
        ),
    )
    recordings_forget: bool = field(
        default=True,
        metadata=switch(
            "A recording no longer tells its live input once that is deleted.", _INVENTED
        ),
    )

    # -- figures ----------------------------------------------------------------------------------

    graphql_delay: float = field(
        default=300.0,
        validator=_seconds,
        metadata=switch(
            "Seconds until what was watched shows in the analytics.",
            f"{_INVENTED}; {_STREAM}/getting-analytics/fetching-bulk-analytics/ gives no delay",
        ),
    )
    minutes_of: MinutesOf = field(
        default=MinutesOf.VIDEO,
        metadata=switch(
            "The minutes watched of a broadcast are counted under its video's id, or the input's.",
            f"video: {_STREAM}/getting-analytics/fetching-bulk-analytics/; input: {_INVENTED}",
        ),
    )

    graphql_refusal: QueryRefusal = field(
        default=QueryRefusal.STATUS_200,
        metadata=switch(
            "A GraphQL query is refused with 200 and errors, or with the documented status (400, "
            "403) and errors.",
            f"both: {_DOCS}/analytics/graphql-api/errors/",
        ),
    )
    hidden_views: HiddenViews = field(
        default=HiddenViews.ZERO,
        metadata=switch(
            "Where hideLiveViewerCount is set, views tells zero, or is refused (403).",
            f"'Disables reporting': {_OPENAPI}; how: {_INVENTED}",
        ),
    )

    # -- access and rate --------------------------------------------------------------------------

    bad_token_status: int = field(
        default=401,
        validator=validators.in_((401, 403)),
        metadata=switch(
            "The HTTP status for a token that is none: 401 or 403.",
            f"code 10000 at any status: {_CATALOGUE}; which one: {_INVENTED}",
        ),
    )
    permission_code: int = field(
        default=10000,
        validator=validators.in_((10000, 9109, 10001)),
        metadata=switch(
            "The code, with status 403, for a token that lacks the permission.",
            f"10000: github.com/hieunc229/mailflare issue 1; 10001: {_OPENAPI} (stream/usage); "
            f"9109: {_CATALOGUE}",
        ),
    )
    tokens_for_inputs: bool = field(
        default=True,
        metadata=switch(
            "A playback token can be had for a live input's id, not for a video's alone.",
            f"{_INVENTED}; {_STREAM}/viewing-videos/securing-your-stream/ speaks of videos",
        ),
    )
    browser_only: bool = field(
        default=True,
        metadata=switch(
            "The customer host answers 403, error code: 1010, to what is no browser.",
            f"{_CORRECTIONS} (C13)",
        ),
    )
    rate_limit: int = field(
        default=1200,
        validator=_count,
        metadata=switch(
            "Requests that a token may send per rate_window; 0: any number.",
            f"{_DOCS}/fundamentals/api/reference/limits/",
        ),
    )
    rate_window: float = field(
        default=300.0,
        validator=validators.gt(0.0),
        metadata=switch(
            "Seconds that rate_limit is for.", f"{_DOCS}/fundamentals/api/reference/limits/"
        ),
    )
    rate_block: float = field(
        default=300.0,
        validator=_seconds,
        metadata=switch(
            "Seconds for which all is refused once the limit was passed.",
            f"{_DOCS}/fundamentals/api/reference/limits/",
        ),
    )
    rate_answer: RateAnswer = field(
        default=RateAnswer.BOTH,
        metadata=switch(
            "A refusal for the rate has status 429, or 200 with code 971; both: by turns.",
            f"429: {_DOCS}/fundamentals/api/reference/limits/; 971 inside 200: {_CATALOGUE}",
        ),
    )
    retry_after: bool = field(
        default=True,
        metadata=switch(
            "A 429 says how long to wait.", f"{_DOCS}/fundamentals/api/reference/limits/"
        ),
    )
    graphql_rate_limit: int = field(
        default=300,
        validator=_count,
        metadata=switch(
            "GraphQL queries that a token may send per rate_window, beside rate_limit; 0: any "
            "number.",
            f"{_DOCS}/analytics/graphql-api/limits/",
        ),
    )

    # -- passing faults ---------------------------------------------------------------------------

    internal_error_every: int = field(
        default=0,
        validator=_count,
        metadata=switch(
            "Every so many requests, one is not done and answered 403, 10001, internal error; "
            "0: none.",
            _CATALOGUE,
        ),
    )
    bad_gateway_every: int = field(
        default=0,
        validator=_count,
        metadata=switch(
            "Every so many requests, one is not done and answered 502 with HTML; 0: none.",
            _CATALOGUE,
        ),
    )
