"""Leave to watch what is not public."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from headend.plugin import Capability, StreamNotFoundError
from headend_contract.check import Level, check, expect, expect_raises
from headend_contract.checks.steps import similar_id

if TYPE_CHECKING:
    from headend.plugin import PlaybackToken
    from headend_contract.case import Case

_GOOD_FOR: Final = 600.0
_TOLERANCE: Final = timedelta(seconds=5)
"""For what is rounded to whole seconds."""


@check(
    "PLAYBACK-TOKEN-001",
    "A playback token is good for the time that was asked for",
    level=Level.EXTENDED,
    needs_simulator=True,
    requires=(Capability.SIGNED_PLAYBACK,),
    rule="create_playback_token(expires_in=600) returns a token that expires 600 s from now.",
    why="One that expires early stops the picture in the middle of the show; one that expires "
    "late is passed on.",
    hint="Compute the moment from the injected clock, and send or sign just that.",
)
def expires_in_time(case: Case) -> None:
    """Ask for a token, and compare its end with the clock."""
    made = case.create()
    before = case.clock.now()
    token = _token(case, made.stream_id)
    after = case.clock.now()
    good_for = timedelta(seconds=_GOOD_FOR)

    expect(
        before + good_for - _TOLERANCE <= token.expires_at <= after + good_for + _TOLERANCE,
        f"a token for {_GOOD_FOR:g} s expires {(token.expires_at - before).total_seconds():g} s "
        "from now",
    )


@check(
    "PLAYBACK-TOKEN-002",
    "A playback token comes with an address that plays, for one live stream",
    level=Level.EXTENDED,
    needs_simulator=True,
    requires=(Capability.SIGNED_PLAYBACK,),
    rule="The playback_url of a token is an HLS address that holds the token; the tokens of two "
    "live streams differ.",
    why="Viewers are given the address.  Without the token in it nobody sees anything; with a "
    "token for all live streams everybody sees everything.",
    hint="Put the token where the platform's player takes it from: into the path, or the query.",
)
def gives_an_address(case: Case) -> None:
    """Ask for tokens of two live streams."""
    first, second = case.create(), case.create()
    tokens = [_token(case, one.stream_id) for one in (first, second)]

    for one in tokens:
        parts = urlsplit(one.playback_url.reveal())
        expect(parts.path.endswith(".m3u8"), "the address with the token is no HLS playlist")
        expect(
            one.token.reveal() in one.playback_url.reveal(), "the address does not hold the token"
        )
    expect(tokens[0].token != tokens[1].token, "two live streams have the same playback token")


@check(
    "PLAYBACK-TOKEN-003",
    "There is no playback token for what does not exist",
    level=Level.EXTENDED,
    needs_simulator=True,
    requires=(Capability.SIGNED_PLAYBACK,),
    rule="create_playback_token() raises StreamNotFoundError for an id that names nothing.",
    why="A token that is signed for anything is handed to viewers, and plays nothing.",
    hint="Ask the platform for the live stream, whose playback URL is needed anyhow.",
)
def signs_nothing_unknown(case: Case) -> None:
    """Ask for a token with an id that looks as one that was given out."""
    unknown = similar_id(case.create().stream_id)

    expect_raises(
        StreamNotFoundError, lambda: _token(case, unknown), "a playback token for an unknown id"
    )


def _token(case: Case, stream_id: str) -> PlaybackToken:
    return case.platform.create_playback_token(stream_id, expires_in=_GOOD_FOR)
