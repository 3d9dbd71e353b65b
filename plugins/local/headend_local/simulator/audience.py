"""Simulated viewers of a live stream: players that fetch from the real playback endpoints."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from headend_local.simulator.requests import get

if TYPE_CHECKING:
    from starlette.types import ASGIApp

FETCH_EVERY: Final = 2.0
"""Seconds between two looks of a player at its playlist."""

_MASTER: Final = "plain.m3u8"


class Audience:
    """The players of one live stream.

    Attributes:
        watching: how many got media at their latest look, or had nothing new to get.
        due: when they look next, in seconds of the server's time.
    """

    def __init__(self, live_stream_id: str) -> None:
        self.watching = 0
        self.due = 0.0
        self._page = f"/live/{live_stream_id}/"
        self._players: list[_Player] = []

    def resize(self, viewers: int, *, now: float) -> None:
        """Let some come or go; all look at once."""
        self._players = self._players[:viewers]
        self._players += [_Player(self._page) for _ in range(viewers - len(self._players))]
        self.due = now

    async def look(self, app: ASGIApp) -> None:
        """Fetch what each player would fetch now."""
        self.due += FETCH_EVERY
        self.watching = 0
        for player in self._players:
            self.watching += await player.look(app)


class _Player:
    """A player without low latency: playlist, then the segments that it has not yet."""

    def __init__(self, page: str) -> None:
        self._page = page
        self._media: str | None = None
        self._fetched: set[str] = set()

    async def look(self, app: ASGIApp) -> bool:
        """Fetch what is new; return whether there is something to watch."""
        if self._media is None:
            self._media = _first_address(await get(app, self._page + _MASTER))
        playlist = None if self._media is None else await get(app, self._page + self._media)
        if playlist is None or "#EXT-X-ENDLIST" in playlist:
            # Over; what comes next is another playlist with other names.
            self._media = None
            self._fetched.clear()
            return False
        listed = re.findall(r"^[^#\n].*$", playlist, re.MULTILINE)
        # Who comes in begins near the end, as players do (RFC 8216, 6.3.3).
        wanted = listed if self._fetched else listed[-1:]
        for name in wanted:
            if name not in self._fetched:
                await get(app, self._page + name)
        self._fetched = set(listed)
        return True


def _first_address(playlist: str | None) -> str | None:
    found = re.search(r"^[^#\n].*$", playlist or "", re.MULTILINE)
    return None if found is None else found[0]
