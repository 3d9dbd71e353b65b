"""Where no key, token or passphrase may ever be seen."""

from __future__ import annotations

import json
import pickle
import traceback
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import attrs
from attrs import evolve

from headend.plugin import Capability
from headend_contract.check import Level, check, expect, nothing_to_test
from headend_contract.checks.disturbances import always, json_of, leaves, replaced
from headend_contract.checks.steps import similar_id
from headend_contract.faults import Fault, answering, changing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

    from headend.plugin import StreamCredentials
    from headend_contract.case import Case
    from headend_contract.faults import Answer

_SHORTEST: Final = 8
"""Characters; shorter texts are found in everything."""


def _expect_none(case: Case, made: StreamCredentials, text: str | bytes, what: str) -> None:
    """Fail if any secret that came up so far is in a text."""
    values = {secret.reveal() for secret in case.secrets}
    # Some platforms want the id where SRT has a stream id, and a passphrase beside it.
    sought = {one for one in values if len(one) >= _SHORTEST} - {made.stream_id}
    if not sought:
        nothing_to_test(f"no secret of {_SHORTEST} characters or more came up")
    for value in sought:
        found = value.encode() in text if isinstance(text, bytes) else value in text
        expect(not found, f"{what} holds a secret")


def _use(case: Case) -> tuple[StreamCredentials, list[object]]:
    """Have a live stream go through what all providers do.

    Returns:
        What creating it gave, and all else that was returned and is no credentials.
    """
    platform = case.platform
    made = case.create(name="Evening show", metadata={"team": "red"})
    if case.has(Capability.KEY_ROTATION):
        platform.rotate_stream_key(made.stream_id)
    platform.get_credentials(made.stream_id)
    return made, [
        platform.get_live_stream(made.stream_id),
        platform.get_playback_url(made.stream_id),
        platform.get_analytics(made.stream_id),
        *platform.list_live_streams(),
        platform.check_health(),
        platform.end_live_stream(made.stream_id),
    ]


@check(
    "SECRET-LOG-001",
    "No log holds a secret, not even on DEBUG",
    level=Level.CORE,
    rule="While a live stream is created, read, given a new key and ended, nothing that is logged "
    "from DEBUG on, by the provider or by what it uses, holds a credential or a stream key.",
    why="Logs are kept for months, are read by many, and are sent to third parties.",
    hint="Log no request, answer or header.  Quiet or filter the loggers of SDKs that do: many "
    "log whole bodies on DEBUG.",
)
def logs_no_secret(case: Case) -> None:
    """Use everything, and search the log."""
    made, _ = _use(case)
    _expect_none(case, made, case.log, "the log")


@check(
    "SECRET-REPR-001",
    "No representation shows a secret",
    level=Level.CORE,
    rule="repr() and str() of the provider, of what it keeps in its attributes, and of everything "
    "that it returns, credentials included, hold no secret.",
    why="Debuggers, test reports and error trackers show the representation of every variable.",
    hint="Keep secrets as headend.plugin.Secret from the moment they are read, and reveal them in "
    "the one line that sends them.",
)
def represents_no_secret(case: Case) -> None:
    """Represent everything."""
    made = case.create()
    things = [
        case.platform,
        case.provider,
        *getattr(case.provider, "__dict__", {}).values(),
        made,
        *made.ingests,
        case.platform.get_live_stream(made.stream_id),
        case.platform.get_credentials(made.stream_id),
        case.platform.get_analytics(made.stream_id),
    ]
    for thing in things:
        for shown in (repr(thing), str(thing), f"{thing}"):
            _expect_none(case, made, shown, f"the representation of a {type(thing).__name__}")


@check(
    "SECRET-MODEL-001",
    "What is returned to be shown holds no secret",
    level=Level.CORE,
    rule="No text in what reading, listing, measuring, checking and ending return is a credential "
    "or a stream key, or has one in it.",
    why="Hosts put these into pages, databases and logs, as they may.",
    hint="Leave a platform's fields that bear keys out; playback URLs and warnings among them.",
)
def returns_no_secret(case: Case) -> None:
    """Use everything, and search all texts of the results."""
    made, things = _use(case)
    for thing in things:
        for text in _texts(thing):
            _expect_none(case, made, text, f"a {type(thing).__name__}")


def _texts(value: object) -> Iterator[str]:
    kind: type = type(value)
    if isinstance(value, str):
        yield value
    elif attrs.has(kind):
        for field in attrs.fields(kind):
            yield from _texts(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for name, one in value.items():
            yield from _texts(name)
            yield from _texts(one)
    elif isinstance(value, Iterable):
        for one in value:
            yield from _texts(one)


@check(
    "SECRET-ADDRESS-001",
    "No request has a secret in its address",
    level=Level.CORE,
    rule="Neither the path nor the query of a request holds a credential or a stream key.",
    why="Addresses are logged by every proxy on the way, by HTTP libraries, and in the errors of "
    "both.",
    hint="Send credentials in a header, and keys in the body.",
)
def addresses_no_secret(case: Case) -> None:
    """Use everything, and search the addresses that were asked."""
    made, _ = _use(case)
    for request in case.requests:
        address = f"{request.path}?{request.query}"
        _expect_none(case, made, address, f"the address of a {request.method}")


@check(
    "SECRET-ERROR-001",
    "No error shows a secret, whatever the platform answers",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="No error, none of its causes, no traceback of it, and nothing that is logged of it holds "
    "a credential, also where the answer repeats the credentials of the request.",
    why="Errors go to pages, logs and error trackers.  Gateways and debug pages do repeat the "
    "request's headers.",
    hint="Quote of an answer only the platform's own code and sentence, mask the credentials in "
    "these, and do not chain an error that holds the whole answer.",
)
def tells_no_secret(case: Case) -> None:
    """Fail in many ways, with answers that repeat the credentials."""
    made = case.create()
    unknown = similar_id(made.stream_id)
    sent = _headers_of(case, lambda: case.platform.get_playback_url(made.stream_id))
    known = {one.reveal() for one in case.secrets}
    planted = [one for one in case.environment.values() if one in known and one in sent]
    calls: tuple[Callable[[], object], ...] = (
        lambda: case.platform.get_live_stream(unknown),
        lambda: case.platform.create_live_stream("show"),
    )
    raised = False
    statuses = (200, 403) if case.fast else (200, 400, 401, 403, 500)
    for fault in _echoes(" ".join(planted), statuses):
        for call in calls:
            case.faults.script(always(fault))
            error, _ = case.sent_by(call)
            case.faults.script({})
            if isinstance(error, Exception):
                raised = True
                for text in _told_by(error):
                    _expect_none(case, made, text, f"an error after an answer that is {fault.name}")
            _expect_none(case, made, case.log, f"the log after an answer that is {fault.name}")
    if not raised:
        nothing_to_test("no answer made it raise an error")


def _headers_of(case: Case, call: Callable[[], object]) -> str:
    """Call something, and return the values of the headers that it sends."""
    values: list[str] = []

    async def note(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        values.extend(value.decode("latin-1") for _, value in scope["headers"])
        await app(scope, receive, send)

    case.faults.script(always(Fault("noted", "the headers are noted", processed=True, act=note)))
    call()
    case.faults.script({})
    return "\n".join(values)


def _echoes(secrets: str, statuses: Iterable[int]) -> Iterator[Fault]:
    """Make faults whose answers hold the secrets: pages, JSON, and the platform's own errors."""
    page = f"<html><title>{secrets}</title>{secrets}</html>".encode()
    told = json.dumps({"error": secrets, "message": secrets, "errors": [{"message": secrets}]})
    for status in statuses:
        yield answering(f"a page with {status}", status, headers=_HTML, body=page)
        yield answering(f"JSON with {status}", status, headers=_JSON, body=told.encode())

    def repeat(answer: Answer) -> Answer:
        value = json_of(answer)
        for path, leaf in leaves(value):
            if isinstance(leaf, str) and " " in leaf:
                value = replaced(value, path, lambda one: f"{secrets} {one} {secrets}")
        return evolve(answer, body=json.dumps(value).encode())

    yield changing("the platform's own with the credentials in its sentences", "", repeat)


_HTML: Final = {"Content-Type": "text/html"}
_JSON: Final = {"Content-Type": "application/json"}


def _told_by(error: BaseException) -> Iterator[str]:
    """Return all texts of an error and of what caused it."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or one in seen:
            continue
        seen.append(one)
        yield from (str(one), repr(one), repr(one.args))
        waiting += [one.__cause__, one.__context__]
    yield "".join(traceback.format_exception(error))


@check(
    "SECRET-PICKLE-001",
    "No pickle holds a secret",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="What a provider returns and raises can be pickled without a secret in it, or refuses to "
    "be pickled.",
    why="Queues and caches pickle results and errors, and keep them where everybody can read.",
    hint="Put no credential into an error's attributes or arguments, and none but as a Secret "
    "into anything else.",
)
def pickles_no_secret(case: Case) -> None:
    """Pickle results and errors."""
    made = case.create()
    things = [made, *made.ingests, case.provider, case.platform]
    things += case.platform.get_live_stream(made.stream_id), case.platform.check_health()
    case.faults.script({0: answering("refused", 403, headers=_JSON, body=b"{}")})
    error, _ = case.sent_by(lambda: case.platform.get_live_stream(made.stream_id))
    case.faults.script({})
    for thing in (*things, error):
        try:
            data = pickle.dumps(thing)
        except Exception:  # noqa: BLE001, S112  # refusing is fine, in whatever words
            continue
        _expect_none(case, made, data, f"the pickle of a {type(thing).__name__}")
