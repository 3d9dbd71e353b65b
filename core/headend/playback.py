"""Whether an HLS address can be played right now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.fetch import FetchError, fetch
from headend.hls import MasterPlaylist, MediaPlaylist, parse_playlist

if TYPE_CHECKING:
    from headend.clock import Clock
    from headend.fetch import Response
    from headend.hls import InitSection, Segment

_MAX_PLAYLIST: Final = 1 << 20
_MAX_SEGMENT: Final = 64 << 20
_NO_HEAD: Final = frozenset({403, 405, 501})
"""What servers answer that do not know HEAD; signed addresses may allow GET alone."""
_REFUSED: Final = frozenset({401, 403})
"""What servers answer that give nothing without a token."""


@frozen
class Hindrance:
    """Why an address cannot be played.

    Attributes:
        reason: in words.
        refused: whether the server lets nobody in without a token (401 or 403).
    """

    reason: str
    refused: bool = False


def why_not_playable(url: str, *, timeout: float, clock: Clock) -> Hindrance | None:
    """Do what a player does first: load the playlist, its first variant, and the latest segment.

    Args:
        url: the playback URL.
        timeout: seconds for all of it.
        clock: for the deadline.

    Returns:
        `None` if it can be played, else why not.
    """
    end = clock.monotonic() + timeout

    def load(address: str, what: str, limit: int) -> Response:
        left = end - clock.monotonic()
        if left <= 0:
            raise _NotYetError(f"no time was left for {what}")
        response = fetch(address, timeout=left, max_bytes=limit)
        if not response.ok or not response.body:
            raise _NotYetError(
                f"{what} answers HTTP {response.status}, {len(response.body)} bytes",
                refused=response.status in _REFUSED,
            )
        return response

    def load_playlist(address: str, what: str) -> MasterPlaylist | MediaPlaylist:
        response = load(address, what, _MAX_PLAYLIST)
        return parse_playlist(response.body.decode("utf-8", "replace"), response.url)

    def check_media(part: Segment | InitSection, what: str) -> None:
        # Asked for with HEAD, because whoever is given media is counted as a viewer.
        left = max(end - clock.monotonic(), 0.0)
        response = fetch(part.uri, timeout=left, max_bytes=0, method="HEAD")
        if response.status in _NO_HEAD:
            load(part.uri, what, _MAX_SEGMENT)
        elif not response.ok or response.headers.get("content-length") == "0":
            raise _NotYetError(f"{what} answers HTTP {response.status}")

    try:
        playlist = load_playlist(url, "the playlist")
        if isinstance(playlist, MasterPlaylist):
            playlist = load_playlist(playlist.variants[0].uri, "the media playlist")
        if not isinstance(playlist, MediaPlaylist):
            return Hindrance("the playlist lists another list of playlists")
        if not playlist.segments:
            return Hindrance("the playlist has no segments yet")
        latest = playlist.segments[-1]
        if latest.init is not None:
            check_media(latest.init, "the init section")
        check_media(latest, "the latest segment")
    except _NotYetError as error:
        return Hindrance(str(error), refused=error.refused)
    except (FetchError, ValueError) as error:
        # A ValueError is what a broken playlist or an address that is none gives.
        return Hindrance(str(error))
    return None


class _NotYetError(Exception):
    def __init__(self, reason: str, *, refused: bool = False) -> None:
        super().__init__(reason)
        self.refused = refused
