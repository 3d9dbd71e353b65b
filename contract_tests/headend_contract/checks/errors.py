"""What a host is told when something goes wrong: the class of the error, by its cause."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack
from functools import partial
from math import inf
from time import perf_counter
from types import UnionType
from typing import TYPE_CHECKING, Final, Union, get_args, get_origin, get_type_hints

from attrs import evolve

from headend.plugin import (
    AuthenticationError,
    ConfigurationError,
    ConflictError,
    InvalidRequestError,
    LiveStream,
    PermissionDeniedError,
    PlatformProtocolError,
    PlatformTimeoutError,
    PlatformUnavailableError,
    RateLimitedError,
    StreamState,
)
from headend.settings import describe_settings
from headend_contract.check import (
    CheckFailedError,
    Level,
    check,
    expect,
    expect_equal,
    not_applicable,
    nothing_to_test,
)
from headend_contract.checks.disturbances import (
    always,
    answering_json,
    answers_to,
    failure_of,
    json_of,
    leaves,
    list_all,
    replaced,
    result_of,
    stranger,
    throttled,
    times,
)
from headend_contract.checks.steps import push
from headend_contract.closed_port import closed_port
from headend_contract.faults import (
    DROP_ANSWER,
    DROP_REQUEST,
    HANG,
    HTML,
    TRUNCATED,
    changing,
    slow,
)
from headend_contract.opening import process_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from headend.plugin import (
        PlatformError,
    )
    from headend_contract.case import Case
    from headend_contract.faults import (
        Answer,
    )

_WORDS_OF_ACCESS: Final = ("credential", "token", "key", "password", "secret")


@check(
    "ERROR-ACCESS-001",
    "Credentials that are not accepted are an AuthenticationError, at once and in plain words",
    level=Level.CORE,
    rule="With credentials that are well-formed and wrong, an operation raises "
    "AuthenticationError after one request, and its text says which setting or credential to "
    "check.",
    why="A wrong token is the first thing that goes wrong for everybody.  Sent again and again it "
    "locks accounts; told as a network failure it costs an afternoon.",
    hint="Map the platform's 401 and its codes for unknown, wrong and expired credentials to "
    "AuthenticationError, and name the variable that holds them in the message.",
)
def tells_wrong_credentials(case: Case) -> None:
    """List with credentials that look as the right ones do."""
    settings = describe_settings(case.settings_class)
    credentials = {
        one.env: _mistyped(case.environment[one.env])
        for one in settings
        if one.secret and one.env in case.environment
    }
    if not credentials:
        not_applicable("it is opened here without a credential")
    try:
        platform = case.open(environment=credentials)
    except ConfigurationError as refusal:
        # Some have an inner form, as a private key has, and can only be right or no key at all.
        for name in [*credentials]:
            if any(problem.startswith(name) for problem in refusal.problems):
                del credentials[name]
        if not credentials:
            not_applicable("its credentials cannot be wrong and still be credentials")
        platform = case.open(environment=dict(credentials))
    error, sent = case.sent_by(lambda: list(platform.list_live_streams()))

    expect(
        isinstance(error, AuthenticationError),
        f"wrong credentials are {_kind(error)}, and they should be an AuthenticationError",
    )
    expect_equal(len(sent), 1, "the number of requests with wrong credentials")
    text = str(error)
    expect(
        any(name in text for name in credentials)
        or any(word in text.lower() for word in _WORDS_OF_ACCESS),
        "the error does not say which setting or credential to check",
    )


def _mistyped(credential: str) -> str:
    """Return another text of the same signs, which so is as well-formed."""
    for cut in (16, len(credential)):
        other = credential[:-cut] + credential[-cut:][::-1]
        if other != credential:
            return other
    return credential[:-1] + ("a" if credential[-1] != "a" else "b")


_MEANINGS: Final[Mapping[int, tuple[type[PlatformError], ...]]] = {
    400: (InvalidRequestError,),
    401: (AuthenticationError,),
    403: (PermissionDeniedError, AuthenticationError),
    409: (ConflictError,),
    413: (InvalidRequestError,),
    422: (InvalidRequestError,),
}
"""What each refusal may be told as, beside that the answer is not the platform's."""


@check(
    "ERROR-STATUS-001",
    "A refusal is told as what it is",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="An answer with status 400, 401, 403, 409, 413 or 422 is the error of that meaning, or a "
    "PlatformProtocolError where the platform itself would say more; never one that invites to "
    "try again.",
    why="Hosts decide by the class: ask for another token, fix the value, or wait.  A refusal told "
    "as an outage makes them wait for what will never come.",
    hint="Keep one table from the platform's codes and statuses to the classes of headend.plugin.",
)
def tells_refusals_apart(case: Case) -> None:
    """List while something answers with each status."""
    for status, kinds in _MEANINGS.items():
        error, _ = failure_of(case, always(stranger(status)), lambda: list_all(case), f"a {status}")
        expect(
            isinstance(error, (*kinds, PlatformProtocolError)),
            f"an answer with status {status} is {_kind(error)}",
        )
        expect(not error.retryable, f"an answer with status {status} is told as retryable")


@check(
    "ERROR-STATUS-002",
    "A 404 of somebody else does not say that a live stream is gone",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A 404 that is not the platform's own answer about a live stream is a "
    "PlatformProtocolError: reading raises it, and ending does not say that it was already gone.",
    why="Proxies and wrong addresses answer 404 as well.  A host that believes them deletes its "
    "records of live streams that go on, and are paid for.",
    hint="Take only the platform's own code or body for not found, and everything else with "
    "status 404 for an answer that is not promised.",
)
def does_not_believe_strangers(case: Case) -> None:
    """Read and end a live stream while a page of somebody else answers."""
    made = case.create()
    operations: tuple[tuple[str, Callable[[str], object]], ...] = (
        ("reading", case.platform.get_live_stream),
        ("ending", case.platform.end_live_stream),
    )
    for what, operation in operations:
        error, _ = failure_of(
            case, always(stranger(404)), partial(operation, made.stream_id), f"{what} behind a 404"
        )
        expect(
            isinstance(error, PlatformProtocolError),
            f"{what} a live stream takes a page with status 404 for {_kind(error)}",
        )


@check(
    "ERROR-STATUS-003",
    "An error says whose it is, what was asked, and what was answered",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A PlatformError bears the provider's name, the operation, and the HTTP status where "
    "there was an answer; then request_sent is True.",
    why="These are what a host logs and alarms by, and request_sent decides whether a write may "
    "be repeated.",
    hint="Make every error in one place that knows all four.",
)
def says_whose_it_is(case: Case) -> None:
    """List while the platform is out of order."""
    error, _ = failure_of(case, always(stranger(503)), lambda: list_all(case), "a 503")

    expect_equal(error.provider, case.spec.name, "the provider of an error")
    expect(bool(error.operation), "an error does not say what was asked")
    expect_equal(error.status, 503, "the status of an error after an answer with 503")
    expect_equal(error.request_sent, True, "request_sent of an error after an answer")


@check(
    "ERROR-RATE-001",
    "Too many requests are a RateLimitedError with the wait that was asked for",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="429 is a RateLimitedError that is retryable; retry_after holds the seconds of the header "
    "Retry-After, and no invented ones where there is none.",
    why="A host that hears nothing of the limit, or of the wait, keeps asking, and some platforms "
    "then refuse everything for minutes.",
    hint="Give the header to parse_retry_after(), and its result to RateLimitedError.",
)
def tells_rate_limits(case: Case) -> None:
    """List while every request is refused for its rate, with and without a wait."""
    blocks = {limit.block for limit in case.facts.limits}
    for text, waits in (("7", {7.0}), (None, {None, *blocks})):
        error, _ = failure_of(
            case, always(throttled(text)), lambda: list_all(case), "a request that is throttled"
        )
        header = "with" if text else "without"
        expect(
            isinstance(error, RateLimitedError),
            f"429 {header} Retry-After is {_kind(error)}",
        )
        expect(error.retryable, "a RateLimitedError is told as not retryable")
        expect(
            error.retry_after in waits,
            f"after a 429 {header} Retry-After the error's retry_after is {error.retry_after}",
        )
        case.pass_time(_OVER)


_OVER: Final = 3600.0
"""Seconds after which no platform still refuses anybody for the rate, nor has anybody wait."""


@check(
    "ERROR-OUTAGE-001",
    "A platform that is out of order is a PlatformUnavailableError",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="500, 502, 503 and 504 are a PlatformUnavailableError (504 may be a "
    "PlatformTimeoutError), retryable, whatever the body is.",
    why="Hosts wait and try again on these, and page somebody on others.  The body often is a "
    "page of a gateway, which must not turn an outage into a broken answer.",
    hint="Decide by the status from 500 on before reading the body.",
)
def tells_outages(case: Case) -> None:
    """List while a gateway's page answers with each status."""
    for status in (500, 504) if case.fast else (500, 502, 503, 504):
        error, _ = failure_of(case, always(stranger(status)), lambda: list_all(case), f"a {status}")
        kinds: tuple[type[PlatformError], ...] = (PlatformUnavailableError,)
        kinds += (PlatformTimeoutError,) if status == 504 else ()  # HTTP's
        expect(
            isinstance(error, kinds) and error.retryable,
            f"an answer with status {status} is {_kind(error)}",
        )


@check(
    "ERROR-TIMEOUT-001",
    "No answer in time is a PlatformTimeoutError",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A request that is never answered ends after the attempt's time with a "
    "PlatformTimeoutError that is retryable and does not claim that nothing was sent.",
    why="Without a timeout a host's worker hangs for good.  And what was sent may have been done: "
    "whoever is told otherwise does it twice.",
    hint="Give Attempt.timeout to the HTTP client, and map its read timeout with "
    "request_sent=None.",
)
def tells_timeouts(case: Case) -> None:
    """List while nothing answers, with little time."""
    platform = case.open(timeout=_LITTLE)
    # What is imported and connected at the first request takes none of the time of the next.
    case.sent_by(lambda: list(platform.list_live_streams()))
    took = inf
    for _ in range(_TRIES):
        case.pass_time(_OVER)
        began = perf_counter()
        error, _ = failure_of(
            case,
            always(HANG),
            lambda: list(platform.list_live_streams()),
            "a request without answer",
        )
        took = perf_counter() - began
        expect(isinstance(error, PlatformTimeoutError), f"no answer in time is {_kind(error)}")
        expect(error.retryable, "a PlatformTimeoutError is told as not retryable")
        expect(error.request_sent is not False, "a request without answer is told as never sent")
        if took <= _MUCH:
            break
    expect(
        took <= _MUCH,
        f"a call that may take {_LITTLE} s waits for an answer for {took:.1f} s",
    )


_LITTLE: Final = 0.15
"""Seconds for a call; what waits for an answer does so in real time."""

_MUCH: Final = 1.0
_TRIES: Final = 3
"""Real seconds that this takes only with a time limit of its own, or on a machine that is busy.

It is not as busy three times in a row.
"""


@check(
    "ERROR-RESET-001",
    "A connection that breaks is a PlatformUnavailableError, and what was sent stays open",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A connection that is reset before the answer is a PlatformUnavailableError, retryable, "
    "that does not claim that nothing was sent.",
    why="A reset tells nothing of what the platform did.  Where a provider claims that nothing "
    "was sent, a creation is abandoned that was carried out, and nobody knows of it.",
    hint="Set request_sent=False only where no connection came about, and None for all else that "
    "breaks.",
)
def tells_resets(case: Case) -> None:
    """List while every connection is reset, before and after the platform heeded the request."""
    for fault in (DROP_REQUEST, DROP_ANSWER):
        error, _ = failure_of(case, always(fault), lambda: list_all(case), "a reset connection")
        expect(
            isinstance(error, PlatformUnavailableError) and error.retryable,
            f"a reset connection is {_kind(error)}",
        )
        expect(error.request_sent is not False, "a request that got out is told as never sent")


@check(
    "ERROR-CONNECT-001",
    "A connection that is refused is a PlatformUnavailableError, and nothing was sent",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where nobody listens at the platform's address, reading and creating try three "
    "connections and raise a PlatformUnavailableError that is retryable and has "
    "request_sent=False.",
    why="It is what a restart of the platform looks like.  A creation that surely was not sent is "
    "sent again; told as perhaps sent, it is looked up first, at a platform that is not there, "
    "and its outcome counts as uncertain.",
    hint="Map the HTTP client's own class for connections that did not come about with "
    "request_sent=False, and turn off the client's retries of connections.",
)
def tells_refused_connections(case: Case) -> None:
    """List and create where nobody listens."""
    with ExitStack() as stack:
        port = stack.enter_context(closed_port())
        elsewhere = case.simulator.environment(port.url)
        # Some SDKs read the address from the process's environment when it is first needed.
        stack.enter_context(process_environment((), elsewhere))
        platform = case.open(environment=elsewhere)
        operations: tuple[tuple[str, Callable[[], object]], ...] = (
            ("listing", lambda: list(platform.list_live_streams())),
            ("creating", lambda: platform.create_live_stream("show")),
        )
        for what, operation in operations:
            port.tries.clear()
            error, _ = case.sent_by(operation)
            if not isinstance(error, PlatformUnavailableError):
                raise CheckFailedError(
                    f"{what} where every connection is refused is {_kind(error)}"
                )
            expect(error.retryable, f"{what} where every connection is refused is not retryable")
            expect(
                error.request_sent is False,
                f"{what} where every connection is refused is told with request_sent="
                f"{error.request_sent}",
            )
            expect_equal(
                len(port.tries),
                _ATTEMPTS,
                f"the number of connections that {what} tries where each is refused",
            )
        platform.close()
    list_all(case)  # at the right address, which shows that it was the address that mattered


_ATTEMPTS: Final = 3
"""How often a request is sent at most: the policy of `headend.plugin.Calls`."""


@check(
    "ERROR-ANSWER-001",
    "A page in place of an answer is an error, not an empty one",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="HTML with status 200 is a PlatformProtocolError for every read; a list is not empty "
    "because of it.",
    why="Hotel networks, proxies and single sign-on answer 200 with a page.  A host that sees an "
    "empty list there takes all its live streams for gone (with some SDKs that is the default).",
    hint="Check that the body is JSON, and an object, before reading anything from it; do not ask "
    "an SDK's dictionary with .get().",
)
def sees_pages(case: Case) -> None:
    """Read while a page answers."""
    made = case.create()
    _expect_unreadable(case, made.stream_id, HTML.name, lambda: case.faults.script(always(HTML)))


@check(
    "ERROR-ANSWER-002",
    "Half an answer is an error",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="JSON that breaks off is a PlatformProtocolError for every read, whatever its first half "
    "says.",
    why="A list that breaks off and counts as whole loses live streams, and the host ends or "
    "replaces them.",
    hint="Parse the whole body before reading anything from it, and let no parser mend it.",
)
def sees_halves(case: Case) -> None:
    """Read while answers break off."""
    made = case.create()
    _expect_unreadable(
        case, made.stream_id, "cut-off JSON", lambda: case.faults.script(always(TRUNCATED))
    )


def _expect_unreadable(case: Case, stream_id: str, what: str, disturb: Callable[[], None]) -> None:
    platform = case.platform
    reads: tuple[tuple[str, Callable[[], object]], ...] = (
        ("list_live_streams", lambda: list_all(case)),
        ("get_live_stream", lambda: platform.get_live_stream(stream_id)),
        ("get_credentials", lambda: platform.get_credentials(stream_id)),
    )
    for name, read in reads:
        disturb()
        result, _ = case.sent_by(read)
        case.faults.script({})
        expect(
            isinstance(result, PlatformProtocolError),
            f"{name}() takes {what} with status 200 for {_kind(result)}",
        )


@check(
    "ERROR-ANSWER-003",
    "An answer with something wrong in it breaks nothing",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="An answer in which a field is missing, null, or of another type gives a live stream "
    "whose fields are of their own types, or one of headend's errors; never a KeyError, a "
    "TypeError or their like.",
    why="APIs change.  Hosts catch HeadendError; an AttributeError from within ends their worker, "
    "and a number where a text is promised ends it later.",
    hint="Read every field through headend.plugin.Fields, which raises BrokenAnswerError with the "
    "place, and make that a PlatformProtocolError.",
)
def survives_garbled_answers(case: Case) -> None:
    """Read a live stream while one thing after the other in the answer is wrong."""
    made = case.create(name="Evening show", metadata={"team": "red"})

    def read() -> object:
        return case.platform.get_live_stream(made.stream_id)

    scripts = [
        {request: answering_json(garbled)}
        for request, answer in enumerate(answers_to(case, read))
        for path, _ in leaves(json_of(answer))
        if path
        for garbled in _garbled(json_of(answer), path)
    ]
    if not scripts:
        nothing_to_test("reading a live stream takes no answer in JSON")
    for script in case.random.sample(scripts, min(len(scripts), 12 if case.fast else 120)):
        result = result_of(case, script, read)
        if isinstance(result, LiveStream):
            for name, kind in get_type_hints(LiveStream).items():
                value: object = getattr(result, name)
                expect(
                    _is_of(value, kind),
                    f"an answer that is not as promised gives a live stream whose {name} is a "
                    f"{type(value).__name__}",
                )


_WRONG: Final[tuple[object, ...]] = (
    None,
    7,
    True,
    "",
    "headend?",
    [],
    {},
    ["headend?"],
    {"headend?": 7},
)


def _garbled(value: object, path: tuple[str | int, ...]) -> list[object]:
    *way, last = path
    made = [replaced(value, path, lambda _, wrong=wrong: wrong) for wrong in _WRONG]  # type: ignore[misc]  # mypy cannot infer a lambda's default

    def without(parent: object) -> object:
        if isinstance(parent, dict):
            return {name: one for name, one in parent.items() if name != last}
        return []

    return [*made, replaced(value, tuple(way), without)]


def _is_of(value: object, kind: object) -> bool:
    origin, parts = get_origin(kind), get_args(kind)
    if origin in {Union, UnionType}:
        return any(_is_of(value, one) for one in parts)
    if origin is tuple:
        return isinstance(value, tuple) and all(_is_of(one, parts[0]) for one in value)
    if origin is not None:
        return isinstance(value, origin) and all(
            isinstance(name, str) and isinstance(text, str) for name, text in value.items()
        )
    return isinstance(value, kind) if isinstance(kind, type) else False


@check(
    "ERROR-ANSWER-004",
    "A new word for the state is unknown, not a guess",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where the platform's word for what a live stream does is one that nobody has heard of, "
    "its state is UNKNOWN with a reason; it is no other state, and no error.",
    why="Platforms add words.  A guess ends a show that goes on; an error makes a live stream "
    "unreadable on the day that the platform has something new.",
    hint="Look the word up in a table, with StreamState.UNKNOWN for what is not in it and the word "
    "in state_reason.",
)
def guesses_no_state(case: Case) -> None:
    """Read a live stream that is live, with each word of the answer replaced."""
    made = case.create()
    push(case, made)

    def read() -> LiveStream:
        return case.platform.get_live_stream(made.stream_id)

    unread, unknown = [], False
    for request, answer in enumerate(answers_to(case, read)):
        value = json_of(answer)
        for path, leaf in leaves(value):
            if not (isinstance(leaf, str) and _WORD.fullmatch(leaf)):
                continue
            strange = replaced(value, path, lambda _: "Headend-Unheard-Of")
            result = result_of(case, {request: answering_json(strange)}, read)
            where = ".".join(map(str, path))
            if not isinstance(result, LiveStream):
                unread.append(where)
                continue
            expect(
                result.state in {StreamState.LIVE, StreamState.UNKNOWN},
                f"a live stream that is live becomes {result.state} by a new word for {where}",
            )
            if result.state is StreamState.UNKNOWN:
                unknown = True
                expect(bool(result.state_reason), "an unknown state comes without a reason")
    expect(
        unknown or not unread,
        f"a new word for {', '.join(unread)} makes a live stream unreadable",
    )
    if not unknown:
        nothing_to_test("no word of the platform tells the state of a live stream")


_WORD: Final = re.compile(r"[A-Za-z][A-Za-z _-]{1,30}")


@check(
    "ERROR-ANSWER-005",
    "Fields that are new change nothing",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Objects with fields that are in no documentation read as they do without them.",
    why="Platforms add fields on any day and call it compatible.  A provider that stumbles over "
    "them breaks for all hosts at once.",
    hint="Take what you know by name and leave the rest alone: no cls(**answer).",
)
def ignores_new_fields(case: Case) -> None:
    """Read everything twice, the second time with a further field in each object."""
    made = case.create(name="Evening show", metadata={"team": "red"})
    platform, now = case.platform, case.clock.now()
    reads: tuple[Callable[[], object], ...] = (
        lambda: platform.get_live_stream(made.stream_id),
        lambda: platform.get_credentials(made.stream_id),
        lambda: evolve(platform.get_analytics(made.stream_id), as_of=now),
        lambda: list(platform.list_live_streams()),
    )
    before = [read() for read in reads]
    seen: list[Answer] = []

    def grow(answer: Answer) -> Answer:
        grown = _grown(answer)
        if grown is not answer:
            seen.append(answer)
        return grown

    case.faults.script(always(changing("grown", "each object has a new field", grow)))
    for read, known in zip(reads, before, strict=True):
        result, _ = case.sent_by(read)
        expect(
            not isinstance(result, Exception),
            f"a field that is new makes the provider raise {_kind(result)}",
        )
        expect(result == known, "a field that is new changes what a live stream is")
    if not seen:
        nothing_to_test("no answer of the platform is an object in JSON")


def _grown(answer: Answer) -> Answer:
    value = json_of(answer)
    if not isinstance(value, dict):
        return answer
    return evolve(answer, body=json.dumps(_with_field(value)).encode())


def _with_field(value: object) -> object:
    """Add a field to each object, but not where names and texts are the host's own."""
    match value:
        case list():
            return [_with_field(one) for one in value]
        case dict():
            grown = {name: _with_field(one) for name, one in value.items()}
            if all(isinstance(one, str) for one in value.values()):
                return grown
            return {**grown, "headendNewField": {"of": ["some", "kind", 1]}}
        case _:
            return value


@check(
    "ERROR-ANSWER-006",
    "A list that never ends is an error",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="Where lists come in pages and the platform gives the same page token again, listing "
    "raises a PlatformProtocolError instead of asking for ever.",
    why="Such a list costs the whole rate limit, fills the memory, and stops whatever waits for "
    "it: the host's start, or the search for a creation whose answer was lost.",
    hint="Keep the tokens of a listing in a set, and raise at the first one that is there already.",
)
def ends_endless_lists(case: Case) -> None:
    """List while the answer to the first page comes for every page."""
    case.create()
    page = _page_with_a_next(case)
    if page is None:
        nothing_to_test(f"a list of {_SIZES[-1]} live streams comes in one page")
    error, count = _list_endlessly(case, page)

    expect(count < _PAGES, f"a list whose page token repeats is asked for {count} times and more")
    expect(
        isinstance(error, PlatformProtocolError),
        f"a list whose page token repeats is {_kind(error)}",
    )


_PAGES: Final = 6
"""Requests that a list of one page and its repetition surely does not take."""

_SIZES: Final = (51, 101)
"""Live streams, more than a page of many platforms holds, and of most."""


def _list_endlessly(case: Case, page: Answer) -> tuple[object, int]:
    """List while every request is answered by one page, and return what came of how many."""

    def again(_answer: Answer) -> Answer:
        return page

    endless = times(changing("endless", "one page comes again and again", again), _PAGES)
    case.faults.script({**endless, **times(stranger(503), _PAGES, first=_PAGES)})
    result, sent = case.sent_by(lambda: list_all(case))
    case.faults.script({})
    return result, len(sent)


def _page_with_a_next(case: Case) -> Answer | None:
    """Return the first page of a list that has a second one; `None` where lists have no pages."""
    page, *others = answers_to(case, lambda: list_all(case))
    if others:
        return page
    value = json_of(page)
    # Many platforms have null for the page token of the last page, which tells its name.
    if isinstance(value, dict) and None in value.values():
        token = {name: "aGVhZGVuZA" for name, one in value.items() if one is None}
        with_next = evolve(page, body=json.dumps(value | token).encode())
        if _list_endlessly(case, with_next)[1] > 1:
            return with_next
    made = 1
    for size in _SIZES:
        for number in range(made, size):
            case.create(channel_id=number)
        made = size
        case.pass_time(case.spec.settle_time)
        page, *others = answers_to(case, lambda: list_all(case))
        if others:
            return page
    return None


@check(
    "ERROR-SLOW-001",
    "A slow answer is an answer",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="An answer that comes late, and well within the time that the call allows, is taken; "
    "nothing is sent twice for it.",
    why="Platforms are slow at times, most of all when many go live.  A provider with less "
    "patience than it was given then multiplies the load and fails its hosts.",
    hint="Take the time that a request may last from Attempt.timeout, not from a constant.",
)
def waits_for_slow_answers(case: Case) -> None:
    """List while the answer takes its time."""
    list_all(case)
    _, usual = case.sent_by(lambda: list_all(case))
    case.faults.script({0: slow(_SLOWLY)})
    result, sent = case.sent_by(lambda: list_all(case))

    expect(not isinstance(result, Exception), f"an answer that comes late is {_kind(result)}")
    expect_equal(len(sent), len(usual), "the number of requests of a list whose answer comes late")


_SLOWLY: Final = 0.1
"""Seconds of real time."""


def _kind(result: object) -> str:
    """Say what came of a call."""
    if isinstance(result, Exception):
        return f"told as {type(result).__name__}"
    return "no error"
