"""What creating and ending do when the ledger, the platform or the host misbehave."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from attrs import evolve, frozen

from headend.calls import Calls, Effect, Operation, Pacers, PacerState, RateLimit
from headend.calls.pacing import MemoryPacerStore
from headend.clock import SystemClock
from headend.errors import (
    ConfigurationError,
    ConflictError,
    HeadendError,
    InvalidRequestError,
    LedgerError,
    PermissionDeniedError,
    PlatformTimeoutError,
    StreamNotFoundError,
    UncertainOutcomeError,
)
from headend.ledger import DeferredLedger, LedgerPacerStore, MemoryLedger
from headend.lifecycle import owner_is_dead, owner_of_this_process
from headend.reconcile import Action
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from headend_acme.provider import AcmeProvider

    from headend.models import StreamCredentials
    from headend.platform import StreamingPlatform
    from headend.provider import CreateRequest
    from tests.conftest import Opened


def refused(*_: object, **__: object) -> None:
    raise PermissionDeniedError("no", provider="acme", operation="end_live_stream")


def broken(*_: object, **__: object) -> None:
    raise LedgerError("the ledger is full", ledger="x")


def test_ending_goes_on_where_the_ledger_fails(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, _ = opened()
    stream_id = platform.create_live_stream(1).stream_id
    for name in ("ending", "ended"):
        monkeypatch.setattr(MemoryLedger, name, broken)

    assert platform.end_live_stream(stream_id).outcome == "ended"


def test_what_was_created_is_returned_though_it_cannot_be_recorded(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, _ = opened()
    monkeypatch.setattr(MemoryLedger, "created", broken)

    assert platform.create_live_stream(1).stream_id == "live-1"


def test_what_was_adopted_meanwhile_is_the_result(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, provider = opened()
    first = platform.create_live_stream(1)

    def adopted(ledger: MemoryLedger, marker: str, *, now: datetime, **_: object) -> bool:
        ledger.created(marker, first.stream_id, now)
        return False

    monkeypatch.setattr(MemoryLedger, "renew", adopted)

    assert platform.create_live_stream(2).stream_id == first.stream_id
    assert len(provider.requests) == 1


def test_nothing_is_sent_where_the_intent_cannot_be_written(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, provider = opened()
    monkeypatch.setattr(MemoryLedger, "begin", broken)
    with pytest.raises(LedgerError):
        platform.create_live_stream(1)

    assert provider.requests == []


def test_an_end_that_was_refused_leaves_the_live_stream_wanted(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, provider = opened()
    made = platform.create_live_stream(1, idempotency_key="k")
    monkeypatch.setattr(provider, "end_live_stream", refused)
    with pytest.raises(PermissionDeniedError):
        platform.end_live_stream(made.stream_id)

    assert platform.create_live_stream(1, idempotency_key="k").stream_id == made.stream_id


def test_a_key_whose_live_stream_was_removed_elsewhere_says_so(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, provider = opened()
    platform.create_live_stream(1, idempotency_key="k")

    def gone(stream_id: str) -> None:
        raise StreamNotFoundError("gone", provider="acme", operation="get_credentials")

    monkeypatch.setattr(provider, "get_credentials", gone)
    with pytest.raises(ConflictError, match="is gone from the platform; a new live stream needs"):
        platform.create_live_stream(1, idempotency_key="k")


class LosesAnswers:
    """Makes a provider create, lose the answers, and confirm what is found as it is told to."""

    def __init__(self, provider: AcmeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checked: list[tuple[CreateRequest, str]] = []
        self.refusal: HeadendError | None = None
        self._provider = provider
        self._create = provider.create_live_stream
        monkeypatch.setattr(provider, "create_live_stream", self.create)
        monkeypatch.setattr(provider, "confirm_live_stream", self.confirm, raising=False)

    def create(self, request: CreateRequest) -> StreamCredentials:
        self._create(request)
        raise PlatformTimeoutError("lost", provider="acme", operation="create_live_stream")

    def confirm(self, request: CreateRequest, stream_id: str) -> StreamCredentials:
        self.checked.append((request, stream_id))
        if isinstance(self.refusal, (ConfigurationError, InvalidRequestError)):
            del self._provider.streams[stream_id]
        if self.refusal is not None:
            raise self.refusal
        made = self._provider.get_credentials(stream_id)
        return evolve(made, warnings=("low latency was not kept",))


@pytest.fixture
def lossy(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> tuple[StreamingPlatform, AcmeProvider, LosesAnswers]:
    platform, provider = opened()
    return platform, provider, LosesAnswers(provider, monkeypatch)


Lossy = tuple["StreamingPlatform", "AcmeProvider", LosesAnswers]


def test_what_is_found_after_a_lost_answer_is_checked_against_what_was_asked_for(
    lossy: Lossy,
) -> None:
    platform, provider, answers = lossy

    made = platform.create_live_stream(1, name="News at ten", metadata={"a": "b"})

    assert made.warnings == ("low latency was not kept",)
    assert answers.checked == [(provider.requests[0], "live-1")]
    assert len(provider.requests) == 1


def test_what_no_list_shows_yet_is_adopted_where_it_is_found_by_marker_and_name(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, provider = opened()
    create = provider.create_live_stream

    def killed(request: CreateRequest) -> None:
        create(request)
        raise KeyboardInterrupt

    monkeypatch.setattr(provider, "create_live_stream", killed)
    with pytest.raises(KeyboardInterrupt):
        platform.create_live_stream(1, name="News at ten")
    monkeypatch.setattr(provider, "list_live_streams", lambda: iter(()))
    monkeypatch.setattr(MemoryLedger, "location", "here")

    (finding,) = platform.reconcile()

    assert (finding.stream_id, finding.action) == ("live-1", Action.ADOPT)


def test_a_provider_that_confirms_nothing_gives_the_credentials_of_what_was_found(
    lossy: Lossy, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, provider, _ = lossy
    monkeypatch.delattr(provider, "confirm_live_stream")

    assert platform.create_live_stream(1).warnings == ()
    assert provider.asked[-1] == "get_credentials"


@pytest.mark.parametrize(
    "refusal",
    [
        InvalidRequestError("not kept", provider="acme", operation="create_live_stream"),
        ConfigurationError.of("acme", ["ACME_URL is missing"]),
    ],
    ids=["a grave setting", "no playback address"],
)
def test_what_was_not_made_as_asked_is_the_error_it_would_have_been_and_nothing_stays(
    lossy: Lossy, refusal: HeadendError
) -> None:
    platform, provider, answers = lossy
    answers.refusal = refusal
    with pytest.raises(type(refusal)):
        platform.create_live_stream(1, idempotency_key="k")

    assert provider.streams == {}
    assert len(provider.requests) == 1
    answers.refusal = None
    assert platform.create_live_stream(1, idempotency_key="k").stream_id == "live-2"


def test_what_could_not_be_checked_is_uncertain_and_is_checked_by_the_next_call_with_its_key(
    lossy: Lossy,
) -> None:
    platform, provider, answers = lossy
    answers.refusal = PlatformTimeoutError("slow", provider="acme", operation="get_credentials")
    with pytest.raises(UncertainOutcomeError, match=r"live-1 was found, and could not be checked"):
        platform.create_live_stream(1, idempotency_key="k")

    answers.refusal = None
    made = platform.create_live_stream(1, idempotency_key="k")

    assert (made.stream_id, made.warnings) == ("live-1", ("low latency was not kept",))
    assert [stream_id for _, stream_id in answers.checked] == ["live-1", "live-1"]
    assert len(provider.requests) == 1


def test_what_another_process_left_unfinished_is_checked_by_the_one_that_takes_over(
    lossy: Lossy, monkeypatch: pytest.MonkeyPatch
) -> None:
    platform, provider, answers = lossy

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(provider, "find_live_streams", killed)
        with pytest.raises(KeyboardInterrupt):
            platform.create_live_stream(1, idempotency_key="k")
    assert answers.checked == []

    made = platform.create_live_stream(1, idempotency_key="k")

    assert made.warnings == ("low latency was not kept",)
    assert answers.checked == [(provider.requests[0], "live-1")]


def test_the_same_key_for_something_else_is_a_conflict(opened: Opened) -> None:
    platform, provider = opened()
    platform.create_live_stream(1, idempotency_key="k")
    with pytest.raises(ConflictError, match="used for another live stream"):
        platform.create_live_stream(2, idempotency_key="k")

    assert len(provider.requests) == 1


@pytest.mark.parametrize("text", ["a\0b", "\ud800"])
def test_text_that_is_none_is_refused_unsent(opened: Opened, text: str) -> None:
    platform, provider = opened()
    for arguments in ({"name": text}, {"metadata": {"k": text}}, {"metadata": {text: "v"}}):
        with pytest.raises(InvalidRequestError):
            platform.create_live_stream(1, **arguments)

    assert provider.requests == []


@pytest.mark.parametrize("age", [float("nan"), -1.0, 1e300])
def test_an_age_that_is_none_is_refused(opened: Opened, age: float) -> None:
    with pytest.raises(InvalidRequestError):
        opened()[0].reconcile(older_than=age)


A = Secret("a")


def test_options_are_told_apart_and_their_order_is_not(opened: Opened) -> None:
    from headend.lifecycle import _digest
    from headend.provider import CreateRequest

    @frozen
    class Options:
        regions: frozenset[str] = frozenset()
        passphrase: Secret = A

    def digest(options: Options) -> str:
        return _digest(CreateRequest(channel_id="1", marker="m", options=options))

    assert digest(Options(frozenset("abc"))) == digest(Options(frozenset("cba")))
    assert digest(Options()) != digest(Options(passphrase=Secret("b")))


def test_a_process_knows_itself_alive_and_nothing_of_other_machines() -> None:
    mine = owner_of_this_process()
    space = mine.rpartition(":")[0]

    assert not owner_is_dead(mine)
    assert owner_is_dead(f"{space}:99999999")
    assert not owner_is_dead("elsewhere/pid:[1]:99999999")


class FullDisk:
    """A store that runs the change and then fails, as a commit on a full disk does."""

    def update(self, keys: list[str], change: Callable[[list[PacerState], float], object]) -> None:
        change([PacerState() for _ in keys], 0.0)
        raise LedgerError("the disk is full", ledger="x")


def test_pacing_goes_on_alone_while_the_ledger_fails_and_tries_it_seldom() -> None:
    tried: list[int] = []

    class Broken(MemoryLedger):
        @property
        def pacers(self) -> FullDisk:  # type: ignore[override]
            tried.append(1)
            return FullDisk()

    clock = SystemClock()
    store = LedgerPacerStore(DeferredLedger(lambda: Broken(id="x")), clock)
    calls = Calls(clock=clock, provider="full-disk", pacers=Pacers(store, clock))
    limit = RateLimit(name="all", requests=10_000, window=1.0, per="credential", burst=100)

    for _ in range(5):
        assert calls.run(Operation("Get", Effect.READ, (limit,)), lambda _: "ok") == "ok"
    assert tried == [1]


def test_closing_tells_those_who_wait_for_their_turn() -> None:
    clock = SystemClock()
    calls = Calls(clock=clock, pacers=Pacers(MemoryPacerStore(clock), clock)).scoped("a")
    limit = RateLimit(name="slow", requests=5, window=1.0, per="credential")
    asked = Operation("Get", Effect.READ, (limit,))
    told: list[BaseException] = []

    def ask() -> None:
        try:
            calls.run(asked, lambda _: None)
        except HeadendError as error:
            told.append(error)

    calls.run(asked, lambda _: None)
    waiting = threading.Thread(target=ask)
    waiting.start()
    calls.close()
    waiting.join(5)

    assert "the platform was closed" in str(told[0])
