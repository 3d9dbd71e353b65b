"""Texts of hosts: all letters, all lengths, whole or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend.plugin import InvalidRequestError, PlatformError, StreamCredentials
from headend_contract.check import Level, check, expect, expect_equal, expect_raises
from headend_contract.checks.disturbances import list_all

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from headend_contract.case import Case

_LETTERS: Final = (
    "Größe & Höhe <b>\"'</b> \\n {} %s 100% &amp; "
    "\N{MOVIE CAMERA}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL} e\N{COMBINING ACUTE ACCENT} "
    "\N{ARABIC LETTER AIN}\N{ARABIC LETTER REH}\N{ARABIC LETTER BEH} 東京 "
    "\N{RIGHT-TO-LEFT OVERRIDE}drawkcab"
)
"""Letters that get lost: of other scripts, beyond 16 bits, joined, right to left, in markup."""


@check(
    "TEXT-UNICODE-001",
    "Every letter of a name and of metadata comes back",
    level=Level.CORE,
    rule="A name and metadata with letters of all scripts, signs and markup come back as they "
    "were given, or are refused with InvalidRequestError.",
    why="Shows have names in all languages.  A question mark in place of a letter, or &amp; in "
    "place of &, is seen by everybody.",
    hint="Send JSON as UTF-8, and escape nothing twice.  Where a platform's own field takes fewer "
    "letters, keep the name in another one, such as a tag.",
)
def keeps_letters(case: Case) -> None:
    """Create with strange letters, and read them."""
    _expect_kept(case, _LETTERS, {"title": _LETTERS, "empty": ""})


@check(
    "TEXT-UNICODE-002",
    "Whatever is given as a text comes back, or is refused",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="For generated names, channel_ids and metadata a creation keeps each text as it is, or "
    "raises InvalidRequestError and creates nothing.",
    why="Spaces that are cut off, letters that are folded and keys that are merged are noticed "
    "when a host looks its live stream up by them.",
    hint="Change no text of the host's.  Refuse what the platform would change.",
)
def keeps_generated_texts(case: Case) -> None:
    """Create with texts that Hypothesis makes up, the same for every run."""
    # Here and not above: no list of checks and no replay needs it, and it takes long to import.
    from hypothesis import HealthCheck, Phase, example, given, settings, strategies

    texts = _texts()

    @settings(
        max_examples=3 if case.fast else 40,
        phases=[Phase.explicit, Phase.generate],
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @example(name=" ä\t", channel_id=" A ", metadata={"a": "\n", "A": " "})
    @given(
        name=texts,
        channel_id=texts.filter(lambda text: bool(text.strip()) and text.isprintable()),
        metadata=strategies.dictionaries(texts.filter(bool), texts, max_size=3),
    )
    def keeps(name: str, channel_id: str, metadata: dict[str, str]) -> None:
        _expect_kept(case, name, metadata, channel_id)

    keeps()


def _texts() -> SearchStrategy[str]:
    """Make up texts that headend lets through: no half characters, no zeros."""
    from hypothesis import strategies

    return strategies.one_of(
        strategies.text(
            strategies.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20
        ),
        strategies.sampled_from(
            [" a ", "A", "a", "ä", "a\u0308", "null", "true", "0", "1.0", "\t", "\n"]
        ),
    )


def _expect_kept(case: Case, name: str, metadata: dict[str, str], channel_id: str = "show") -> None:
    result, _ = case.sent_by(
        lambda: case.create(channel_id=channel_id, name=name, metadata=metadata)
    )
    if isinstance(result, InvalidRequestError):
        return
    if isinstance(result, Exception):
        raise result
    assert isinstance(result, StreamCredentials)
    found = case.platform.get_live_stream(result.stream_id)
    expect_equal(found.name, name, "the name that comes back")
    expect_equal(found.channel_id, channel_id, "the channel_id that comes back")
    expect_equal(dict(found.metadata or {}), metadata, "the metadata that come back")


@check(
    "TEXT-LENGTH-001",
    "A text that is too long is refused, never cut",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="A long name, a long value and many values of metadata come back whole, or raise "
    "InvalidRequestError and create nothing.",
    why="Half a name is the wrong name, and a host that keeps its own id in the metadata does not "
    "find it again.",
    hint="Hold texts against the platform's limits before sending, and say which limit it is.",
)
def cuts_nothing(case: Case) -> None:
    """Create with texts of growing length, and with more and more metadata."""
    for size in (100, 1000, 20_000):
        for name, metadata in (
            ("x" * size, {}),
            ("show", {"long": "y" * size}),
            ("show", {f"name{number}": "z" for number in range(size // 20)}),
        ):
            before = set(case.truth().live_streams)
            result, _ = case.sent_by(
                lambda: case.create(channel_id="show", name=name, metadata=metadata)  # noqa: B023  # called at once
            )
            if isinstance(result, StreamCredentials):
                found = case.platform.get_live_stream(result.stream_id)
                kept = (found.name, dict(found.metadata or {})) == (name, metadata)
                expect(kept, f"texts of {size} characters in all do not come back whole")
                continue
            expect(
                isinstance(result, InvalidRequestError),
                f"texts of {size} characters in all raise {type(result).__name__}, and not "
                "InvalidRequestError",
            )
            expect_equal(set(case.truth().live_streams), before, "what there is after a refusal")


@check(
    "TEXT-ID-001",
    "An id is one id, whatever signs are in it",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="For an id that the platform never gave out, reading raises a PlatformError and ending "
    "leaves everything as it is, also where the id looks like a path, a query or a pattern that "
    "leads to a live stream.",
    why="Ids come from addresses that users type.  What is pasted into a path unseen lets them "
    "read and end what is not theirs.",
    hint="Hold ids against the platform's pattern, or quote them with "
    "urllib.parse.quote(stream_id, safe='').",
)
def leads_nowhere(case: Case) -> None:
    """Read and end ids that are made of a real one."""
    real = case.create().stream_id
    case.pass_time(case.spec.settle_time)
    listed = list_all(case)
    for odd in (
        f"{real}/../{real}",
        f"../{real}",
        f"./{real}",
        f"{real}/",
        f"{real}?a=b",
        f"{real}#a",
        f"{real};a",
        f"{real},{real}",
        f"%2e%2e/{real}",
        f" {real}",
        real.swapcase() if real.swapcase() != real else f"{real}{real}",
        "*",
        "..",
        "ü",
        "x" * 2000,
    ):
        expect_raises(
            PlatformError,
            lambda: case.platform.get_live_stream(odd),  # noqa: B023  # called at once
            f"reading the id {odd[:80]!r}, which nobody gave out,",
        )
        case.sent_by(lambda: case.platform.end_live_stream(odd))  # noqa: B023  # called at once
        expect(
            real in case.truth().live_streams,
            f"ending the id {odd[:80]!r} has ended another live stream",
        )
    expect_equal(list_all(case), listed, "the list after ending ids that nobody gave out")
