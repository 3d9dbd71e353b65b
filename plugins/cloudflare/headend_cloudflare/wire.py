"""What Cloudflare's JSON means: pure, lenient about what it does not use, strict about the rest.

An answer is read from its ``result``, without the envelope.  Whatever is not what the platform
promises is a `BrokenAnswerError`; a value is never guessed from one of another type.

Shapes are those of the OpenAPI description in the repository cloudflare/cloudflare-typescript
(``scripts/mock``, 2026-08-18) and of the pages below https://developers.cloudflare.com/stream/.
Where the two are at odds, all shapes are read.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, urlsplit

from attrs import evolve, frozen

from headend.plugin import (
    BrokenAnswerError,
    ConfigurationError,
    Fields,
    Ingest,
    IngestProtocol,
    InvalidRequestError,
    LiveStream,
    Recording,
    Secret,
    SimulcastTarget,
    StreamCredentials,
    StreamState,
    elements,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from headend.plugin import CreateRequest
    from headend_cloudflare.settings import CloudflareOptions

NAME: Final = "cloudflare"

STATES: Final[Mapping[str, StreamState]] = {
    "connected": StreamState.LIVE,
    "reconnected": StreamState.LIVE,
    "reconnecting": StreamState.INTERRUPTED,
    "new_configuration_accepted": StreamState.CONNECTING,
    "disconnected": StreamState.IDLE,
    "client_disconnect": StreamState.IDLE,
    "ttl_exceeded": StreamState.IDLE,
    "failed_to_connect": StreamState.ERROR,
    "failed_to_reconnect": StreamState.ERROR,
}
"""What the platform's words for a connection mean.

They are those of the OpenAPI description and ``disconnected``, which it lacks and the platform
uses (measured: repository onryde/seazn.club, docs/superpowers/specs, September 2026).
"""

_WITH_ENCODER: Final = frozenset(
    {"connected", "reconnected", "reconnecting", "new_configuration_accepted"}
)

MAX_META: Final = 8192
"""Bytes that the channel id, the name and the metadata may take together, as JSON.

The bound is headend's own: Cloudflare documents none for ``meta``, neither in its OpenAPI
description nor on the pages about live inputs (read 2026-11-22).
"""

_NAME: Final = "name"
_CHANNEL_ID: Final = "channel_id"
_MARKER: Final = "headend_marker"
_METADATA: Final = "metadata."
"""In ``meta``, the host's own texts have this before their names: none can hide the others."""

_GRAVE: Final = frozenset(
    {
        "recording.mode",
        "recording.requireSignedURLs",
        "recording.allowedOrigins",
        f"meta.{_MARKER}",
        f"meta.{_CHANNEL_ID}",
    }
)
"""Without these nobody can watch, everybody can, or the live stream cannot be found again."""

_NOT_ECHOED: Final = frozenset({"defaultCreator"})
"""What the description of a live input's answer does not have."""

_LEFT_OUT: Final[Mapping[str, object]] = {
    "preferLowLatency": False,
    "recording.requireSignedURLs": False,
    "recording.hideLiveViewerCount": False,
    "recording.timeoutSeconds": 0,
}
"""What an answer means that leaves a setting out or gives null: the documented default."""

KEY_LIKE: Final = re.compile(r"[0-9a-f]{32}k[0-9a-f]{32}")
"""How stream keys, passphrases and the secrets in WHIP addresses look in all public samples."""

_ID: Final = re.compile(r"[0-9a-f]{24,32}")
_JWT: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_WEBRTC: Final = re.compile(
    r"(?P<base>https?://[^?#]+)/[^/?#]+/webRTC/(?:play|publish)", re.IGNORECASE
)
_MANIFEST: Final = re.compile(r"(?P<base>https?://[^?#]+)/[^/?#]+/manifest/[^/?#]+(?:\?.*)?")
_HLS: Final = re.compile(r"[^?#]+\.m3u8(?:\?[^#]*)?")
_OUTPUT: Final = re.compile(r"(?:rtmps?|srt)://[!-~]+", re.IGNORECASE)
"""The pricing page names simulcasting by SRT and RTMP."""
_SECRET: Final = re.compile(r"[!-~]+")
_LOW_LATENCY: Final = "protocol=llhls"

_UNKNOWN_DURATION: Final = -1
_MAX_WORDS: Final = 200


@frozen
class Dropped:
    """A setting that the platform accepted and did not keep.

    As text it is a sentence.

    Attributes:
        name: as the platform has it, with dots: ``recording.timeoutSeconds``.
        sent: what it was to be.
        kept: what it is, `None` where the answer does not have it.
        grave: whether the live stream must not be used as it is.
    """

    name: str
    sent: object
    kept: object
    grave: bool

    def __str__(self) -> str:
        name = _shown(self.name)
        return f"{name} was sent as {_json(self.sent)} and kept as {_json(self.kept)}"


@frozen(kw_only=True)
class Storage:
    """How full the account's store of recordings is, in minutes of video.

    Attributes:
        used: stored; what is being recorded now is not in it yet.
        limit: paid for.
    """

    used: float
    limit: float


def is_id(text: str) -> bool:
    """Tell whether the platform could have given out such an id: 24 to 32 hexadecimal digits.

    The description gives 32 as the greatest length and no least one; the page "Watch a live
    stream" shows an id of 31.  A stream key, a passphrase or an address never looks like that.
    """
    return _ID.fullmatch(text) is not None


# -- live inputs ----------------------------------------------------------------------------------


def new_input(request: CreateRequest, options: CloudflareOptions) -> dict[str, object]:
    """Say what to create, in the platform's words.

    ``recording.mode`` is always ``automatic``: it is off by default, and then there is nothing to
    watch.  ``deleteRecordingAfterDays`` stands outside of ``recording``, inside it is ignored.

    Raises:
        InvalidRequestError: name, metadata and channel id cannot be sent; nothing was.
    """
    meta = {_MARKER: request.marker, _CHANNEL_ID: request.channel_id}
    if request.name is not None:
        meta[_NAME] = request.name
    meta |= {f"{_METADATA}{key}": text for key, text in request.metadata.items()}
    _check_size(meta)
    recording: dict[str, object] = {
        "mode": "automatic",
        "requireSignedURLs": options.require_signed_urls,
        "hideLiveViewerCount": options.hide_live_viewer_count,
    }
    if options.allowed_origins is not None:
        recording["allowedOrigins"] = list(options.allowed_origins)
    if options.timeout_seconds is not None:
        recording["timeoutSeconds"] = options.timeout_seconds
    body: dict[str, object] = {
        "meta": meta,
        "preferLowLatency": request.low_latency,
        "recording": recording,
    }
    if options.delete_recording_after_days is not None:
        body["deleteRecordingAfterDays"] = options.delete_recording_after_days
    if options.default_creator is not None:
        body["defaultCreator"] = options.default_creator
    return body


def stream_id(fields: Fields) -> str:
    """Read the id of an input."""
    return _identifier(fields, "uid")


def live_streams(result: object) -> tuple[list[LiveStream], int | None]:
    """Read a list of inputs: an object as documented, or a bare array.

    Returns:
        The live streams, and how many the account has, or `None` where that is not told.
    """
    if isinstance(result, list):
        return elements(result, listed_live_stream), None
    fields = Fields(result)
    total = fields.optional("total", Fields.count)
    if total == 0 and not fields.has("liveInputs"):
        return [], 0
    return fields.each("liveInputs", listed_live_stream), total


def listed_live_stream(fields: Fields) -> LiveStream:
    """Read an input as a list has it: what is not there stays `None`.

    A list tells neither connection nor addresses nor low latency.
    """
    known = LiveStream(
        stream_id=stream_id(fields),
        provider=NAME,
        created_at=fields.optional("created", Fields.time),
        state=None if _is_enabled(fields) else StreamState.DISABLED,
    )
    meta = fields.raw("meta")
    if not isinstance(meta, dict):
        return known
    if isinstance(meta.get(_MARKER), str):
        return _with_own_meta(known, fields.object("meta"), meta)
    return evolve(known, name=_foreign_name(fields.object("meta")))


def live_stream(fields: Fields, customer_url: str | None = None) -> LiveStream:
    """Read a whole input, as get, update, enable and disable answer it.

    Its ``playback_url`` is `None` where neither the answer nor `customer_url` tells it.
    """
    state, reason = _state(fields)
    mode = _within(fields, "recording", "mode")
    return evolve(
        listed_live_stream(fields),
        state=state,
        state_reason=reason,
        playback_url=playback_url(fields, customer_url),
        low_latency=_is_low_latency(fields),
        warnings=(
            ("recording.mode is off, so that there is nothing to watch; set it to automatic",)
            if mode == "off"
            else ()
        ),
    )


def has_encoder(fields: Fields) -> bool:
    """Tell whether an encoder is connected, or may come back to its session at any moment.

    Unlike the state, this tells it of a disabled input as well.
    """
    word, _reason = _connection(fields)
    return word in _WITH_ENCODER


def ingest_protocol(fields: Fields) -> str | None:
    """Read how an encoder pushes or last pushed: ``rtmp``, ``srt`` or ``webrtc``, if it is told."""
    current = _current(fields)
    return None if current is None else current.optional("ingestProtocol", Fields.text)


def hides_viewer_count(fields: Fields) -> bool:
    """Tell whether an input keeps its viewer count to itself."""
    recording = fields.optional("recording", Fields.object)
    hidden = None if recording is None else recording.optional("hideLiveViewerCount", Fields.flag)
    return hidden or False


def retention(fields: Fields) -> float | None:
    """Read after how many days recordings of an input are deleted, `None`: never."""
    return fields.optional("deleteRecordingAfterDays", Fields.number)


def credentials(
    fields: Fields, customer_url: str | None, warnings: Sequence[str] = ()
) -> StreamCredentials:
    """Read a whole input with its keys: RTMPS first, then SRT and WHIP where there are any.

    Raises:
        ConfigurationError: neither the answer nor `customer_url` tells where viewers watch.
    """
    rtmps = fields.object("rtmps")
    push_url = _server_url(rtmps, "rtmps", "rtmp")
    key = rtmps.secret("streamKey")
    more = (fields.optional("srt", _srt_ingest), fields.optional("webRTC", _whip_ingest))
    identifier = stream_id(fields)
    watched_at = playback_url(fields, customer_url)
    if watched_at is None:
        raise no_customer_url()
    return StreamCredentials(
        stream_id=identifier,
        stream_key=key,
        rtmp_push_url=push_url,
        playback_url=watched_at,
        ingests=(Ingest.rtmp(push_url, key), *(one for one in more if one is not None)),
        warnings=tuple(warnings),
    )


def dropped_settings(sent: Mapping[str, object], fields: Fields) -> list[Dropped]:
    """Compare what was sent (`new_input`) with what the platform says that it kept.

    The platform answers 200 to settings that it ignores (measured: repository onryde/seazn.club,
    September 2026).  ``defaultCreator`` is not in its answers, so that it is compared only
    where it is.
    """
    dropped = []
    for name, wanted, kept in _settings(sent, fields):
        if name in _NOT_ECHOED and kept is None:
            continue
        actual = _LEFT_OUT.get(name) if kept is None else kept
        if not _is_same(wanted, actual):
            dropped.append(Dropped(name, wanted, kept, name in _GRAVE))
    return dropped


# -- addresses of the customer host ---------------------------------------------------------------


def customer_base(fields: Fields, customer_url: str | None = None) -> str | None:
    """Read what is before the id in the addresses of the customer host, without ``/`` at its end.

    It is taken from the input's WebRTC addresses, whatever scheme, host, port and path they have,
    else from its HLS address, else it is the setting `customer_url`, else `None`.
    """
    own_id = stream_id(fields)
    webrtc = (
        media.optional("url", _http_address)
        for name in ("webRTCPlayback", "webRTC")
        if (media := fields.optional(name, Fields.object)) is not None
    )
    candidates = [(_WEBRTC, url) for url in webrtc] + [(_MANIFEST, _given_hls_url(fields))]
    for pattern, url in candidates:
        found = None if url is None else pattern.fullmatch(url)
        base = None if found is None else found["base"].rstrip("/")
        # In an address of a form not known yet, the id or a key may be further to the left.
        if base is not None and own_id not in base and not KEY_LIKE.search(base):
            return base
    return None if customer_url is None else customer_url.rstrip("/")


def no_customer_url() -> ConfigurationError:
    """Return the error where neither an answer nor a setting tells where viewers watch."""
    return ConfigurationError.of(
        f"provider {NAME}",
        [
            (
                "CLOUDFLARE_STREAM_CUSTOMER_URL is missing, and Cloudflare's answer does not tell "
                "where viewers watch. Set it to your account's playback address, such as "
                "https://customer-CODE.cloudflarestream.com, as the dashboard shows it"
            )
        ],
    )


def playback_url(fields: Fields, customer_url: str | None = None) -> str | None:
    """Read where viewers watch, or `None` where neither the input nor the setting tells it.

    With low latency the address asks for LL-HLS, as it has to
    (https://developers.cloudflare.com/stream/viewing-videos/using-own-player/).
    """
    given = _given_hls_url(fields)
    if given is not None:
        return _with_low_latency(given) if _is_low_latency(fields) else given
    base = customer_base(fields, customer_url)
    if base is None:
        return None
    return hls_url(base, stream_id(fields), low_latency=_is_low_latency(fields))


def hls_url(base: str, identifier: str, *, low_latency: bool = False) -> str:
    """Return the HLS address of a live stream or a recording on the customer host `base`."""
    url = f"{base}/{identifier}/manifest/video.m3u8"
    return _with_low_latency(url) if low_latency else url


def views_url(base: str, identifier: str) -> str:
    """Return where the viewer count is told (see `viewers`)."""
    return f"{base}/{identifier}/views"


def lifecycle_url(base: str, identifier: str) -> str:
    """Return where it is told whether there is something to watch."""
    return f"{base}/{identifier}/lifecycle"


def with_token(url: str, identifier: str, token: Secret) -> Secret:
    """Return an address of the customer host with a playback token in the place of the id.

    Raises:
        BrokenAnswerError: the id is not in the address.
    """
    before, found, after = url.partition(f"/{identifier}/")
    if not found:
        raise BrokenAnswerError("the playback address does not hold the live stream's id")
    return Secret(f"{before}/{token.reveal()}/{after}")


def viewers(fields: Fields) -> int:
    """Read the customer host's answer to `views_url`: how many watch now."""
    return fields.count("liveViewers")


# -- recordings, outputs, tokens, storage ---------------------------------------------------------


def recording(fields: Fields) -> Recording:
    """Read a video.  Its duration is `None` while it is being made: the platform says -1."""
    return Recording(
        recording_id=_identifier(fields, "uid"),
        stream_id=fields.optional("liveInput", _identifier),
        duration=fields.optional("duration", _duration),
        created_at=fields.optional("created", Fields.time),
        playback_url=_given_hls_url(fields),
    )


def recordings(result: object) -> list[Recording]:
    """Read a list of videos.

    Whoever asked for those of one live stream checks their ``stream_id``: one that is of another
    live stream, or of none, must not be deleted with it.
    """
    return elements(result, recording)


def new_output(server_url: str, stream_key: Secret) -> dict[str, object]:
    """Say where to send a copy.  The key is in the clear in what this returns.

    Raises:
        InvalidRequestError: it is no address, or the key cannot be sent; nothing was.
    """
    operation = "create_simulcast_target"
    if not _OUTPUT.fullmatch(server_url) or _without_secrets(server_url) is None:
        raise _cannot_send(
            "the server address must be an rtmp://, rtmps:// or srt:// one", operation
        )
    if not _SECRET.fullmatch(stream_key.reveal()):
        raise _cannot_send("the stream key must be printable ASCII without spaces", operation)
    return {"url": server_url, "streamKey": stream_key.reveal(), "enabled": True}


def simulcast_target(fields: Fields, of: str) -> SimulcastTarget:
    """Read an output of the live stream `of`.

    Its key is not kept.  Neither is what may be a secret in its address: a user name with
    password, and what follows a ``?``.
    """
    enabled = fields.optional("enabled", Fields.flag)
    return SimulcastTarget(
        target_id=_identifier(fields, "uid"),
        stream_id=of,
        server_url=_public_address(fields, "url"),
        enabled=True if enabled is None else enabled,
    )


def simulcast_targets(result: object, of: str) -> list[SimulcastTarget]:
    """Read the list of outputs of the live stream `of`."""
    return elements(result, lambda fields: simulcast_target(fields, of))


def token(fields: Fields) -> Secret:
    """Read a playback token, a JWT."""
    return Secret(fields.matching("token", _JWT, "a token"))


def storage(fields: Fields) -> Storage:
    """Read how full the store is."""
    return Storage(
        used=_minutes(fields, "totalStorageMinutes"),
        limit=_minutes(fields, "totalStorageMinutesLimit"),
    )


# -- details --------------------------------------------------------------------------------------


def _check_size(meta: Mapping[str, str]) -> None:
    size = _size(meta)
    if size is None:
        raise _cannot_send(
            "name, metadata or channel id hold half a character, which cannot be sent"
        )
    if size > MAX_META:
        raise _cannot_send(
            f"channel id, name and metadata take {size} bytes together, and headend sends "
            f"{MAX_META} at most, since Cloudflare promises no more; shorten the metadata"
        )


def _size(meta: Mapping[str, str]) -> int | None:
    """Return the bytes that it takes as JSON, `None` if it cannot be encoded."""
    try:
        return len(json.dumps(meta, ensure_ascii=False).encode())
    except UnicodeEncodeError:
        return None


def _cannot_send(what: str, operation: str = "create_live_stream") -> InvalidRequestError:
    return InvalidRequestError(what, provider=NAME, operation=operation, request_sent=False)


def _identifier(fields: Fields, name: str) -> str:
    return fields.matching(name, _ID, "an id")


def _is_enabled(fields: Fields) -> bool:
    enabled = fields.optional("enabled", Fields.flag)
    return True if enabled is None else enabled


def _is_low_latency(fields: Fields) -> bool:
    return fields.optional("preferLowLatency", Fields.flag) or False


def _with_own_meta(known: LiveStream, meta: Fields, entries: Mapping[str, object]) -> LiveStream:
    """Read what headend wrote: flat texts."""
    own = {key: text for key, text in entries.items() if key.startswith(_METADATA)}
    texts = Fields({"meta": own}).texts("meta")
    return evolve(
        known,
        name=meta.optional(_NAME, Fields.text),
        channel_id=meta.optional(_CHANNEL_ID, Fields.text),
        metadata={key.removeprefix(_METADATA): text for key, text in texts.items()},
        marker=meta.text(_MARKER),
    )


def _foreign_name(meta: Fields) -> str | None:
    """Read the name of an input that somebody else made: any JSON may stand there."""
    try:
        return meta.optional(_NAME, Fields.text)
    except BrokenAnswerError:
        return None


def _state(fields: Fields) -> tuple[StreamState, str | None]:
    """Read what an input is doing, and why."""
    word, reason = _connection(fields)
    if not _is_enabled(fields):
        still = f"an encoder is still there: {word}" if word in _WITH_ENCODER else None
        return StreamState.DISABLED, still
    if word is None:
        return StreamState.IDLE, None
    state = STATES.get(word, StreamState.UNKNOWN)
    if state is StreamState.LIVE:
        return state, None
    said = _shown(word) if reason in {None, word} else f"{_shown(word)}: {_shown(str(reason))}"
    return state, f"Cloudflare says {said}" if word else "Cloudflare gives no word for it"


def _connection(fields: Fields) -> tuple[str | None, str | None]:
    """Read the platform's word for the connection, `None` if there never was one, and its reason.

    ``status`` is null, an object with the word in ``current.state``, or the word itself: the
    first two are what the platform answers, the last is what its OpenAPI description says.
    """
    if isinstance(fields.raw("status"), str):
        return fields.text("status"), None
    current = _current(fields)
    if current is None:
        return None, None
    reason = current.raw("reason")
    return current.optional("state", Fields.text) or "", reason if isinstance(reason, str) else None


def _current(fields: Fields) -> Fields | None:
    """Return the object that tells of the connection, in the shape of ``status`` that has one."""
    if isinstance(fields.raw("status"), str):
        return None
    status = fields.optional("status", Fields.object)
    return None if status is None else status.optional("current", Fields.object)


def _shown(text: str) -> str:
    """Return a text of the platform as it can stand in a sentence."""
    cut = text if len(text) <= _MAX_WORDS else f"{text[:_MAX_WORDS]}…"
    return cut if cut.isprintable() else ascii(cut)


def _http_address(fields: Fields, name: str) -> str:
    return fields.address(name, "https", "http")


def _server_url(fields: Fields, *schemes: str) -> str:
    """Read the address of a server, to which a key can be added."""
    url = fields.address("url", *schemes)
    if "?" in url or "#" in url:
        raise BrokenAnswerError(f"the {schemes[0]} address has more than a path")
    return url


def _srt_ingest(fields: Fields, name: str) -> Ingest:
    srt = fields.object(name)
    url = _server_url(srt, "srt")
    identifier, passphrase = srt.secret("streamId"), srt.secret("passphrase")
    query = "&".join(
        f"{key}={quote(secret.reveal(), safe='')}"
        for key, secret in (("streamid", identifier), ("passphrase", passphrase))
    )
    return Ingest(
        protocol=IngestProtocol.SRT,
        server_url=url,
        stream_key=identifier,
        passphrase=passphrase,
        url_with_key=Secret(f"{url}?{query}"),
    )


def _whip_ingest(fields: Fields, name: str) -> Ingest | None:
    url = fields.object(name).optional("url", _http_address)
    if url is None:
        return None
    return Ingest(protocol=IngestProtocol.WHIP, server_url=None, url_with_key=Secret(url))


def _given_hls_url(fields: Fields) -> str | None:
    """Read ``playback.hls``; inputs have it since 2026 only, and not everywhere."""
    playback = fields.optional("playback", Fields.object)
    if playback is None or playback.raw("hls") == "":
        return None
    url = playback.optional("hls", _http_address)
    if url is not None and not _HLS.fullmatch(url):
        raise BrokenAnswerError("playback.hls is not the address of an HLS playlist")
    return url


def _with_low_latency(url: str) -> str:
    if _LOW_LATENCY in urlsplit(url).query.split("&"):
        return url
    return f"{url}{'&' if '?' in url else '?'}{_LOW_LATENCY}"


def _settings(sent: Mapping[str, object], fields: Fields) -> list[tuple[str, object, object]]:
    """Return name, sent and kept value of each setting."""
    settings: list[tuple[str, object, object]] = []
    for name, wanted in sent.items():
        if isinstance(wanted, dict):
            settings += [
                (f"{name}.{key}", one, _within(fields, name, key)) for key, one in wanted.items()
            ]
        else:
            settings.append((name, wanted, fields.raw(name)))
    return settings


def _within(fields: Fields, outer: str, inner: str) -> object:
    """Return a value of an inner object, `None` where there is no such thing."""
    values = fields.raw(outer)
    return values.get(inner) if isinstance(values, dict) else None


def _is_same(sent: object, kept: object) -> bool:
    """Tell whether a setting was kept; true is no 1, and host names are equal in any case."""
    if isinstance(sent, list):
        return (
            isinstance(kept, list)
            and all(isinstance(one, str) for one in kept)
            and {one.lower() for one in kept} == {one.lower() for one in sent}
        )
    if isinstance(sent, bool) or isinstance(kept, bool):
        return sent is kept
    return sent == kept


def _json(value: object) -> str:
    return _shown(json.dumps(value, ensure_ascii=False))


def _duration(fields: Fields, name: str) -> float | None:
    seconds = fields.number(name)
    if seconds == _UNKNOWN_DURATION:
        return None
    if seconds < 0:
        raise BrokenAnswerError(f"{name} is less than no time")
    return seconds


def _minutes(fields: Fields, name: str) -> float:
    minutes = fields.number(name)
    if minutes < 0:
        raise BrokenAnswerError(f"{name} is less than nothing")
    return minutes


def _public_address(fields: Fields, name: str) -> str:
    address = _without_secrets(fields.text(name))
    if address is None:
        raise BrokenAnswerError(f"{name} is not an address")
    return address


def _without_secrets(url: str) -> str | None:
    """Return an address without user name, password and query, `None` if it is none."""
    try:
        parts = urlsplit(url)
        whole = bool(parts.scheme and parts.hostname) and parts.port != 0
    except ValueError:
        return None
    if not whole or not url.isprintable() or " " in url:
        return None
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
