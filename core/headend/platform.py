"""What a host application holds: one provider, opened and checked."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial, wraps
from itertools import count
from random import SystemRandom
from typing import TYPE_CHECKING, Concatenate, Final, ParamSpec, Self, TypeVar, cast

from headend.calls import Calls, Pacers, process_pacers
from headend.clock import SystemClock
from headend.discovery import Registry
from headend.encoding import problems
from headend.errors import (
    ConfigurationError,
    ConflictError,
    HeadendError,
    InvalidRequestError,
    LedgerError,
    PermissionDeniedError,
    PlatformError,
    PlatformTimeoutError,
    PluginError,
    UnsupportedError,
)
from headend.ledger import (
    BY_PLATFORM,
    DeferredLedger,
    EntryState,
    LedgerEventKind,
    LedgerPacerStore,
    NewEvent,
    Observation,
    key_of,
    ledger_of,
    open_host_ledger,
)
from headend.ledger.usage import LONGEST_GAP
from headend.lifecycle import Lifecycle, always, no_terms, told_if_not_recorded
from headend.models import EventKind, StreamEvent, StreamState, to_channel_id
from headend.observers import load_observers
from headend.playback import why_not_playable
from headend.provider import (
    PROTOCOLS,
    BatchesAnalytics,
    CreateRequest,
    Enables,
    ListsSessions,
    ParsesEvents,
    ProviderContext,
    PutsTimedMetadata,
    Records,
    RotatesKeys,
    SignsPlayback,
    Simulcasts,
)
from headend.reconcile import Reconciliation
from headend.secret import Secret
from headend.settings import (
    DEFAULT_PROVIDER,
    Configuration,
    OnLedgerFailure,
    structure_options,
    unknown_options,
)
from headend.spec import Capability

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path
    from random import Random
    from types import EllipsisType, TracebackType

    from headend.clock import Clock
    from headend.costs.guard import BudgetGuard
    from headend.encoding import EncodingProblem, StreamShape
    from headend.facts import EncoderLimits
    from headend.models import (
        EndResult,
        Health,
        LiveStream,
        PlaybackToken,
        Recording,
        Session,
        SimulcastTarget,
        StreamAnalytics,
        StreamCredentials,
    )
    from headend.observers import Observers
    from headend.presets import EncodingPreset
    from headend.provider import Provider
    from headend.reconcile import Finding
    from headend.spec import ProviderSpec

_T = TypeVar("_T")
_P = ParamSpec("_P")

_log: Final = logging.getLogger("headend.platform")

_LONGEST_AGE: Final = 1e9
"""Seconds; some thirty years."""

_POLL: Final = 1.0
"""Seconds between two looks while waiting for a live stream."""
_PROBE_TIMEOUT: Final = 10.0
_STATES: Final = {
    EventKind.LIVE: StreamState.LIVE,
    EventKind.INTERRUPTED: StreamState.INTERRUPTED,
    EventKind.IDLE: StreamState.IDLE,
    EventKind.ENDED: StreamState.ENDED,
}
"""What a live stream does after a message of that kind."""
_REFUSALS: Final = 3
"""Looks on end at which a server refuses, after which it is taken at its word."""
_LOOKS_PER_STATE: Final = 5
"""Looks at a playback URL for each question to the platform whether the live stream exists."""


def open(  # noqa: A001  # headend.open reads like the builtin, and is meant to
    provider: str | None = None,
    *,
    settings: Mapping[str, object] | None = None,
    database: str | Path | EllipsisType | None = ...,
    observers: Iterable[object] = (),
) -> StreamingPlatform:
    """Open a provider; its settings are checked here and nothing is sent.

    Args:
        provider: its name; without it ``STREAMING_PLATFORM`` decides.
        settings: values that override the environment and the configuration file, by field name.
        database: the ledger's database URL or `Path`, or `None` to go without a ledger; without
            this argument ``HEADEND_DATABASE_URL`` decides, else it is in ``HEADEND_DATA_DIR``.
        observers: objects with the hooks `headend_attempt`, `headend_wait` or
            `headend_budget_alert`.

    Raises:
        PluginError: there is no such provider, or it cannot be used.
        ConfigurationError: settings are missing or wrong; it tells all of them.
    """
    configuration = Configuration.load()
    registry = Registry(disabled=configuration.host.disable_plugins)
    clock = SystemClock()
    random = SystemRandom()
    name = provider or configuration.host.streaming_platform or DEFAULT_PROVIDER
    if name not in registry.names and not (provider or configuration.host.streaming_platform):
        raise PluginError(
            f"no provider is chosen, and the default, {name}, is not installed: set "
            "STREAMING_PLATFORM, or name the provider to open; installed: "
            + (", ".join(registry.names) or "none")
        )
    options_class = registry.options_class(registry.spec(name))
    url = ledger_of(configuration.host, database)
    ledger = DeferredLedger(
        partial(open_host_ledger, configuration, database=url, clock=clock, random=random)
    )
    watching = load_observers(observers, disabled=configuration.host.disable_plugins)
    calls = Calls(
        clock=clock,
        provider=name,
        random=random,
        pacers=process_pacers() if url is None else Pacers(LedgerPacerStore(ledger, clock), clock),
        observer=watching,
    )
    context = ProviderContext(
        calls=calls,
        clock=clock,
        random=random,
        data_dir=configuration.host.data_dir,
    )
    spec, made = registry.create(
        name,
        configuration=configuration,
        arguments=settings,
        context=context,
    )
    return StreamingPlatform(
        spec=spec,
        provider=made,
        options_class=options_class,
        calls=calls,
        ledger=ledger,
        on_ledger_failure=configuration.host.on_ledger_failure,
        clock=clock,
        random=random,
        terms=partial(_terms, registry, spec),
        encoders=partial(_encoders, registry, spec),
        budgets=_guard(configuration, ledger, clock, watching),
    )


def _guard(
    configuration: Configuration, ledger: DeferredLedger, clock: Clock, observers: Observers | None
) -> BudgetGuard | None:
    """Return what looks after the budgets, or `None` where there are none."""
    if not configuration.has_budgets:
        return None
    from headend.costs.book import CostBook

    book = CostBook(configuration, ledger=ledger, clock=clock, observers=observers)
    # What is wrong with the settings of prices is found now, and not when something is created.
    book.load_prices()
    return book.guard


def _terms(registry: Registry, spec: ProviderSpec, options: object) -> Mapping[str, str]:
    """Return what the ledger keeps of options: those on which prices or encoders depend."""
    from headend.costs.prices import terms_of

    try:
        return terms_of(registry.facts(spec), options)
    except PluginError as error:
        # Facts that cannot be read are no reason to create nothing.
        _log.warning("the options on which prices depend are not recorded: %s", error)
        return {}


def _encoders(registry: Registry, spec: ProviderSpec) -> Sequence[EncoderLimits]:
    """Return what encoders may send, as far as the provider tells."""
    try:
        return registry.facts(spec).encoders
    except PluginError as error:
        # Facts that cannot be read are no reason to send nothing.
        _log.warning("what encoders may send is not known: %s", error)
        return ()


@contextmanager
def _naming(operation: str) -> Iterator[None]:
    """Have an error tell what the host asked for, and not only which request of it failed."""
    try:
        yield
    except PlatformError as error:
        error.during(operation)
        raise


def _named(
    method: Callable[Concatenate[StreamingPlatform, _P], _T],
) -> Callable[Concatenate[StreamingPlatform, _P], _T]:
    """Make a method an operation whose errors bear its name."""

    @wraps(method)
    def operate(self: StreamingPlatform, /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        with _naming(method.__name__):
            return method(self, *args, **kwargs)

    return operate


def _named_each(
    method: Callable[Concatenate[StreamingPlatform, _P], Iterator[_T]],
) -> Callable[Concatenate[StreamingPlatform, _P], Iterator[_T]]:
    """Do the same for a method whose elements are asked for when they are taken."""

    @wraps(method)
    def operate(self: StreamingPlatform, /, *args: _P.args, **kwargs: _P.kwargs) -> Iterator[_T]:
        with _naming(method.__name__):
            elements = method(self, *args, **kwargs)
        return _each_named(elements, method.__name__)

    return operate


def _each_named(elements: Iterator[_T], operation: str) -> Iterator[_T]:
    with _naming(operation):
        yield from elements


_Looks = Callable[Concatenate["StreamingPlatform", _P], Generator[float, None, _T]]


def _named_looks(operation: str) -> Callable[[_Looks[_P, _T]], _Looks[_P, _T]]:
    """Do the same for a generator of waits."""

    def naming(looks: _Looks[_P, _T]) -> _Looks[_P, _T]:
        @wraps(looks)
        def look(
            self: StreamingPlatform, /, *args: _P.args, **kwargs: _P.kwargs
        ) -> Generator[float, None, _T]:
            with _naming(operation):
                return (yield from looks(self, *args, **kwargs))

        return look

    return naming


class StreamingPlatform:
    """One provider, opened.  It is a context manager, and it may be used from many threads.

    All operations raise the `PlatformError` classes; those that take a `stream_id` raise
    `StreamNotFoundError` where there is no such live stream, except `end_live_stream`.
    Operations that the provider does not have raise `UnsupportedError` before any request.
    """

    def __init__(
        self,
        *,
        spec: ProviderSpec,
        provider: Provider,
        options_class: type | None,
        calls: Calls,
        ledger: DeferredLedger,
        clock: Clock,
        random: Random,
        on_ledger_failure: OnLedgerFailure = OnLedgerFailure.REFUSE_CREATE,
        terms: Callable[[object], Mapping[str, str]] = no_terms,
        encoders: Callable[[], Sequence[EncoderLimits]] = tuple,
        budgets: BudgetGuard | None = None,
    ) -> None:
        self._spec = spec
        self._provider = provider
        self._options_class = options_class
        self._calls = calls
        self._ledger = ledger
        self._lifecycle = Lifecycle(
            provider=provider,
            name=spec.name,
            settle_time=spec.settle_time,
            ledger=ledger,
            on_ledger_failure=on_ledger_failure,
            calls=calls,
            clock=clock,
            random=random,
            terms=terms,
            may_create=(
                always if budgets is None else partial(budgets.refuse_if_exceeded, spec.name)
            ),
        )
        self._encoders = encoders
        self._budgets = budgets
        self._needs_ledger = on_ledger_failure is OnLedgerFailure.REFUSE_ALL
        self._clock = clock
        self._random = random
        self._closed = False

    @property
    def provider(self) -> str:
        """The provider's name."""
        return self._spec.name

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What it can do beyond the operations that all providers have."""
        return self._spec.capabilities

    def native(self, kind: type[_T]) -> _T:
        """Return the provider itself, for what it alone has beyond the operations of this class.

        Its methods raise the same errors, and wait for the platform.  What it creates is not in
        the ledger, and the code that uses it works with this provider only::

            platform.native(AcmeProvider).warm_up_cache(stream_id)

        Args:
            kind: its class, or a runtime-checkable protocol with the methods that are needed.

        Raises:
            UnsupportedError: the opened provider is not of that kind.
        """
        provider: object = self._open_provider()
        if not isinstance(provider, kind):
            raise UnsupportedError(
                f"{self.provider} is no {kind.__name__}; it is a {type(provider).__name__}",
                provider=self.provider,
                feature=kind.__name__,
            )
        return provider

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<StreamingPlatform {self.provider}{' (closed)' if self._closed else ''}>"

    def close(self) -> None:
        """Free connections.  Live streams stay as they are; closing twice is harmless."""
        if not self._closed:
            self._closed = True
            if self._budgets is not None:
                self._budgets.close()
            self._calls.close()
            try:
                self._provider.close()
            finally:
                self._ledger.close()

    @_named
    def create_live_stream(
        self,
        channel_id: int | str,
        *,
        name: str | None = None,
        metadata: Mapping[str, str] | None = None,
        low_latency: bool = False,
        idempotency_key: str | None = None,
        options: Mapping[str, object] | None = None,
    ) -> StreamCredentials:
        """Create a live stream and return what is needed to push to it and to watch it.

        When the answer is lost, it is looked for on the platform before it is sent again, so one
        call never creates two.

        Args:
            channel_id: your own id for what is broadcast; 42 and "42" are the same.
            name: for people.
            metadata: your own texts, returned by `get_live_stream`.
            low_latency: ask for playback a few seconds behind the encoder at most.
            idempotency_key: a text of yours; a later call with the same one, also from another
                process on the same ledger, returns what the first created.
            options: what only this provider has, by the names of its options class.

        Raises:
            UnsupportedError: the provider has no low latency, or no such option.
            InvalidRequestError: a value is not acceptable.
            ConflictError: the idempotency key was used for something else.
            UncertainOutcomeError: the request was sent and its fate could not be learnt.
            LedgerError: the intent could not be written down; nothing was sent.
            BudgetExceededError: a budget is used up, and ``HEADEND_ON_BUDGET_EXCEEDED`` is
                ``refuse-create``; nothing was sent.  What an idempotency key has created before
                is returned all the same.
        """
        operation = "create_live_stream"
        if low_latency:
            self._need(Capability.LOW_LATENCY, "low_latency=True")
        request = CreateRequest(
            channel_id=self._channel_id(channel_id, operation),
            name=self._name(name, operation),
            metadata=self._metadata(metadata or {}, operation),
            low_latency=low_latency,
            marker="",
            options=self._options(options or {}, operation),
        )
        if idempotency_key is not None:
            self._id(idempotency_key, operation, what="idempotency key")
        self._open_provider()
        made = self._lifecycle.create(request, idempotency_key)
        self._look_after_budgets()
        return made

    @_named
    def get_live_stream(self, stream_id: str) -> LiveStream:
        """Return one live stream as the platform has it now."""
        return self._open_provider().get_live_stream(self._id(stream_id, "get_live_stream"))

    @_named_each
    def list_live_streams(self) -> Iterator[LiveStream]:
        """Return all live streams, page by page as they are taken.

        What a list answer does not tell is `None`; no further request is sent to find it out.
        """
        return self._open_provider().list_live_streams()

    @_named
    def get_credentials(self, stream_id: str) -> StreamCredentials:
        """Return what `create_live_stream` returned, with the key as it is now."""
        return self._open_provider().get_credentials(self._id(stream_id, "get_credentials"))

    def check_encoding(
        self, stream_id: str, encoding: EncodingPreset | StreamShape
    ) -> list[EncodingProblem]:
        """Return why an encoder would be cut off, or is advised to send something else.

        The platform is not asked: what it takes is in the provider's facts, and how the live
        stream was created in the ledger.  Where that is not known, what would be cut off then is
        advice that says so.

        Args:
            stream_id: the live stream to which it is to be sent.
            encoding: a preset, or what a file has that is to be sent as it is.
        """
        stream_id = self._id(stream_id, "check_encoding")
        provider, limits = self._open_provider(), self._encoders()
        terms: Mapping[str, str] = {}
        if any(one.terms for one in limits):
            # Neither a ledger nor an account that cannot be asked keeps anybody from sending.
            with suppress(ConfigurationError, LedgerError, PlatformError):
                entry = self._ledger.get().find(self.provider, provider.account, stream_id)
                terms = {} if entry is None else entry.terms
        return problems(encoding, limits, terms)

    @_named
    def get_playback_url(self, stream_id: str) -> str:
        """Return the HLS address for viewers."""
        return self._open_provider().get_playback_url(self._id(stream_id, "get_playback_url"))

    @_named
    def get_analytics(self, stream_id: str) -> StreamAnalytics:
        """Return viewers, bitrate, peak and watch time: a figure, or `None` and the reason."""
        return self._open_provider().get_analytics(self._id(stream_id, "get_analytics"))

    @_named
    def get_analytics_many(self, stream_ids: Sequence[str]) -> list[StreamAnalytics]:
        """Return the analytics of many live streams, in the order asked.

        With `Capability.BATCH_ANALYTICS` it takes fewer requests than one each.
        """
        operation = "get_analytics_many"
        if isinstance(stream_ids, str):
            raise self._invalid("stream_ids are several; one alone is [stream_id]", operation)
        ids = [self._id(stream_id, operation) for stream_id in stream_ids]
        provider = self._open_provider()
        if Capability.BATCH_ANALYTICS in self.capabilities and isinstance(
            provider, BatchesAnalytics
        ):
            return list(provider.get_analytics_many(ids))
        return [provider.get_analytics(stream_id) for stream_id in ids]

    @_named
    def end_live_stream(self, stream_id: str, *, delete_recordings: bool = False) -> EndResult:
        """End a live stream for good.  One that is gone already is no error.

        Args:
            stream_id: the live stream.
            delete_recordings: delete what is kept of it too.  Otherwise the result names the
                recordings that stay, and are billed, on the platform.

        Raises:
            UnsupportedError: recordings are to be deleted and the provider knows of none.
        """
        if delete_recordings:
            self._need(Capability.RECORDINGS, "delete_recordings=True")
        self._open_provider()
        result = self._lifecycle.end(
            self._id(stream_id, "end_live_stream"), delete_recordings=delete_recordings
        )
        self._look_after_budgets()
        return result

    @_named
    def reconcile(
        self, *, dry_run: bool = False, clean: bool = False, older_than: float = 0.0
    ) -> list[Finding]:
        """Compare ledger and platform in both directions, over all pages, and bring them in line.

        The ledger is corrected, and ends that broke off are finished.  What does not bear this
        ledger's marker is reported and never touched.

        Args:
            dry_run: only report.
            clean: end orphans and duplicates, too; never one that is live.
            older_than: seconds; younger ones, and those of unknown age, are left alone.

        Raises:
            InvalidRequestError: `older_than` is no number of seconds.
            ConfigurationError: the ledger is off, so there is nothing to compare with.
        """
        if not 0 <= older_than <= _LONGEST_AGE:
            raise self._invalid(f"older_than is no age in seconds: {older_than}", "reconcile")
        provider = self._open_provider()
        ledger = self._ledger.get()
        if ledger.location is None:
            raise ConfigurationError(
                "the ledger is off, so there is nothing to compare the platform with; "
                "set HEADEND_DATABASE_URL, or leave it unset"
            )
        return Reconciliation(
            provider=provider,
            name=self.provider,
            settle_time=self._spec.settle_time,
            ledger=ledger,
            lifecycle=self._lifecycle,
            clock=self._clock,
            dry_run=dry_run,
            clean=clean,
            older_than=older_than,
        ).run()

    def locate_ledger(self) -> str | None:
        """Return where the ledger is kept, or `None` when it is off and nothing survives a crash.

        Raises:
            ConfigurationError: it cannot be opened.
        """
        return self._ledger.get().location

    @_named
    def check_health(self) -> Health:
        """Ask the platform whether a live stream could be created with these settings."""
        return self._open_provider().check_health()

    def is_healthy(self) -> bool:
        """Return whether a live stream could be created; a failing platform is `False`."""
        try:
            return self.check_health().ok
        except PlatformError:
            return False

    def wait_until_live(self, stream_id: str, timeout: float = 60.0) -> LiveStream:
        """Wait until an encoder pushes and viewers can watch.

        Args:
            stream_id: the live stream.
            timeout: seconds.

        Raises:
            PlatformTimeoutError: it is not live after that time; the message tells its state.
            ConflictError: it has ended or is disabled, so that waiting is useless.
        """
        return self._wait(self._until_live(stream_id, timeout))

    @_named_looks("wait_until_live")
    def _until_live(self, stream_id: str, timeout: float) -> Generator[float, None, LiveStream]:
        """Yield the seconds to wait before each further look."""
        operation = "wait_until_live"
        end = self._clock.monotonic() + timeout
        while True:
            stream = self.get_live_stream(stream_id)
            if stream.state is StreamState.LIVE:
                return stream
            if stream.state in {StreamState.ENDED, StreamState.DISABLED}:
                raise ConflictError(
                    f"live stream {stream_id} is {stream.state} and will not go live",
                    provider=self.provider,
                    operation=operation,
                )
            reason = f": {stream.state_reason}" if stream.state_reason else ""
            yield self._pause(end, timeout, operation, f"it is {stream.state or 'unknown'}{reason}")

    def wait_until_playable(self, stream_id: str, timeout: float = 60.0) -> str:
        """Wait until a viewer's player would get video, and return the playback URL.

        Args:
            stream_id: the live stream.
            timeout: seconds.

        Raises:
            PlatformTimeoutError: it is not playable after that time; the message tells why.
            PermissionDeniedError: viewers are refused (401 or 403) at three looks on end, as they
                are where they need a playback token; `wait_until_live` needs none.
        """
        return self._wait(self._until_playable(stream_id, timeout))

    @_named_looks("wait_until_playable")
    def _until_playable(self, stream_id: str, timeout: float) -> Generator[float, None, str]:
        """Yield the seconds to wait before each further look."""
        end = self._clock.monotonic() + timeout
        url = self.get_playback_url(stream_id)
        refusals = 0
        for look in count(1):
            left = max(end - self._clock.monotonic(), _POLL)
            found = why_not_playable(url, timeout=min(left, _PROBE_TIMEOUT), clock=self._clock)
            if found is None:
                break
            reason = found.reason
            refusals = refusals + 1 if found.refused else 0
            if refusals == _REFUSALS:
                raise PermissionDeniedError(
                    f"viewers are refused: {reason}, {_REFUSALS} times on end; where they need a "
                    "playback token, use wait_until_live(), and give each viewer what "
                    "create_playback_token() makes",
                    provider=self.provider,
                    operation="wait_until_playable",
                )
            if look % _LOOKS_PER_STATE == 0 or self._clock.monotonic() >= end:
                # One that was ended meanwhile will not become playable, and one to which
                # nobody pushes cannot; the state says more than a playlist that is not there.
                stream = self.get_live_stream(stream_id)
                if stream.state is StreamState.IDLE:
                    reason = f"nothing is being pushed to it ({reason})"
            yield self._pause(end, timeout, "wait_until_playable", reason)
        return url

    def _wait(self, looks: Generator[float, None, _T]) -> _T:
        while True:
            try:
                seconds = next(looks)
            except StopIteration as seen:
                return cast("_T", seen.value)
            self._clock.sleep(seconds)

    @_named
    def rotate_stream_key(self, stream_id: str) -> StreamCredentials:
        """Replace the stream key; the old one is dead from then on (`KEY_ROTATION`)."""
        operation = "rotate_stream_key"
        rotated = self._able(RotatesKeys, Capability.KEY_ROTATION, operation).rotate_stream_key(
            self._id(stream_id, operation)
        )
        with told_if_not_recorded(f"the stream key of {stream_id} was replaced"):
            self._append_rotation(stream_id)
        return rotated

    @_named
    def enable_live_stream(self, stream_id: str) -> LiveStream:
        """Let encoders in again (`ENABLE`)."""
        operation = "enable_live_stream"
        return self._able(Enables, Capability.ENABLE, operation).enable_live_stream(
            self._id(stream_id, operation)
        )

    @_named
    def disable_live_stream(self, stream_id: str) -> LiveStream:
        """Refuse encoders and disconnect the one that is there, without ending it (`ENABLE`)."""
        operation = "disable_live_stream"
        return self._able(Enables, Capability.ENABLE, operation).disable_live_stream(
            self._id(stream_id, operation)
        )

    @_named_each
    def list_recordings(self, stream_id: str) -> Iterator[Recording]:
        """Return what is kept of a live stream's sessions (`RECORDINGS`)."""
        operation = "list_recordings"
        return self._able(Records, Capability.RECORDINGS, operation).list_recordings(
            self._id(stream_id, operation)
        )

    @_named
    def delete_recording(self, recording_id: str) -> None:
        """Delete a recording for good; one that is gone is no error (`RECORDINGS`)."""
        operation = "delete_recording"
        self._able(Records, Capability.RECORDINGS, operation).delete_recording(
            self._id(recording_id, operation, what="recording id")
        )
        with told_if_not_recorded(f"the recording {recording_id} was deleted"):
            self._ledger.get().recording_deleted(
                self.provider, self._provider.account, recording_id, self._clock.now()
            )

    @_named
    def list_simulcast_targets(self, stream_id: str) -> list[SimulcastTarget]:
        """Return the places to which the platform pushes a copy (`SIMULCAST`)."""
        operation = "list_simulcast_targets"
        able = self._able(Simulcasts, Capability.SIMULCAST, operation)
        return list(able.list_simulcast_targets(self._id(stream_id, operation)))

    @_named
    def create_simulcast_target(
        self, stream_id: str, server_url: str, stream_key: Secret | str
    ) -> SimulcastTarget:
        """Have the platform push a copy elsewhere (`SIMULCAST`).

        Args:
            stream_id: the live stream.
            server_url: where the copy goes, without the key.
            stream_key: the key for that place; a `str` becomes a `Secret` at once.
        """
        operation = "create_simulcast_target"
        given: object = stream_key
        key = Secret(given) if isinstance(given, str) else given
        if not isinstance(key, Secret):
            raise self._invalid(
                f"the stream key is a Secret or a str, not {type(key).__name__}", operation
            )
        return self._able(Simulcasts, Capability.SIMULCAST, operation).create_simulcast_target(
            self._id(stream_id, operation), self._address(server_url, operation), key
        )

    @_named
    def update_simulcast_target(
        self, stream_id: str, target_id: str, *, enabled: bool
    ) -> SimulcastTarget:
        """Switch a simulcast target on or off (`SIMULCAST`)."""
        operation = "update_simulcast_target"
        return self._able(Simulcasts, Capability.SIMULCAST, operation).update_simulcast_target(
            self._id(stream_id, operation),
            self._id(target_id, operation, what="target id"),
            enabled=enabled,
        )

    @_named
    def delete_simulcast_target(self, stream_id: str, target_id: str) -> None:
        """Remove a simulcast target; one that is gone is no error (`SIMULCAST`)."""
        operation = "delete_simulcast_target"
        self._able(Simulcasts, Capability.SIMULCAST, operation).delete_simulcast_target(
            self._id(stream_id, operation), self._id(target_id, operation, what="target id")
        )

    @_named
    def create_playback_token(self, stream_id: str, *, expires_in: float) -> PlaybackToken:
        """Give leave to watch for so many seconds, one at least (`SIGNED_PLAYBACK`)."""
        operation = "create_playback_token"
        given: object = expires_in
        if isinstance(given, bool) or not isinstance(given, (int, float)):
            raise self._invalid(
                f"expires_in is a number of seconds, not {type(given).__name__}", operation
            )
        # Tokens tell whole seconds, so that one for less would have expired when it is made.
        if math.isnan(given) or given < 1:
            raise self._invalid(f"expires_in must be at least 1 second, not {given:g}", operation)
        return self._able(
            SignsPlayback, Capability.SIGNED_PLAYBACK, operation
        ).create_playback_token(self._id(stream_id, operation), expires_in=expires_in)

    @_named
    def parse_event(self, headers: Mapping[str, str], body: bytes | str) -> StreamEvent:
        """Verify and read a message that the platform sent to your application (`EVENTS`).

        Args:
            headers: the header fields that came with it.
            body: just as it came, since a signature may be that of its bytes; a `str` is taken as
                UTF-8.

        Raises:
            AuthenticationError: it does not come from the platform.
            InvalidRequestError: this is no message's headers and body.
        """
        operation = "parse_event"
        able = self._able(ParsesEvents, Capability.EVENTS, operation)
        return able.parse_event(*self._message(headers, body, operation))

    @_named
    def record_event(self, event: StreamEvent) -> bool:
        """Keep in the ledger what `parse_event` returned, if it changes what the ledger knows.

        What the platform tells of a broadcast that begins or ends counts like an observation of
        it.  A message that comes twice, or late, changes nothing.

        Args:
            event: a message of this provider's platform.

        Returns:
            Whether the ledger has a new event: ``went-live``, ``went-idle`` or ``ended``.

        Raises:
            InvalidRequestError: it is another provider's.
            LedgerError: it could not be written down; give it again later.
        """
        operation = "record_event"
        given: object = event
        if not isinstance(given, StreamEvent):
            raise self._invalid(
                f"an event is what parse_event() returns, not {type(given).__name__}", operation
            )
        if event.provider != self.provider:
            raise self._invalid(f"the event is one of {event.provider}", operation)
        provider, state = self._open_provider(), _STATES.get(event.kind)
        if event.stream_id is None or state is None:
            return False
        ledger, now = self._ledger.get(), self._clock.now()
        named = (self.provider, provider.account, event.stream_id)
        seen = Observation(
            provider=self.provider,
            account=provider.account,
            stream_id=event.stream_id,
            # Until that moment nothing that anybody sees would count.
            at=min(event.occurred_at, now + LONGEST_GAP),
            state=state,
            message_id=event.event_id,
        )
        is_new = bool(ledger.observe(seen, now=now))
        entry = ledger.find(*named) if state is StreamState.ENDED else None
        if entry is not None and entry.state is not EntryState.ENDED:
            ledger.ended(*named, now, caused_by=BY_PLATFORM)
            is_new = True
        self._look_after_budgets()
        return is_new

    @_named_each
    def list_sessions(self, stream_id: str) -> Iterator[Session]:
        """Return a live stream's broadcasts, the latest first (`SESSIONS`)."""
        operation = "list_sessions"
        return self._able(ListsSessions, Capability.SESSIONS, operation).list_sessions(
            self._id(stream_id, operation)
        )

    @_named
    def get_session(self, stream_id: str, session_id: str) -> Session:
        """Return one broadcast, with its encoder's settings and what happened in it (`SESSIONS`).

        Raises:
            StreamNotFoundError: there is no such live stream, or it had no such session.
        """
        operation = "get_session"
        return self._able(ListsSessions, Capability.SESSIONS, operation).get_session(
            self._id(stream_id, operation), self._id(session_id, operation, what="session id")
        )

    @_named
    def put_timed_metadata(self, stream_id: str, text: str) -> None:
        """Send a text to all viewers, in time with the picture (`TIMED_METADATA`)."""
        operation = "put_timed_metadata"
        self._able(PutsTimedMetadata, Capability.TIMED_METADATA, operation).put_timed_metadata(
            self._id(stream_id, operation), text
        )

    def _open_provider(self) -> Provider:
        if self._closed:
            raise HeadendError("this platform is closed; headend.open() gives a new one")
        if self._needs_ledger:
            self._ledger.check()
        return self._provider

    def _look_after_budgets(self) -> None:
        if self._budgets is not None:
            self._budgets.check_soon()

    def _append_rotation(self, stream_id: str) -> None:
        ledger, now = self._ledger.get(), self._clock.now()
        kind, account = LedgerEventKind.KEY_ROTATED, self._provider.account
        # Each rotation is one of its own, also of two at the same time.
        once = f"{self._random.getrandbits(64):016x}"
        event = NewEvent(
            key=key_of(kind, self.provider, account, stream_id, once),
            kind=kind,
            occurred_at=now,
            provider=self.provider,
            account=account,
            stream_id=stream_id,
            caused_by=ledger.actor,
        )
        ledger.append(event, now=now)

    def _need(self, capability: Capability, what: str) -> None:
        if capability not in self.capabilities:
            can = ", ".join(sorted(self.capabilities)) or "none"
            raise UnsupportedError(
                f"{self.provider} does not support {what}: it lacks the capability {capability}; "
                f"its capabilities are {can}",
                provider=self.provider,
                feature=capability,
            )

    def _able(self, protocol: type[_T], capability: Capability, operation: str) -> _T:
        assert PROTOCOLS[capability] is protocol
        self._need(capability, operation)
        provider: object = self._open_provider()
        if not isinstance(provider, protocol):
            raise PluginError(f"{self.provider} declares {capability} but lacks its operations")
        return provider

    def _invalid(self, message: str, operation: str) -> InvalidRequestError:
        return InvalidRequestError(
            message, provider=self.provider, operation=operation, request_sent=False
        )

    def _id(self, value: object, operation: str, *, what: str = "stream id") -> str:
        if isinstance(value, Secret):
            raise self._invalid(f"a secret is not a {what}; pass credentials.stream_id", operation)
        if not isinstance(value, str):
            raise self._invalid(f"a {what} is a str, not {type(value).__name__}", operation)
        if not value or not value.isprintable():
            raise self._invalid(f"a {what} is not empty and has no control characters", operation)
        return value

    def _address(self, value: object, operation: str) -> str:
        if not isinstance(value, str):
            raise self._invalid(f"an address is a str, not {type(value).__name__}", operation)
        return value

    def _message(
        self, headers: object, body: object, operation: str
    ) -> tuple[Mapping[str, str], bytes]:
        if not isinstance(headers, Mapping):
            raise self._invalid(
                f"headers are names with values, as a dict has them, not {type(headers).__name__}",
                operation,
            )
        if isinstance(body, str):
            return headers, body.encode(errors="surrogatepass")
        if not isinstance(body, (bytes, bytearray, memoryview)):
            raise self._invalid(
                f"a body is bytes just as they came, not {type(body).__name__}", operation
            )
        return headers, bytes(body)

    def _channel_id(self, value: int | str, operation: str) -> str:
        try:
            return to_channel_id(value)
        except (TypeError, ValueError) as error:
            raise self._invalid(str(error), operation) from error

    def _name(self, value: object, operation: str) -> str | None:
        if value is not None and not isinstance(value, str):
            raise self._invalid(f"a name is a str, not {type(value).__name__}", operation)
        return None if value is None else self._text(value, "the name", operation)

    def _metadata(self, value: Mapping[str, str], operation: str) -> dict[str, str]:
        given: list[tuple[object, object]] = list(value.items())
        for key, text in given:
            if not isinstance(key, str) or not isinstance(text, str):
                raise self._invalid(f"metadata is text to text; {key!r} is not", operation)
            self._text(key, "a key of the metadata", operation)
            self._text(text, f"the metadata {key!r}", operation)
        return dict(value)

    def _text(self, value: str, what: str, operation: str) -> str:
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise self._invalid(f"{what} holds half a character, no text", operation) from error
        if "\0" in value:
            raise self._invalid(f"{what} holds a zero character", operation)
        return value

    def _options(self, given: Mapping[str, object], operation: str) -> object:
        if self._options_class is None:
            if given:
                raise UnsupportedError(
                    f"option {min(given)}: no such option: {self.provider} has none",
                    provider=self.provider,
                    feature=min(given),
                )
            return None
        for name, what in unknown_options(self._options_class, given):
            raise UnsupportedError(f"option {name}: {what}", provider=self.provider, feature=name)
        made, problems = structure_options(cast("type[object]", self._options_class), given)
        if problems:
            listing = "; ".join(f"option {name}: {what}" for name, what in problems)
            raise self._invalid(listing, operation)
        return made

    def _pause(self, end: float, timeout: float, operation: str, seen: str) -> float:
        left = end - self._clock.monotonic()
        if not left > 0:
            raise PlatformTimeoutError(
                f"not within {timeout:g} s; last seen: {seen}",
                provider=self.provider,
                operation=operation,
            )
        return min(_POLL, left)
