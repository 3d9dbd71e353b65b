"""What a host knows of its live streams, held against what the provider says and what is so.

Everything that does not agree raises `CheckFailedError`, whose text tells what was done so far.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import inf
from typing import TYPE_CHECKING, Final, NoReturn

from attrs import define, field, frozen

from headend.models import to_channel_id
from headend.plugin import SimulatedEncoder, StreamState
from headend.reconcile import FindingKind
from headend_contract.check import CheckFailedError
from headend_contract.oracle import LAG, History

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headend.plugin import (
        EndResult,
        LiveStream,
        PlatformTruth,
        StreamAnalytics,
        StreamCredentials,
        TrueLiveStream,
    )
    from headend.reconcile import Finding
    from headend_contract.case import Case

_ROUNDED: Final = 60.0
"""Seconds by which a platform may round the time that each viewer watched."""

_IMPOSSIBLE: Final = frozenset({StreamState.ERROR, StreamState.UNKNOWN, StreamState.ENDED})
"""States that no live stream of the model is ever in."""


@frozen(kw_only=True)
class Wish:
    """What a creation asks for."""

    channel_id: int | str
    name: str | None
    metadata: Mapping[str, str]
    low_latency: bool

    def __str__(self) -> str:
        """Say it in a few words."""
        name = "" if self.name is None else f" named {self.name!r}"
        metadata = f" with {dict(self.metadata)}" if self.metadata else ""
        return f"{self.channel_id!r}{name}{metadata}{', low latency' if self.low_latency else ''}"

    @property
    def is_plain(self) -> bool:
        """Whether every platform can keep it."""
        texts = (str(self.channel_id), self.name or "", *self.metadata, *self.metadata.values())
        return all(one.isascii() for one in texts)


@define(eq=False, kw_only=True)
class Attempt:
    """One creation by the model.

    Attributes:
        wish: what it asked for.
        idempotency_key: what it was sent with, if with any.
        stream_id: what came of it, once that is known.
        strays: what it may have left on the platform.
    """

    wish: Wish
    idempotency_key: str | None
    stream_id: str | None = None
    strays: set[str] = field(factory=set)


@define(eq=False, kw_only=True)
class Known:
    """A live stream that the model made and did not end.

    Attributes:
        key: the stream key, or `None` while it cannot be known.
        dead_keys: those that it had before.
        enabled: whether encoders are let in, or `None` while that cannot be known.
        whole: whether no end of it began and broke off.
        since: when it was made, in seconds of the clock.
        enabled_since: when `enabled` became what it is.
        encoders: those that pushed to it.
        pushed_at: when one of them was last seen pushing.
    """

    stream_id: str
    wish: Wish
    playback_url: str | None = None
    key: str | None = None
    dead_keys: set[str] = field(factory=set)
    enabled: bool | None = True
    whole: bool = True
    since: float
    enabled_since: float
    encoders: list[SimulatedEncoder] = field(factory=list)
    pushed_at: float = -inf


class Model:
    """What one host did and knows, what others did, and the truth.

    Attributes:
        known: what the host made and did not end, by id.
        ended: when the host ended what, by id, in seconds of the clock.
        strangers: when another host made what.
        attempts: all creations by the host.
        story: what was done so far, in words.
        readings: the places in the story of what only asked, and after which all was as before.
        failure: what did not agree.
    """

    def __init__(self, case: Case) -> None:
        self.known: dict[str, Known] = {}
        self.ended: dict[str, float] = {}
        self.strangers: dict[str, float] = {}
        self.attempts: list[Attempt] = []
        self.story: list[str] = []
        self.readings: set[int] = set()
        self.failure: CheckFailedError | None = None
        self._case = case
        self._history = History(self.now, case.truth())
        self._secrets: set[str] = set()
        self._told: set[str] = set()
        self._short: dict[str, str] = {}

    # -- what is so -------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Seconds of the clock."""
        return self._case.clock.monotonic()

    @property
    def true(self) -> Mapping[str, TrueLiveStream]:
        """The live streams that there were at the last look."""
        return self.truth.live_streams

    @property
    def truth(self) -> PlatformTruth:
        """What was so at the last look."""
        return self._history.now

    @property
    def strays(self) -> set[str]:
        """What creations left on the platform whose fate the host could not learn."""
        return {each for attempt in self.attempts for each in attempt.strays}

    def look(self) -> None:
        """See what is so now."""
        self._history.note(self.now, self._case.truth())
        for one in self.known.values():
            if any(each.connected for each in one.encoders):
                one.pushed_at = self.now

    def has_settled(self, since: float) -> bool:
        """Tell whether lists surely show what was made at that moment."""
        return self.now - since > self._case.spec.settle_time

    # -- words ------------------------------------------------------------------------------------

    def fail(self, what: str) -> NoReturn:
        """Say what does not agree, and what led to it.

        Raises:
            CheckFailedError: always.
        """
        last = len(self.story) - 1
        steps = [
            one
            for place, one in enumerate(self.story)
            if place not in self.readings or place == last
        ]
        story = "; ".join(f"{number}. {one}" for number, one in enumerate(steps, 1))
        if left_out := len(self.story) - len(steps):
            story += f" (readings that changed nothing are left out: {left_out})"
        self.failure = CheckFailedError(f"{what}. What was done: {story}")
        raise self.failure

    def name(self, stream_id: str) -> str:
        """Return a short name for a live stream, the same in the whole story."""
        self._short.setdefault(stream_id, f"#{len(self._short) + 1}")
        return self._short[stream_id]

    def names(self, stream_ids: Iterable[str]) -> str:
        """Return short names for several."""
        return ", ".join(map(self.name, sorted(stream_ids)))

    def check_text(self, words: str, text: str) -> None:
        """Make sure that a text that anybody may see holds no secret that the host was given."""
        if any(each in text for each in self._secrets):
            self.fail(f"{words} shows a secret in the text of its answer or error")

    # -- what the host comes to know --------------------------------------------------------------

    def learn(
        self, words: str, attempt: Attempt, stream_id: str, given: StreamCredentials | None
    ) -> None:
        """Know what came of a creation."""
        attempt.stream_id = stream_id
        attempt.strays.discard(stream_id)
        one = self.known[stream_id] = Known(
            stream_id=stream_id, wish=attempt.wish, since=self.now, enabled_since=self.now
        )
        self.story[-1] += f" -> {self.name(stream_id)}"
        if given is not None:
            self.take_credentials(words, one, given)

    def leave_stray(self, attempt: Attempt, stream_ids: Iterable[str], error: Exception) -> None:
        """Know that a creation may have left something; an error that names it tells the host."""
        attempt.strays.update(stream_ids)
        self._told.update(each for each in stream_ids if each in str(error))

    def doubt_strays(self) -> None:
        """Know that the ledger may have come to know of the strays though the answer was lost."""
        self._told |= self.strays

    def doubt_end(self, one: Known) -> None:
        """Know that an end began and broke off."""
        one.whole, one.enabled, one.key = False, None, None

    def forget_gone(self) -> None:
        """Take for ended what an end that broke off has ended after all."""
        for one in list(self.known.values()):
            if not one.whole and one.stream_id not in self.true:
                del self.known[one.stream_id]
                self.ended[one.stream_id] = self.now

    def take_credentials(self, words: str, one: Known, given: StreamCredentials) -> None:
        """Compare credentials with those before, and keep them."""
        key = given.stream_key.reveal()
        ids = {one.stream_id, to_channel_id(one.wish.channel_id), *self.known}
        others = [each for each in self.known.values() if each is not one]
        if given.stream_id != one.stream_id:
            self.fail(f"{words} gave the credentials of another live stream")
        if key in ids:
            self.fail(f"{words} gave an id as the key")
        if key in one.dead_keys:
            self.fail(f"{words} gave a key that was replaced")
        if one.key not in {None, key}:
            self.fail(f"{words} gave another key than before, and nobody replaced that")
        if any(key == each.key or key in each.dead_keys for each in others):
            self.fail(f"{words} gave the key of another live stream")
        one.key = key
        secrets = [given.stream_key, given.push_url_with_key()]
        for ingest in given.ingests:
            more = (ingest.stream_key, ingest.passphrase, ingest.url_with_key)
            secrets += [each for each in more if each is not None]
        self._secrets |= {each.reveal() for each in secrets} - ids
        self.check_text(words, repr(given))
        self.take_playback_url(words, one, given.playback_url)

    def take_playback_url(self, words: str, one: Known, url: str) -> None:
        """Compare a playback URL with that before, and keep it."""
        others = [each for each in self.known.values() if each is not one]
        if not url.partition("?")[0].endswith(".m3u8"):
            self.fail(f"{words} gave a playback URL that is no HLS playlist: {url}")
        if one.playback_url not in {None, url}:
            self.fail(f"{words} gave another playback URL than before: {url}")
        if any(each.playback_url == url for each in others):
            self.fail(f"{words} gave the playback URL of another live stream")
        one.playback_url = url
        self.check_text(words, url)

    # -- what must be so --------------------------------------------------------------------------

    def check_presence(self) -> None:
        """See that what is there is what somebody made and nobody ended, and no more."""
        wanted = {*self.known, *self.strangers}
        if lost := wanted - set(self.true):
            self.fail(f"{self.names(lost)} is gone, and nobody ended it")
        if more := set(self.true) - wanted - self.strays:
            self.fail(f"there is {self.names(more)}, which no host knows of")

    def check_keys(self) -> None:
        """See that the key that the host has lets an encoder in, and none that was replaced."""
        for one in self.known.values():
            good, name = self.true[one.stream_id].stream_keys, self.name(one.stream_id)
            if one.dead_keys & good:
                self.fail(f"a key of {name} that was replaced is still good")
            if one.enabled is False and good:
                self.fail(f"{name} is disabled, and a key lets an encoder in")
            if one.enabled and one.whole and one.key is not None and one.key not in good:
                self.fail(f"the key of {name} that the host was told lets no encoder in")

    def check_no_encoder(self, words: str, one: Known) -> None:
        """See that whoever pushed was sent away."""
        if any(each.connected for each in one.encoders):
            self.fail(f"{words} left its encoder connected")

    def check_list(self, listed: Sequence[LiveStream]) -> None:
        """Compare a list with what there is, but for what is too young or too lately gone."""
        ids = [one.stream_id for one in listed]
        if len(set(ids)) != len(ids):
            self.fail("the list has a live stream twice")
        made = {one.stream_id: one.since for one in self.known.values()} | self.strangers
        lasting = {stream_id for stream_id, since in made.items() if self.has_settled(since)}
        if missing := lasting - set(ids):
            self.fail(f"the list lacks {self.names(missing)}")
        gone = {stream_id for stream_id, at in self.ended.items() if self.now - at <= LAG}
        if ghosts := set(ids) - set(self.true) - gone:
            self.fail(f"the list has {self.names(ghosts)}, which is not there")
        for stream in listed:
            if (one := self.known.get(stream.stream_id)) is not None:
                self.compare("list", one, stream, in_list=True)

    def compare(self, words: str, one: Known, stream: LiveStream, *, in_list: bool) -> None:
        """Compare a description with what was asked for, and with what is so.

        Args:
            words: what was done.
            one: what it should describe.
            stream: the description.
            in_list: whether it may leave things out.
        """
        wish, name = one.wish, self.name(one.stream_id)
        told = {
            "stream id": (stream.stream_id, one.stream_id),
            "provider": (stream.provider, self._case.spec.name),
            "channel id": (stream.channel_id, to_channel_id(wish.channel_id)),
            "name": (stream.name, stream.name if wish.name is None else wish.name),
            "metadata": (stream.metadata, wish.metadata),
        }
        for what, (actual, wanted) in told.items():
            if actual != wanted and not (in_list and actual is None):
                self.fail(f"{words}: the {what} of {name} is {actual!r}, and not {wanted!r}")
        if stream.low_latency not in {None, wish.low_latency}:
            self.fail(f"{words}: low_latency of {name} is {stream.low_latency}")
        if stream.playback_url is not None:
            self.take_playback_url(words, one, stream.playback_url)
        if stream.state is not None:
            self._compare_state(words, one, stream.state)
        elif not in_list:
            self.fail(f"{words} gave no state")

    def _compare_state(self, words: str, one: Known, state: StreamState) -> None:
        recent = self._history.recent(one.stream_id)
        lived = {each.live for each in recent}
        is_old = self._history.is_old(one.stream_id)
        may_be_disabled = one.enabled is not True or not one.whole
        must_be_disabled = one.enabled is False and self.now - one.enabled_since > LAG
        must_be_idle = not may_be_disabled and not one.encoders
        # A platform may say so as soon as an encoder is there, and viewers see it a little later.
        may_be_live = lived != {False} or self.now - one.pushed_at <= LAG
        wrong = (
            state in _IMPOSSIBLE
            or (state is StreamState.LIVE and not may_be_live)
            or (state is not StreamState.LIVE and lived == {True} and is_old)
            or (state is StreamState.DISABLED and not may_be_disabled)
            or (state is not StreamState.DISABLED and must_be_disabled)
            or (state is not StreamState.IDLE and must_be_idle)
        )
        if wrong:
            was = "live" if recent[0].live else "not live"
            able = {True: "enabled", False: "disabled", None: "perhaps disabled"}[one.enabled]
            self.fail(f"{words}: {self.name(one.stream_id)} is {state}, and it is {was} and {able}")

    def compare_figures(self, words: str, one: Known, figures: StreamAnalytics) -> None:
        """Compare figures with what was so lately; one that is `None` is always right."""
        most = self._history.most_viewers(one.stream_id)
        watched = self._history.most_watched(one.stream_id) + _ROUNDED * most
        limits = {
            "viewer_count": self._history.viewers(one.stream_id),
            "peak_viewers": (0, most),
            "total_watch_time": (0, watched),
            "current_bitrate": (0, inf if one.encoders else 0),
        }
        for metric, (low, high) in limits.items():
            value = getattr(figures, metric)
            if value is not None and not low <= value <= high:
                expected = f"{low:g}" if low == high else f"{low:g} to {high:g}"
                self.fail(
                    f"{words}: {metric} of {self.name(one.stream_id)} is {value:g}, and the truth "
                    f"is {expected}"
                )

    def check_end(
        self, words: str, one: Known, result: EndResult, before: PlatformTruth, *, deletes: bool
    ) -> None:
        """Compare what an end said with what it did.

        Args:
            words: what was done.
            one: the live stream.
            result: what it said.
            before: what was so before.
            deletes: whether recordings were to go, too.
        """
        self.check_no_encoder(words, one)
        others = {each for other in self.true.values() for each in other.recordings}
        # Its own are those that it had, and that which the end itself made of its session.
        others |= before.recordings - before.live_streams[one.stream_id].recordings
        left = self.truth.recordings - others
        named = {each.recording_id for each in result.recordings_kept}
        if deletes and left:
            self.fail(f"{words} left recordings: {sorted(left)}")
        if named - left:
            self.fail(f"{words} named recordings that are not there: {sorted(named - left)}")
        if left - named:
            self.fail(f"{words} left recordings and did not say so: {sorted(left - named)}")

    def check_findings(self, words: str, findings: Sequence[Finding]) -> None:
        """See that all that this host does not know of is reported, and nothing that it knows."""
        reported = {each.stream_id: each for each in findings}
        if silent := (self.strays & set(self.true)) - set(reported) - self._told:
            self.fail(f"{words} does not report {self.names(silent)}, which nobody knows of")
        for stream_id in self.strangers:
            finding = reported.get(stream_id)
            if finding is None or finding.kind is not FindingKind.FOREIGN:
                self.fail(f"{words} does not report what another host made")
        for one in self.known.values():
            finding = reported.get(one.stream_id)
            if one.whole and finding is not None:
                self.fail(
                    f"{words} reports {self.name(one.stream_id)}, which is as it should be, as "
                    f"{finding.kind}"
                )
