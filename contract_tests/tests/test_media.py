"""Live streams of a media server as the pictures of a simulated platform: real pushes, no fakes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs
import pytest

import headend
from headend.errors import HeadendError, PlatformUnavailableError
from headend.plugin import MediaBackend, MediaStream, StreamState
from headend.presets import PRESETS
from headend.push import PatternSource, Push
from headend.rtmp.connection import PublishConnection
from headend.rtmp.errors import PublishRefusedError, RtmpError
from headend_contract.media import PlatformMedia
from headend_contract.process import running_command

if TYPE_CHECKING:
    from collections.abc import Iterator

pytest.importorskip("av", reason="PyAV, the extra headend[media], is not installed")

TINY = attrs.evolve(PRESETS["480p"], name="tiny", width=320, height=180, video_bitrate=300_000)
PATIENCE = 15.0


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[headend.StreamingPlatform]:
    """The provider of a media server that runs in a process of its own."""
    folder = tmp_path_factory.mktemp("server")
    line = f"headend server --rtmp-port 0 --http-port 0 --data-dir '{folder}'"
    with running_command(line, {}) as server:
        settings = {
            "url": server.environment["HEADEND_LOCAL_URL"],
            "token": (folder / "token").read_text().strip(),
        }
        with headend.open("local", settings=settings, database=None) as opened:
            yield opened


@pytest.fixture
def media(platform: headend.StreamingPlatform) -> Iterator[PlatformMedia]:
    made = PlatformMedia(platform)
    yield made
    made.close()


def pushing(made: MediaStream) -> Push:
    return Push(
        PatternSource(),
        TINY,
        lambda: PublishConnection.connect(made.server_url, made.stream_key),
    )


def test_it_is_a_media_backend(media: PlatformMedia) -> None:
    backend: MediaBackend = media

    assert backend.state("none of this id") is StreamState.ENDED
    assert backend.viewer_count("none of this id") is None


def test_what_is_pushed_can_be_watched_until_it_is_disabled(
    media: PlatformMedia, platform: headend.StreamingPlatform
) -> None:
    made = media.create("The news")
    assert media.state(made.media_id) is StreamState.IDLE
    assert platform.get_live_stream(made.media_id).name == "The news"

    with pushing(made) as push:
        assert platform.wait_until_playable(made.media_id, PATIENCE) == made.hls_url
        assert media.state(made.media_id) is StreamState.LIVE
        assert media.viewer_count(made.media_id) == 0
        media.set_enabled(made.media_id, enabled=False)
        push.join(PATIENCE)
        assert isinstance(push.error, RtmpError)
        assert media.state(made.media_id) is StreamState.DISABLED
        with pytest.raises(PublishRefusedError):
            pushing(made).start()

    media.set_enabled(made.media_id, enabled=True)
    with pushing(made) as push:
        assert push.error is None


def test_a_new_key_throws_out_the_encoder_that_uses_the_old_one(media: PlatformMedia) -> None:
    made = media.create("")
    with pushing(made) as push:
        rotated = media.rotate(made.media_id)
        push.join(PATIENCE)
        assert isinstance(push.error, RtmpError)
    assert rotated.stream_key != made.stream_key
    assert attrs.evolve(rotated, stream_key=made.stream_key) == made

    with pytest.raises(PublishRefusedError):
        pushing(made).start()
    with pushing(rotated) as push:
        assert push.error is None


def test_what_has_ended_is_gone_and_ending_it_again_is_no_error(media: PlatformMedia) -> None:
    made = media.create("a")

    media.end(made.media_id)
    media.end(made.media_id)

    assert media.state(made.media_id) is StreamState.ENDED


def test_closing_ends_what_is_left_and_nothing_else(
    media: PlatformMedia, platform: headend.StreamingPlatform
) -> None:
    other = platform.create_live_stream("not of the simulator")
    ended, left = media.create("a"), media.create("b")
    media.end(ended.media_id)

    media.close()

    assert media.state(left.media_id) is StreamState.ENDED
    assert [one.stream_id for one in platform.list_live_streams()] == [other.stream_id]
    platform.end_live_stream(other.stream_id)


def test_what_cannot_be_ended_is_told_and_stops_nobody(
    media: PlatformMedia,
    platform: headend.StreamingPlatform,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = [media.create("a"), media.create("b")]

    def unreachable(_: str) -> None:
        raise PlatformUnavailableError("gone", provider="local", operation="end_live_stream")

    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING):
        patch.setattr(platform, "end_live_stream", unreachable)
        media.close()

    assert all(one.media_id in caplog.text for one in made)


def test_the_key_is_in_no_repr(media: PlatformMedia) -> None:
    made = media.create("a")

    assert made.stream_key.reveal() not in repr(made)
    assert made.stream_key.reveal() not in made.hls_url


def test_a_name_that_the_server_refuses_is_an_error_of_headend(media: PlatformMedia) -> None:
    with pytest.raises(HeadendError):
        media.create("\ud800")
