"""Figures: true ones, or none and the reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend.plugin import METRICS
from headend_contract.check import Level, check, expect, expect_equal, nothing_to_test
from headend_contract.checks.steps import push, truth_of, wait_until_over

if TYPE_CHECKING:
    from headend.plugin import StreamAnalytics
    from headend_contract.case import Case

_WHILE: Final = 180.0
"""Seconds after which every platform's figures have arrived."""


@check(
    "ANALYTICS-REASON-001",
    "Every figure that is missing has its reason",
    level=Level.CORE,
    rule="get_analytics() answers for a live stream that was never live, with its stream_id, and "
    "each figure that is None has a reason in words.",
    why="An operator who sees nothing where a figure should be must learn whether to wait, to buy, "
    "or to grant a permission.",
    hint="Write one sentence for each cause; unknown_metrics() gives several figures the same one.",
)
def gives_reasons(case: Case) -> None:
    """Ask for the figures of a new live stream."""
    made = case.create()
    figures = case.platform.get_analytics(made.stream_id)

    expect_equal(figures.stream_id, made.stream_id, "the stream_id of the figures")
    for name, reason in figures.unknown.items():
        expect(any(letter.isalpha() for letter in reason), f"{name} is None, and no words say why")


@check(
    "ANALYTICS-ZERO-001",
    "What is unknown is not zero",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="While an encoder pushes and people watch, and while the platform waits for the encoder "
    "to come back, no figure is 0: it is more, or None.",
    why="A host that reads 0 viewers ends the show, and one that reads 0 bit/s calls the operator. "
    "None says: not known.",
    hint="Map a missing value, an empty series and the platform's own word for unknown (-1) to "
    "None.",
)
def makes_up_no_zero(case: Case) -> None:
    """Ask for the figures while five people watch, and when the encoder has just gone."""
    made = case.create()
    encoder = push(case, made)
    case.watch(made.stream_id, 5)
    case.pass_time(_WHILE)
    figures = case.platform.get_analytics(made.stream_id)
    if all(getattr(figures, name) is None for name in METRICS):
        nothing_to_test(_untold(figures, METRICS[0], "while people watch"))
    for name in METRICS:
        expect(getattr(figures, name) != 0, f"{name} is 0 while an encoder pushes and people watch")

    encoder.leave()
    if truth_of(case, made).viewers:
        expect(
            case.platform.get_analytics(made.stream_id).viewer_count != 0,
            "viewer_count is 0 when an encoder has just gone, though people still watch",
        )


@check(
    "ANALYTICS-VIEWERS-001",
    "The viewer count is how many watch now",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="viewer_count is the number of those who watch at this moment, or None.",
    why="Hosts show it to their audience, and some pay by it.",
    hint="Take the figure for now, not the sum of a day or the highest one; if there is none for "
    "now, it is None.",
)
def counts_viewers(case: Case) -> None:
    """Have five people watch, then two."""
    made = case.create()
    push(case, made)
    counts = []
    for viewers in (5, 2):
        case.watch(made.stream_id, viewers)
        case.pass_time(_WHILE)
        count = case.platform.get_analytics(made.stream_id).viewer_count
        counts.append(count)
        expect(
            count is None or count == truth_of(case, made).viewers,
            f"viewer_count is {count} while {viewers} people watch",
        )
    if set(counts) == {None}:
        figures = case.platform.get_analytics(made.stream_id)
        nothing_to_test(_untold(figures, "viewer_count", "while people watch"))


@check(
    "ANALYTICS-PEAK-001",
    "The peak is the highest viewer count",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="peak_viewers is the most who ever watched at once in the session, or None.",
    why="A peak below what the host saw itself, or one that adds up everybody who came, spoils "
    "every other figure, too.",
    hint="Ask the platform for the maximum over the session, in one value rather than a sum of "
    "periods.",
)
def knows_the_peak(case: Case) -> None:
    """Have two people watch, then five, then two."""
    made = case.create()
    push(case, made)
    for viewers in (2, 5, 2):
        case.watch(made.stream_id, viewers)
        case.pass_time(_WHILE)
    figures = case.platform.get_analytics(made.stream_id)
    peak = figures.peak_viewers

    if peak is None:
        nothing_to_test(_untold(figures, "peak_viewers", "after people have watched"))
    expect(
        peak == 5,
        f"peak_viewers is {peak} after two people, then five, then two have watched",
    )


@check(
    "ANALYTICS-TIME-001",
    "The watch time is in seconds, of all viewers together",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="total_watch_time is how many seconds all viewers together have watched, as exactly as "
    "the platform knows, or None.",
    why="Platforms bill by it, in minutes, and tell it in minutes or milliseconds.  A wrong unit "
    "makes every cost estimate wrong by 60 or 1000.",
    hint="Convert to seconds where the answer is read, and multiply an average of viewers by its "
    "period.",
)
def knows_the_watch_time(case: Case) -> None:
    """Have three people watch for some time, and ask while they do and when all is over."""
    made = case.create()
    encoder = push(case, made)
    case.watch(made.stream_id, 3)
    case.pass_time(_LONG)
    # Some platforms tell it only while there is something to watch, and some only afterwards.
    during = case.platform.get_analytics(made.stream_id)
    encoder.leave()
    wait_until_over(case)
    after = case.platform.get_analytics(made.stream_id)
    watched = 3 * _LONG

    if during.total_watch_time is None and after.total_watch_time is None:
        nothing_to_test(_untold(after, "total_watch_time", "while people watch and afterwards"))
    for when, figures in (("while", during), ("after", after)):
        told = figures.total_watch_time
        expect(
            # Some wait for a lost encoder, with the viewers, some sample, and some lag behind.
            told is None or watched / 2 <= told <= watched * 3 / 2,
            f"total_watch_time is {told} {when} three people watched for {_LONG:g} s each",
        )


_LONG: Final = 600.0
"""Seconds of which what a platform does not know yet is a small part."""


@check(
    "ANALYTICS-BITRATE-001",
    "The bitrate is in bits per second",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="While an encoder pushes a show, current_bitrate is its bits per second, or None: not its "
    "thousands of them, and no bytes.",
    why="Platforms tell kilobits, hosts compare with the 2500000 that they told the encoder to "
    "send.  A wrong unit is an alarm in every show, or never one.",
    hint="Convert to bit/s where the answer is read.",
)
def knows_the_bitrate(case: Case) -> None:
    """Push for some time."""
    made = case.create()
    push(case, made)
    case.pass_time(_WHILE)
    figures = case.platform.get_analytics(made.stream_id)
    told = figures.current_bitrate

    if told is None:
        nothing_to_test(_untold(figures, "current_bitrate", "while an encoder pushes"))
    expect(
        _LEAST_BITRATE <= told <= _MOST_BITRATE,
        f"current_bitrate is {told} while an encoder pushes, and no picture has so many bits per "
        "second",
    )
    pushed = truth_of(case, made).bitrate
    expect(
        pushed is None or abs(told - pushed) <= _INEXACT * pushed,
        f"current_bitrate is {told} while an encoder pushes {pushed} bit/s",
    )


_INEXACT: Final = 0.3
"""The part by which a platform's mean may be off."""

_LEAST_BITRATE: Final = 32_000
_MOST_BITRATE: Final = 200_000_000
"""Bits per second between which there is every show; less is a telephone call."""


def _untold(figures: StreamAnalytics, name: str, when: str) -> str:
    """Say that a figure is missing, and the provider's reason."""
    return f"{name} is None {when}: {figures.unknown.get(name, 'no reason is given')}"
