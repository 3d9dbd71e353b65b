"""The list of an account's videos, with the filters of the OpenAPI description."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final

from headend_cloudflare.simulator.refusals import invalid

if TYPE_CHECKING:
    from headend_cloudflare.simulator.app import Call
    from headend_cloudflare.simulator.records import Video

MAX_PAGE: Final = 1000
"""The default and the largest limit of one answer."""


def list_videos(call: Call) -> dict[str, object]:
    """Return the whole answer: videos, the latest first, and with ``include_counts`` how many."""
    platform = call.platform
    found = platform.find_videos(call.query("live_input_id"))
    after, before = _moment(call, "start", "after"), _moment(call, "end", "before")
    states, ids = _words(call, "status"), _words(call, "id")
    creator, search = call.query("creator"), (call.query("search") or "").lower()
    matching = [
        one
        for one in found
        if (after is None or platform.at(one.created) > after)
        and (before is None or platform.at(one.created) < before)
        and (not states or _state(call, one) in states)
        and (not ids or one.uid in ids)
        and (creator is None or one.creator == creator)
        and search in one.name.lower()
    ]
    if call.query("asc") == "true":
        matching.reverse()
    page = matching[: min(_limit(call), platform.switches.video_list_cap)]
    answer: dict[str, object] = {
        "result": [call.answers.video(one) for one in page],
        "success": True,
        "errors": [],
        "messages": [],
    }
    if call.query("include_counts") == "true":
        answer |= {"range": len(page), "total": len(matching)}
    return answer


def _state(call: Call, one: Video) -> str:
    return "live-inprogress" if call.platform.is_being_made(one) else "ready"


def _words(call: Call, name: str) -> list[str]:
    return [one for one in (call.query(name) or "").split(",") if one]


def _limit(call: Call) -> int:
    text = call.query("limit")
    if text is None:
        return MAX_PAGE
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MAX_PAGE):
        raise invalid(f"limit must be a number from 1 to {MAX_PAGE}")
    return int(text)


def _moment(call: Call, *names: str) -> datetime | None:
    text = next((found for name in names if (found := call.query(name)) is not None), None)
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise invalid(f"{names[0]} must be a time as in RFC 3339")
    return moment
