"""What comes between a provider and its platform, as scripts for the fault layer, and with what."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from attrs import evolve

from headend.plugin import HeadendError, PlatformError
from headend_contract.check import CheckFailedError, expect
from headend_contract.faults import Fault, answering, changing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from starlette.types import ASGIApp, Receive, Scope, Send

    from headend_contract.case import Case, SentRequest
    from headend_contract.faults import Answer

_LONG: Final = 100
"""Requests; a script for so many is one for ever, as far as a check goes."""

_PAGE: Final = b"<!doctype html><title>Something on the way</title><h1>It is not the platform</h1>"

Path = tuple[str | int, ...]
"""The way from a JSON value to one within it: names of fields and places in lists."""


def always(fault: Fault) -> dict[int, Fault]:
    """Have every request from now on meet a fault."""
    return dict.fromkeys(range(_LONG), fault)


def times(fault: Fault, count: int, *, first: int = 0) -> dict[int, Fault]:
    """Have so many requests in a row meet a fault, from that place on."""
    return dict.fromkeys(range(first, first + count), fault)


def stranger(status: int) -> Fault:
    """Have something that is not the platform answer with a page, as proxies do."""
    return answering(
        f"stranger-{status}", status, headers={"Content-Type": "text/html"}, body=_PAGE
    )


def answering_elsewhere(status: int, path: str) -> Fault:
    """Have requests pointed to a path, which is on the same server by another of its names."""

    async def act(_app: ASGIApp, scope: Scope, _receive: Receive, send: Send) -> None:
        port = scope["server"][1]
        location = f"http://localhost:{port}{path}".encode()
        headers = [(b"location", location), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return Fault(f"elsewhere-{status}", "something points elsewhere", processed=False, act=act)


def throttled(retry_after: str | None, status: int = 429) -> Fault:
    """Have requests refused for their rate, with the header ``Retry-After`` or without it."""
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    return answering("throttled", status, headers=headers)


def list_all(case: Case) -> list[str]:
    """Read all live streams, which takes one request where there are few, and return the ids."""
    return [one.stream_id for one in case.platform.list_live_streams()]


def failure_of(
    case: Case, script: Mapping[int, Fault], call: Callable[[], object], what: str
) -> tuple[PlatformError, tuple[SentRequest, ...]]:
    """Call something under a script of faults, and return the error and the requests sent.

    Args:
        case: where.
        script: the faults; it is over afterwards.
        call: is called without arguments.
        what: says what is tried, for the message.

    Raises:
        CheckFailedError: there was no error, or none that a host expects from a platform.
    """
    _ = case.platform  # opened before, so that no request is of opening it
    case.faults.script(script)
    result, sent = case.sent_by(call)
    case.faults.script({})
    if isinstance(result, PlatformError):
        return result, sent
    if isinstance(result, Exception):
        raise CheckFailedError(
            f"{what} raised {type(result).__name__} ({result}), which is no PlatformError"
        ) from result
    raise CheckFailedError(f"{what} raised nothing")


def answers_to(case: Case, call: Callable[[], object]) -> list[Answer]:
    """Call something and return the platform's answers on the way, as they came."""
    seen: list[Answer] = []

    def keep(answer: Answer) -> Answer:
        seen.append(answer)
        return answer

    case.faults.script(always(changing("watched", "the answer is looked at", keep)))
    try:
        call()
    finally:
        case.faults.script({})
    return seen


def json_of(answer: Answer) -> object:
    """Return the JSON value of an answer; `None` where it holds none."""
    try:
        return json.loads(answer.body)
    except ValueError:
        return None


def answering_json(value: object) -> Fault:
    """Make a fault that lets the platform answer, and puts another JSON value into that."""
    body = json.dumps(value).encode()
    return changing(
        "rewritten", "the answer says something else", lambda one: evolve(one, body=body)
    )


def leaves(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Return all within a JSON value that is neither an object nor a list, and where it is."""
    match value:
        case dict():
            for name, one in value.items():
                yield from leaves(one, (*path, name))
        case list():
            for place, one in enumerate(value):
                yield from leaves(one, (*path, place))
        case _:
            yield path, value


def replaced(value: object, path: Path, change: Callable[[object], object]) -> object:
    """Return a JSON value with one within it changed."""
    if not path:
        return change(value)
    first, rest = path[0], path[1:]
    if isinstance(value, dict):
        return {**value, first: replaced(value[first], rest, change)}
    if isinstance(value, list):
        return [
            replaced(one, rest, change) if place == first else one
            for place, one in enumerate(value)
        ]
    return value


def result_of(case: Case, script: Mapping[int, Fault], call: Callable[[], object]) -> object:
    """Call something under a script of faults, and return the result or headend's own error.

    Raises:
        CheckFailedError: it raised what is no error of headend.
    """
    case.faults.script(script)
    result, _ = case.sent_by(call)
    case.faults.script({})
    if isinstance(result, Exception):
        expect(
            isinstance(result, HeadendError),
            f"an answer that is not as promised made the provider raise {type(result).__name__} "
            f"({result}), which is no HeadendError",
        )
    return result
