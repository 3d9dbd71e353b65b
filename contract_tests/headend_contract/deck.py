"""What plays tapes and records them, in this process: all that is known here of vcrpy.

vcrpy patches HTTP clients.  Three of its ways are not taken:

* Clients on urllib3 (boto3, requests) meet the tape at `urllib3.HTTPConnectionPool.urlopen`.  vcrpy
  itself swaps their connection classes, and while one thread builds a connection all its patches
  are off in all threads, so that requests go to the real server:
  https://github.com/kevin1024/vcrpy/issues/849
* Each interaction is given to one request only, also among threads, and a request that no
  interaction is left for is counted here, whatever the provider makes of the error.
* A secret that a check makes up, and that the recording has a placeholder for, meets that
  placeholder; in the answers it stands again as the check knows it.
* Its log, which quotes what is sent, is off.
"""

from __future__ import annotations

import contextlib
import copy
import json
import logging
import re
import threading
from contextvars import ContextVar
from io import BytesIO
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from attrs import evolve, frozen
from vcr.cassette import Cassette  # type: ignore[import-untyped]  # vcrpy has no types
from vcr.record_mode import RecordMode  # type: ignore[import-untyped]  # vcrpy has no types
from vcr.request import Request as VcrRequest  # type: ignore[import-untyped]  # vcrpy has no types

from headend_contract.placeholders import is_placeholder, stands_for
from headend_contract.tape import LIVE, Interaction, Request, Response, sized

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from urllib3 import BaseHTTPResponse

    from headend_contract.tape import Tape

_OWN_PATCH: Final = ("boto3", "requests", "urllib3")
"""The patches of vcrpy in whose place there is one of `urlopen`."""

_MOMENT: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:?\d\d)?"
    r"|(?<![\w.\-])1[6-9]\d{8}(?:\.\d+)?(?![\w.\-])"
)
"""A time as ISO 8601 or as seconds since 1970."""

_FORM: Final = "application/x-www-form-urlencoded"

_sending: ContextVar[bool] = ContextVar("headend_contract.deck sending", default=False)


class NotRecordedError(Exception):
    """A request was sent for which the tape that is played has no answer left.

    To a provider it is an error of its HTTP client that it cannot know.

    Args:
        request: what was sent.
        apart: in what it differs from the nearest one that is left of the same method and path;
            empty where there is none.
    """

    def __init__(self, request: Request, apart: Sequence[str] = ()) -> None:
        words = f"the recording has no answer left for {request.method} {_path_of(request.url)}"
        if apart:
            words += f"; it differs from the recorded one in {', '.join(apart)}"
        super().__init__(words)


@frozen
class Sent:
    """A request that a client made while a deck was in.

    Attributes:
        request: what was sent.
        status: that of the answer; `None` where there was none.
    """

    request: Request
    status: int | None


class Deck:
    """What went on while a tape was played or recorded."""

    def __init__(self, cassette: _Cassette) -> None:
        self._cassette = cassette

    @property
    def sent(self) -> tuple[Sent, ...]:
        """All requests so far, in the order in which they were made."""
        return self._cassette.sent()

    def stop(self) -> None:
        """Let all further requests through without keeping them."""
        self._cassette.stopped = True

    @property
    def missed(self) -> tuple[Request, ...]:
        """Those for which the tape that is played had no interaction left."""
        return tuple(self._cassette.missed)

    @property
    def unplayed(self) -> tuple[Interaction, ...]:
        """The interactions of the tape that is played which nobody asked for."""
        return self._cassette.unplayed()

    @property
    def recorded(self) -> tuple[Interaction, ...]:
        """What was recorded so far; it holds secrets."""
        return tuple(self._cassette.recorded)


@contextlib.contextmanager
def play(tape: Tape) -> Iterator[Deck]:
    """Answer all requests of this process from a tape.

    A request matches an interaction by method, host, path, query and body, of which JSON is
    compared by its meaning; in a tape from the platform itself, times match whatever they are.
    """
    cassette = _Cassette.use(
        path=f"the recording of {tape.label.check}",
        record_mode=RecordMode.NONE,
        tape=tape,
        skip_patchers=_OWN_PATCH,
    )
    with _silence(), cassette as loaded:
        yield Deck(loaded)


@contextlib.contextmanager
def record() -> Iterator[Deck]:
    """Let all requests of this process through, and keep them with their answers, in memory."""
    cassette = _Cassette.use(
        path="a new recording", record_mode=RecordMode.ALL, skip_patchers=_OWN_PATCH
    )
    with _silence(), cassette as loaded:
        yield Deck(loaded)


class _Cassette(Cassette):  # type: ignore[misc]  # vcrpy has no types
    """vcrpy's cassette, found by key, shared out under a lock, and never saved by itself."""

    def __init__(self, *, tape: Tape | None = None, **given: object) -> None:
        super().__init__(persister=_Shelf, **given)
        self.custom_patches = _urllib3_patch(self)
        self.stopped = False
        self.missed: list[Request] = []
        self.recorded: list[Interaction] = []
        self._lock = threading.RLock()
        self._seen: dict[int, _Seen] = {}
        self._tape = tape
        self._waiting: dict[tuple[str, ...], list[int]] = {}
        self._made_up: dict[str, str] = {}
        self._moments = tape is not None and tape.label.provenance == LIVE
        if tape is not None:
            for number, one in enumerate(tape.interactions):
                self._waiting.setdefault(self._key(one.request), []).append(number)
            self.rewound = True

    def sent(self) -> tuple[Sent, ...]:
        """Return all requests that were made."""
        with self._lock:
            return tuple(Sent(one.request, one.status) for one in self._seen.values())

    def unplayed(self) -> tuple[Interaction, ...]:
        """Return the interactions that were not asked for."""
        with self._lock:
            found = () if self._tape is None else self._tape.interactions
            return tuple(one for index, one in enumerate(found) if not self.play_counts[index])

    # What follows is called by the patched clients.

    def can_play_response_for(self, request: VcrRequest) -> bool:
        """Tell whether there is an interaction for a request, and keep it for that request.

        Raises:
            NotRecordedError: a tape is played, and has none left for it.
        """
        if self.stopped:
            return False
        with self._lock:
            seen = self._seen.get(id(request))
            if seen is None:
                seen = self._seen[id(request)] = _Seen(request, _from_vcr(request))
                if self._tape is not None:
                    seen.index = self._find(self._tape, seen.request)
                    if seen.index is None:
                        self.missed.append(seen.request)
                    else:
                        self.play_counts[seen.index] += 1
                        seen.status = self._tape.interactions[seen.index].response.status
            if self._tape is not None and seen.index is None:
                raise NotRecordedError(seen.request, self._nearest(self._tape, seen.request))
            return seen.index is not None

    def play_response(self, request: VcrRequest) -> dict[str, object]:
        """Return the answer that was kept for a request."""
        with self._lock:
            seen = self._seen[id(request)]
            assert self._tape is not None
            assert seen.index is not None
            found = self._tape.interactions[seen.index]
            body = found.response.body
            for stand_in, value in self._made_up.items():
                body = body.replace(stand_in.encode(), json.dumps(value)[1:-1].encode())
        response = sized(found.request, evolve(found.response, body=body))
        headers: dict[str, list[str]] = {}
        for name, value in response.headers:
            headers.setdefault(name, []).append(value)
        return {
            "status": {"code": response.status, "message": response.reason},
            "headers": headers,
            "body": {"string": response.body},
        }

    def append(self, request: VcrRequest, response: Mapping[str, object]) -> None:
        """Keep a request that was let through, with its answer."""
        answer = _response(response)
        with self._lock:
            seen = self._seen.get(id(request))
            if seen is None:  # it was made after the end
                return
            seen.status = answer.status
            self.recorded.append(Interaction(seen.request, answer))

    def _find(self, tape: Tape, request: Request) -> int | None:
        """Return the first interaction that is left for a request, and take it away."""
        waiting = self._waiting.get(self._key(request))
        if waiting:
            return waiting.pop(0)
        for indices in self._waiting.values():
            for index in indices:
                pairs = _differences(tape.interactions[index].request, request)
                if pairs is not None and self._are_made_up(pairs):
                    self._made_up.update(pairs)
                    indices.remove(index)
                    return index
        return None

    def _nearest(self, tape: Tape, request: Request) -> Sequence[str]:
        """Return in what a request differs from the one that is left and most like it."""
        left = sorted(index for indices in self._waiting.values() for index in indices)
        same = [
            stored
            for stored in (tape.interactions[index].request for index in left)
            if _target(stored) == _target(request)
        ]
        return min((self._apart(stored, request) for stored in same), key=len, default=())

    def _apart(self, stored: Request, sent: Request) -> list[str]:
        """Name the fields in which two requests differ, and never what is in them."""
        _, query, body = _parts(stored)
        _, other_query, other_body = _parts(sent)
        names = sorted({name for name, _ in {*query} ^ {*other_query}})
        found = [f"{name} of the query" for name in names]
        found += [
            f"{where} of the body" if where else "the body"
            for where in _fields_apart(body, other_body, self._as_compared)
        ]
        return found

    def _as_compared(self, value: object) -> object:
        return _MOMENT.sub("(a time)", str(value)) if self._moments else value

    def _are_made_up(self, pairs: Mapping[str, str]) -> bool:
        """Tell whether texts differ only as a placeholder does from one and the same secret."""
        known = {value: stand_in for stand_in, value in self._made_up.items()}
        return all(
            self._made_up.get(stand_in, value) == value
            and known.get(value, stand_in) == stand_in
            and not is_placeholder(value)
            and stands_for(stand_in, value)
            for stand_in, value in pairs.items()
        )

    def _key(self, request: Request) -> tuple[str, ...]:
        key = (
            request.method.upper(),
            _host_of(request.url),
            _path_of(request.url),
            *_query_of(request.url),
            _body_of(request),
        )
        return tuple(_MOMENT.sub("(a time)", one) for one in key) if self._moments else key


class _Seen:
    """A request that a client made, and what came of it."""

    def __init__(self, given: VcrRequest, request: Request) -> None:
        self.given = given  # kept alive, so that its id is nobody else's
        self.request = request
        self.index: int | None = None
        self.status: int | None = None


class _Shelf:
    """What vcrpy would keep cassettes in; it keeps none."""

    @staticmethod
    def load_cassette(_path: str, serializer: object) -> tuple[list[object], list[object]]:
        del serializer
        return [], []

    @staticmethod
    def save_cassette(_path: str, _data: object, serializer: object) -> None:
        del serializer


def _urllib3_patch(
    cassette: _Cassette,
) -> tuple[tuple[type, str, Callable[..., BaseHTTPResponse]], ...]:
    """Return the patch of urllib3, in vcrpy's form; none where there is no urllib3."""
    try:
        from urllib3 import HTTPConnectionPool
    except ImportError:
        return ()
    real = HTTPConnectionPool.urlopen

    def urlopen(
        pool: HTTPConnectionPool,
        method: str,
        url: str,
        body: object = None,
        headers: Mapping[str, object] | None = None,
        *more: object,
        **options: object,
    ) -> BaseHTTPResponse:
        def send(**changed: object) -> BaseHTTPResponse:
            given = {**options, **changed}
            return real(pool, method, url, body, headers, *more, **given)  # type: ignore[arg-type]  # as they came

        # A redirect or repetition calls this method once more within the request it belongs to.
        if _sending.get():
            return send()
        request = VcrRequest(
            method, _pool_url(pool, url), body, _texts(pool.headers if headers is None else headers)
        )
        if cassette.can_play_response_for(request):
            return _urllib3_response(cassette.play_response(request), method, options)
        token = _sending.set(True)
        try:
            answer = send(preload_content=False, decode_content=False)
            content = answer.read(decode_content=False)
            answer.release_conn()
        finally:
            _sending.reset(token)
        found: dict[str, list[str]] = {}
        for name, value in answer.headers.items():
            found.setdefault(name, []).append(value)
        recorded = {
            "status": {"code": answer.status, "message": answer.reason},
            "headers": found,
            "body": {"string": content},
        }
        cassette.append(request, recorded)
        return _urllib3_response(recorded, method, options)

    return ((HTTPConnectionPool, "urlopen", urlopen),)


def _urllib3_response(
    data: Mapping[str, object], method: str, options: Mapping[str, object]
) -> BaseHTTPResponse:
    from urllib3 import HTTPHeaderDict, HTTPResponse

    answer = _response(data)
    headers = HTTPHeaderDict()
    for name, value in answer.headers:
        if name.lower() != "transfer-encoding":  # the body is whole already
            headers.add(name, value)
    return HTTPResponse(
        body=BytesIO(answer.body),
        headers=headers,
        status=answer.status,
        version=11,
        version_string="HTTP/1.1",
        reason=answer.reason or None,
        preload_content=bool(options.get("preload_content", True)),
        decode_content=bool(options.get("decode_content", True)),
        request_method=method,
    )


def _pool_url(pool: object, url: str) -> str:
    if "://" in url:  # for a proxy
        return url
    scheme, host, port = (getattr(pool, name) for name in ("scheme", "host", "port"))
    name = f"[{host}]" if ":" in host else host
    usual = {"http": 80, "https": 443}.get(scheme)
    return f"{scheme}://{name}{'' if port in {None, usual} else f':{port}'}{url}"


def _texts(headers: Mapping[str, object]) -> dict[str, str]:
    """Return headers as text; those of botocore are bytes."""
    return {_as_text(name): _as_text(value) for name, value in headers.items()}


def _as_text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, (bytes, bytearray)) else str(value)


def _from_vcr(request: VcrRequest) -> Request:
    body: object = request.body
    if hasattr(body, "read"):
        body = body.read()
    elif not isinstance(body, (bytes, bytearray, str, type(None))):
        body = b"".join(one.encode() if isinstance(one, str) else one for one in body)  # type: ignore[attr-defined]  # chunks
    if isinstance(body, str):
        body = body.encode()
    assert isinstance(body, (bytes, bytearray, type(None)))
    headers = tuple(_texts(request.headers).items())
    return Request(_as_text(request.method), str(request.uri), headers, bytes(body or b""))


def _response(data: Mapping[str, object]) -> Response:
    status, headers, body = copy.deepcopy((data["status"], data["headers"], data["body"]))
    assert isinstance(status, dict)
    assert isinstance(headers, dict)
    assert isinstance(body, dict)
    return Response(
        int(status["code"]),
        str(status["message"] or ""),
        tuple((str(name), str(value)) for name, values in headers.items() for value in values),
        bytes(body["string"] or b""),
    )


# How a request is compared: by the texts that these give.


def _host_of(url: str) -> str:
    parts = urlsplit(url)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    port = "" if parts.port in {None, usual} else f":{parts.port}"
    return f"{parts.hostname or ''}{port}"


def _path_of(url: str) -> str:
    return unquote(urlsplit(url).path) or "/"


def _query_of(url: str) -> tuple[str, ...]:
    pairs = parse_qsl(urlsplit(url).query, keep_blank_values=True)
    return tuple(f"{name}={value}" for name, value in sorted(pairs))


def _body_of(request: Request) -> str:
    body = request.body
    if not body:
        return ""
    kind = next((value for name, value in request.headers if name.lower() == "content-type"), "")
    if kind.startswith(_FORM):
        pairs = parse_qsl(body.decode("latin-1"), keep_blank_values=True)
        return f"form {sorted(pairs)}"
    try:
        return f"json {json.dumps(json.loads(body), sort_keys=True)}"
    except (ValueError, RecursionError):
        return f"bytes {body!r}"


def _differences(stored: Request, sent: Request) -> dict[str, str] | None:
    """Return the texts in which two requests differ, by those of the stored one.

    `None`: they differ in more than texts, or the same text in two ways.
    """
    if (stored.method.upper(), _host_of(stored.url)) != (sent.method.upper(), _host_of(sent.url)):
        return None
    found: dict[str, str] = {}
    for one, other in zip(_parts(stored), _parts(sent), strict=True):
        for pair in _unlike(one, other):
            if pair is None or found.setdefault(*pair) != pair[1]:
                return None
    return found


def _target(request: Request) -> tuple[str, str, str]:
    return request.method.upper(), _host_of(request.url), _path_of(request.url)


def _fields_apart(
    one: object, other: object, compared: Callable[[object], object], where: str = ""
) -> Iterator[str]:
    """Return the paths of the fields in which two JSON values differ."""
    if not isinstance(one, dict) or not isinstance(other, dict):
        if type(one) is not type(other) or compared(one) != compared(other):
            yield where
        return
    for name in {**one, **other}:
        path = f"{where}.{name}" if where else str(name)
        if name in one and name in other:
            yield from _fields_apart(one[name], other[name], compared, path)
        else:
            yield path


def _parts(request: Request) -> tuple[list[str], list[tuple[str, str]], object]:
    parts = urlsplit(request.url)
    body: object
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError):
        body = parse_qsl(request.body.decode("latin-1"), keep_blank_values=True)
    path = [unquote(one) for one in parts.path.split("/")]
    return path, sorted(parse_qsl(parts.query, keep_blank_values=True)), body


def _unlike(one: object, other: object) -> Iterator[tuple[str, str] | None]:
    """Return the texts that differ, in pairs; `None` for anything else that does."""
    if isinstance(one, str) and isinstance(other, str):
        if one != other:
            yield one, other
    elif isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from _unlike(one[name], other[name])
    elif (
        isinstance(one, (list, tuple))
        and isinstance(other, (list, tuple))
        and len(one) == len(other)
    ):
        for left, right in zip(one, other, strict=True):
            yield from _unlike(left, right)
    elif type(one) is not type(other) or one != other:
        yield None


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    names = [name for name in logging.root.manager.loggerDict if name.split(".")[0] == "vcr"]
    loggers = [one for one in map(logging.getLogger, names) if not one.disabled]
    for one in loggers:
        one.disabled = True
    try:
        yield
    finally:
        for one in loggers:
            one.disabled = False
