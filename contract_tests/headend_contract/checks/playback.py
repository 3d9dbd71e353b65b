"""Where viewers watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend_contract.check import Level, check, expect, expect_equal, nothing_to_test

if TYPE_CHECKING:
    from headend_contract.case import Case


@check(
    "PLAYBACK-URL-001",
    "A live stream has one playback URL",
    level=Level.CORE,
    rule="get_playback_url() returns the playback URL that creating the live stream gave.",
    why="Hosts publish the URL of the creation and hand out that of get_playback_url(): an "
    "audience that is split over two addresses sees two shows, or one that never plays.",
    hint="Build it in one place from the platform's own field; do not compose it from the id.",
)
def gives_the_same_url(case: Case) -> None:
    """Compare two ways to the address."""
    made = case.create()
    url = case.platform.get_playback_url(made.stream_id)

    expect_equal(url, made.playback_url, "what get_playback_url() returns")


@check(
    "PLAYBACK-URL-002",
    "The playback URL can be published",
    level=Level.CORE,
    rule="get_playback_url() returns an address that holds no secret: no stream key, no "
    "passphrase, no credential of the host, no token.",
    why="It is the one address that everybody sees.",
    hint="Give the plain address.  Leave to watch is what create_playback_token() gives, as a "
    "Secret.",
)
def gives_a_public_url(case: Case) -> None:
    """Search the address for all secrets that there are."""
    made = case.create()
    url = case.platform.get_playback_url(made.stream_id)

    secrets = {one.reveal() for one in case.secrets} | {made.stream_key.reveal()}
    # Some platforms take the id for what an SRT encoder must know; it is public all the same.
    sought = [one for one in secrets if len(one) >= _SHORTEST and one not in made.stream_id]
    if not sought:
        nothing_to_test(f"no secret of {_SHORTEST} characters or more came up")
    for secret in sought:
        expect(secret not in url, "the playback URL holds a secret")


_SHORTEST: Final = 8
"""A secret of fewer characters is in many an address by chance."""
