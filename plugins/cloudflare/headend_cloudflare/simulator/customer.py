"""The customer host: what viewers, and the plugin, read without a token of the API.

https://developers.cloudflare.com/stream/stream-live/watch-live-stream/ tells of ``lifecycle`` and
the manifests, https://developers.cloudflare.com/stream/getting-analytics/live-viewer-count/ of
``views``.  What a refusal says is headend's own, but for those that name a source.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs, urlsplit

from attrs import frozen

from headend.plugin import MediaStream
from headend_cloudflare.simulator import playlists
from headend_cloudflare.simulator.records import HOLD_MARGIN, Video
from headend_cloudflare.simulator.refusals import RefusedError
from headend_cloudflare.simulator.switches import HiddenViews

if TYPE_CHECKING:
    from headend_cloudflare.simulator.platform import SimulatedPlatform
    from headend_cloudflare.simulator.records import Input

_ID: Final = re.compile(r"[0-9a-f]{32}")
_JSON: Final = "application/json"

MANIFEST: Final = "manifest/"
"""What comes before the names of playlists and segments."""


@frozen(kw_only=True)
class Viewer:
    """A request at the customer host.

    Attributes:
        segment: what comes first in the path: an id, or a playback token in its place.
        path: the rest of it.
        query: what comes after the question mark.
        agent: the User-Agent.
        origin: the page that shows the picture, if a browser says so.
        address: where the viewer is.
    """

    segment: str
    path: str
    query: str
    agent: str
    origin: str | None
    address: str


@frozen(kw_only=True)
class Page:
    """What a viewer is answered.

    Attributes:
        media: whose pictures are the answer; then body and type say nothing.
    """

    status: int = 200
    body: object = None
    media_type: str = "text/plain"
    media: MediaStream | None = None


def answer_viewer(platform: SimulatedPlatform, viewer: Viewer) -> Page:
    """Return what a viewer is answered."""
    # Measured: onryde/seazn.club, R0-CORRECTIONS-FOR-R1.md, C13.
    if platform.switches.browser_only and not viewer.agent.startswith("Mozilla/"):
        return Page(status=403, body="error code: 1010")
    is_token = _ID.fullmatch(viewer.segment) is None
    uid = viewer.segment
    if is_token:
        uid = platform.watched_with(viewer.segment, viewer.address) or ""
        if not uid:
            return Page(status=401, body="Unauthorized")
    watched = _find(platform, uid, viewer)
    if watched is None:
        return Page(status=404, body="Not Found")
    if _needs_token(watched) and not is_token:
        return Page(status=401, body="Unauthorized")
    if not _may_show(watched, viewer.origin):
        return Page(status=403, body="Forbidden")
    if viewer.path == "lifecycle":
        return Page(body=_lifecycle(platform, watched), media_type=_JSON)
    if viewer.path == "views":
        return _views(platform, watched)
    if not viewer.path.startswith(MANIFEST):
        return Page(status=404, body="Not Found")
    name = viewer.path.removeprefix(MANIFEST)
    if isinstance(watched, Video):
        return _recorded(platform, watched, name)
    return _live(platform, watched, name, viewer.query)


def _find(platform: SimulatedPlatform, uid: str, viewer: Viewer) -> Input | Video | None:
    # Pieces of a picture come in great number, and tell nothing new of who pushes.
    is_piece = viewer.path.startswith(MANIFEST) and not viewer.path.endswith(".m3u8")
    look = platform.known_input if is_piece else platform.find_input
    for find in (look, platform.find_video):
        try:
            return find(uid)
        except RefusedError:
            continue
    return None


def _needs_token(watched: Input | Video) -> bool:
    if isinstance(watched, Video):
        return watched.require_signed_urls
    return watched.configuration.recording.require_signed_urls


def _may_show(watched: Input | Video, origin: str | None) -> bool:
    """Tell whether a page may show the picture; who does not come from a page may."""
    allowed = (
        watched.allowed_origins
        if isinstance(watched, Video)
        else watched.configuration.recording.allowed_origins
    )
    if not allowed or origin is None:
        return True
    host = urlsplit(origin).hostname or ""
    return any(
        host == one or (one.startswith("*.") and host.endswith(one.removeprefix("*")))
        for one in allowed
    )


def _lifecycle(platform: SimulatedPlatform, watched: Input | Video) -> dict[str, object]:
    if isinstance(watched, Video):
        return {"isInput": False, "videoUID": watched.uid, "live": False}
    broadcast = platform.on_air(watched)
    video = None if broadcast is None else broadcast.id
    return {"isInput": True, "videoUID": video, "live": broadcast is not None}


def _views(platform: SimulatedPlatform, watched: Input | Video) -> Page:
    if isinstance(watched, Video):
        return Page(status=404, body="Not Found")
    viewers = platform.viewers(watched)
    if watched.configuration.recording.hide_live_viewer_count:
        if platform.switches.hidden_views is HiddenViews.REFUSED:
            return Page(status=403, body="Forbidden")
        viewers = 0
    return Page(body={"liveViewers": viewers}, media_type=_JSON)


def _live(platform: SimulatedPlatform, watched: Input, name: str, query: str) -> Page:
    broadcast = platform.on_air(watched)
    if broadcast is None:
        last = watched.broadcast
        is_switched_off = (
            last is not None
            and last.recorded
            and last.last.end is None
            and watched.configuration.recording.mode == "off"
        )
        if is_switched_off:
            # The text is measured (onryde/seazn.club, R0-memo.md, F1), the status is not.
            return Page(status=404, body="NotFound: failed to fetch")
        return Page(status=204)
    if watched.media is not None:
        return Page(media=watched.media)
    wants_parts = parse_qs(query).get("protocol") == ["llhls"]
    has_parts = wants_parts and watched.configuration.prefer_low_latency is True
    begins = broadcast.watchable_from
    assert begins is not None
    end = broadcast.last.end
    live = playlists.Live(
        seconds=(platform.now if end is None else end) - begins,
        # Measured: a frozen playlist ends at 10 and 60 s, never at 180 (R0-memo.md, section 4a).
        is_ended=end is not None and broadcast.hold <= _MAX_ENDING_HOLD,
        has_parts=has_parts,
        query=query,
    )
    return _page(live.find(name))


def _recorded(platform: SimulatedPlatform, watched: Video, name: str) -> Page:
    if platform.is_being_made(watched):
        return Page(status=404, body="not-found")
    return _page(playlists.recorded(platform.length(watched), name))


def _page(found: tuple[str, str | bytes] | None) -> Page:
    if found is None:
        return Page(status=404, body="Not Found")
    media_type, body = found
    return Page(body=body, media_type=media_type)


_MAX_ENDING_HOLD: Final = 60 + HOLD_MARGIN
