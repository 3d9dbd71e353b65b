"""A live stream's state is told from evidence, and time is let pass by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

import pytest

from headend_local import live_stream as module
from headend_local.live_stream import Clocks, MemoryExceededError, Timing
from headend_local.registry import RefusedError, Registry
from headend_local.state import State, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headend.rtmp.flv import Tag
    from headend_local.live_stream import RunningLiveStream

TIMING = Timing(silent_after=4, session_kept=60, playlist_kept=30)


class Clock(Protocol):
    def __call__(self) -> float: ...
    def advance(self, seconds: float) -> None: ...


class Clip(Protocol):
    tags: list[Tag]


class EncoderDouble:
    """An encoder's connection that only notes why it was sent away."""

    def __init__(self) -> None:
        self.running: RunningLiveStream | None = None
        self.told: list[str] = []

    def disconnect(self, reason: str) -> None:
        self.told.append(reason)
        assert self.running is not None
        self.running.detach(dropped=False, last_words=reason)


class Studio:
    """A registry with one live stream, and encoders that come and go."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.running = registry.create(channel_id="1")
        self.id = self.running.record.id
        self.encoder = EncoderDouble()

    def connect(self) -> None:
        self.encoder = EncoderDouble()
        self.encoder.running = self.registry.admit(self.registry.stream_key(self.id), self.encoder)

    def push(self, tags: list[Tag]) -> None:
        for tag in tags:
            self.running.take(tag)


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path / "data") as state:
        yield state


@pytest.fixture
def registry(state: State, clock: Clock) -> Registry:
    return Registry(state, clocks=Clocks(monotonic=clock, wall=clock), timing=TIMING)


@pytest.fixture
def studio(registry: Registry) -> Studio:
    return Studio(registry)


def first_seconds(clip: Clip, seconds: float) -> list[Tag]:
    return [tag for tag in clip.tags if tag.timestamp < seconds * 1000]


def test_it_is_connecting_until_there_is_a_segment_to_watch(studio: Studio, clip: Clip) -> None:
    assert studio.running.state == "idle"
    studio.connect()
    assert studio.running.state == "connecting"
    assert "has not sent any media" in str(studio.running.state_reason)
    studio.push(first_seconds(clip, 1.5))
    assert studio.running.state == "connecting"
    assert "first segment" in str(studio.running.state_reason)
    studio.push([tag for tag in clip.tags if tag.timestamp >= 1500])
    assert (studio.running.state, studio.running.state_reason) == ("live", None)


def test_an_encoder_that_stays_connected_and_falls_silent_interrupts(
    studio: Studio, clip: Clip, clock: Clock
) -> None:
    studio.connect()
    studio.push(clip.tags)
    clock.advance(4)
    assert studio.running.state == "live"
    clock.advance(0.1)
    assert studio.running.state == "interrupted"
    assert "sends nothing" in str(studio.running.state_reason)


def test_an_encoder_that_is_cut_off_interrupts_until_its_session_is_given_up(
    studio: Studio, clip: Clip, clock: Clock
) -> None:
    studio.connect()
    studio.push(clip.tags)
    studio.running.detach(dropped=True)
    assert studio.running.state == "interrupted"
    clock.advance(60.1)
    studio.registry.tick()
    assert studio.running.state == "idle"


def test_an_encoder_that_says_goodbye_leaves_it_idle(studio: Studio, clip: Clip) -> None:
    studio.connect()
    studio.push(clip.tags)
    studio.running.detach(dropped=False)
    assert (studio.running.state, studio.running.state_reason) == ("idle", None)


def test_an_encoder_that_was_sent_away_leaves_the_reason(studio: Studio) -> None:
    studio.connect()
    studio.running.detach(dropped=False, last_words="HEVC video is not supported")
    assert studio.running.state_reason == "HEVC video is not supported"
    studio.connect()
    studio.running.detach(dropped=False)
    assert studio.running.state_reason is None


def test_the_session_stays_open_for_its_encoder_then_the_playlist_ends_then_memory_is_freed(
    studio: Studio, clip: Clip, clock: Clock
) -> None:
    def playlist() -> str | None:
        packager = studio.running.packager
        if packager is None:
            return None
        return packager.media_playlist(low_latency=True, query="")

    def after(seconds: float) -> str | None:
        clock.advance(seconds)
        studio.registry.tick()
        return playlist()

    studio.connect()
    studio.push(clip.tags)
    studio.running.detach(dropped=True)
    assert "#EXT-X-ENDLIST" not in str(after(59))
    assert "#EXT-X-ENDLIST" in str(after(2))
    assert "#EXT-X-ENDLIST" in str(after(29))
    assert after(2) is None


def test_an_encoder_back_in_time_goes_on_with_the_same_playlist(
    studio: Studio, clip: Clip, clock: Clock
) -> None:
    studio.connect()
    studio.push(clip.tags)
    packager = studio.running.packager
    studio.running.detach(dropped=True)
    clock.advance(30)
    studio.registry.tick()
    studio.connect()
    clock.advance(300)
    studio.registry.tick()
    assert studio.running.packager is packager
    assert packager is not None
    assert not packager.ended


def test_an_encoder_back_too_late_begins_a_new_playlist_with_new_names(
    studio: Studio, clip: Clip, clock: Clock
) -> None:
    def names() -> set[str]:
        assert studio.running.packager is not None
        text = studio.running.packager.media_playlist(low_latency=False, query="")
        return {line for line in text.splitlines() if not line.startswith("#")}

    studio.connect()
    studio.push(clip.tags)
    before = names()
    studio.running.detach(dropped=True)
    clock.advance(61)
    studio.registry.tick()
    studio.connect()
    assert studio.running.state == "connecting"
    studio.push(clip.tags)
    assert not before & names()


def test_watching_a_new_playlist_counts_though_its_numbers_start_again(
    studio: Studio, clip: Clip, clock: Clock
) -> None:
    for _ in range(2):
        studio.connect()
        studio.push(clip.tags)
        studio.running.viewers.delivered("a", msn=0, part=None, duration=2.0)
        clock.advance(5)
        studio.running.viewers.seen("a")
        studio.running.detach(dropped=False)
        for _ in range(8):  # the viewer stays until the playlist has ended
            clock.advance(8)
            studio.running.viewers.seen("a")
            studio.registry.tick()
    assert studio.running.totals.watch_time == 4.0


def test_ending_sends_the_encoder_away_and_keeps_the_playlist_readable_for_a_while(
    studio: Studio, clip: Clip, clock: Clock
) -> None:
    studio.connect()
    studio.push(clip.tags)
    key = studio.registry.stream_key(studio.id)
    studio.registry.end(studio.id)
    assert studio.encoder.told == ["this live stream has ended"]
    assert studio.registry.get(studio.id) is None
    found = studio.registry.find(studio.id)
    assert found is studio.running
    assert found.state == "ended"
    assert found.packager is not None
    assert "#EXT-X-ENDLIST" in found.packager.media_playlist(low_latency=True, query="")
    with pytest.raises(RefusedError, match="stream key refused"):
        studio.registry.admit(key, EncoderDouble())
    clock.advance(31)
    studio.registry.tick()
    assert studio.registry.find(studio.id) is None


def test_a_second_encoder_is_refused_and_the_first_goes_on(studio: Studio) -> None:
    studio.connect()
    with pytest.raises(RefusedError, match="already being pushed to"):
        studio.registry.admit(studio.registry.stream_key(studio.id), EncoderDouble())
    assert studio.running.encoder is studio.encoder
    assert studio.encoder.told == []


def test_a_new_key_sends_the_encoder_away_and_refuses_the_old_one(studio: Studio) -> None:
    studio.connect()
    old = studio.registry.stream_key(studio.id)
    new = studio.registry.rotate_key(studio.id)
    assert studio.encoder.told == ["the stream key has been replaced"]
    with pytest.raises(RefusedError, match="stream key refused"):
        studio.registry.admit(old, EncoderDouble())
    assert studio.registry.admit(new, EncoderDouble()) is studio.running


def test_disabling_sends_the_encoder_away_and_keeps_others_out(studio: Studio) -> None:
    studio.connect()
    studio.registry.set_enabled(studio.id, enabled=False)
    assert studio.encoder.told == ["this live stream is disabled"]
    assert studio.running.state == "disabled"
    with pytest.raises(RefusedError, match="disabled"):
        studio.connect()
    studio.registry.set_enabled(studio.id, enabled=True)
    studio.connect()


def frozen(clip: Clip) -> list[Tag]:
    """The clip as a broken encoder sends it: all at the same time."""
    return [tag._replace(timestamp=0) for tag in clip.tags]


@pytest.mark.parametrize(
    "broken", ["timestamps stand still", "only sound comes", "a sound of its own for every unit"]
)
def test_an_encoder_that_fills_memory_is_sent_away_and_what_it_sent_is_dropped(
    studio: Studio, clip: Clip, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    tags = frozen(clip)
    configs = [tag for tag in tags if tag.type in {8, 9} and tag.payload[1] == 0]
    sounds = [tag for tag in tags if tag.type == 8 and tag.payload[1] == 1]
    studio.connect()
    if broken == "timestamps stand still":
        limit, endless = 3 * sum(len(tag.payload) for tag in tags), tags
    else:
        studio.push(first_seconds(clip, 1))
        limit, endless = 400_000, [sounds[0]._replace(payload=b"\xaf\x01.")]
        if broken != "only sound comes":
            # Nothing limits what follows the few bytes of a configuration that are understood.
            sound = next(tag for tag in configs if tag.type == 8)
            long = [sound._replace(payload=sound.payload + bytes([n]) * 60_000) for n in (1, 2)]
            limit, endless = 4_000_000, [long[0], *endless, long[1], *endless]
    monkeypatch.setattr(module, "MAX_MEMORY", limit)
    packager = studio.running.packager
    assert packager is not None
    endless *= 10_000 // len(endless)
    with pytest.raises(MemoryExceededError, match=r"lower the bitrate .* timestamps") as caught:
        studio.push(endless)
    assert packager.memory_bytes == 0
    studio.running.detach(dropped=False, last_words=str(caught.value))
    assert studio.running.packager is None
    assert studio.running.state == "idle"
    assert "MiB" in str(studio.running.state_reason)
    # A mended encoder begins anew.
    monkeypatch.undo()
    studio.connect()
    studio.push(clip.tags)
    assert studio.running.state == "live"


def test_long_key_frame_intervals_are_warned_of_in_words(studio: Studio, clip: Clip) -> None:
    studio.connect()
    keys = [tag for tag in clip.tags if tag.type == 9 and tag.payload[0] == 0x17]
    studio.push(keys[:2])
    assert studio.running.warnings == []
    late = keys[2]._replace(timestamp=keys[1].timestamp + 8333)
    studio.push([late])
    (warning,) = studio.running.warnings
    assert "8.3 s apart" in warning
    assert "set the keyframe interval to 2 s" in warning


def test_what_is_pushed_is_described(studio: Studio, clip: Clip, clock: Clock) -> None:
    studio.connect()
    studio.push(clip.tags)
    clock.advance(0.9)
    assert studio.running.bitrate is None
    clock.advance(0.1)
    described = studio.running.ingest
    assert described is not None
    assert (described.width, described.height) == (320, 180)
    assert described.frame_rate == pytest.approx(30, abs=0.1)
    assert described.key_frame_interval == pytest.approx(1.0, abs=0.01)
    assert str(described.video_codec).startswith("avc1.")
    assert described.audio_codec == "mp4a.40.2"
    media = sum(len(tag.payload) for tag in clip.tags if tag.type in {8, 9})
    assert studio.running.bitrate == 8 * media


def test_without_an_encoder_the_bitrate_is_a_real_zero(studio: Studio, clip: Clip) -> None:
    studio.connect()
    studio.push(clip.tags)
    studio.running.detach(dropped=False)
    assert (studio.running.bitrate, studio.running.ingest) == (0, None)


def test_totals_are_written_every_two_seconds_and_are_there_in_the_next_run(
    studio: Studio, state: State, clock: Clock
) -> None:
    studio.running.viewers.delivered("a", msn=0, part=None, duration=2)
    studio.registry.tick()
    assert state.live_streams()[0].totals == Totals()
    clock.advance(2)
    studio.running.viewers.seen("a")
    studio.registry.tick()
    assert state.live_streams()[0].totals == Totals(1, 2.0)
    again = Registry(state, clocks=Clocks(monotonic=clock, wall=clock))
    found = again.get(studio.id)
    assert found is not None
    assert found.totals == Totals(1, 2.0)


def test_a_live_stream_made_now_says_so(studio: Studio, clock: Clock) -> None:
    assert studio.running.record.created_at == datetime.fromtimestamp(clock(), UTC)
