"""The figures of many live streams at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from headend.plugin import Capability
from headend_contract.check import Level, check, expect, expect_equal

if TYPE_CHECKING:
    from headend_contract.case import Case


@check(
    "BATCH-ORDER-001",
    "The figures of many come in the order asked",
    level=Level.CORE,
    requires=(Capability.BATCH_ANALYTICS,),
    rule="get_analytics_many() returns one result for each id, in the order of the ids, also for "
    "an id that is asked for twice.",
    why="Hosts put the results beside their own rows.  Another order shows each show the figures "
    "of another.",
    hint="Collect the platform's answers by id, and build the result from the ids that were asked "
    "for.",
)
def keeps_the_order(case: Case) -> None:
    """Ask in an order that is neither that of creation nor of the ids."""
    ids = sorted(case.create().stream_id for _ in range(3))
    asked = [ids[1], ids[2], ids[0], ids[2]]
    found = [one.stream_id for one in case.platform.get_analytics_many(asked)]

    expect_equal(found, asked, "the order of the ids in what get_analytics_many() returns")


@check(
    "BATCH-REQUESTS-001",
    "The figures of many take fewer requests than one each",
    level=Level.CORE,
    requires=(Capability.BATCH_ANALYTICS,),
    rule="get_analytics_many() of six live streams sends fewer than six requests.",
    why="That is what the capability promises.  A host that trusts it and asks for a thousand "
    "runs into the platform's limit.",
    hint="Use the platform's operation for many; if it has none, do not declare batch-analytics: "
    "headend asks one by one then.",
)
def asks_for_many_at_once(case: Case) -> None:
    """Count the requests for six."""
    ids = [case.create().stream_id for _ in range(6)]
    before = len(case.requests)
    case.platform.get_analytics_many(ids)
    sent = len(case.requests) - before

    expect(sent < len(ids), f"the figures of {len(ids)} live streams took {sent} requests")


@check(
    "BATCH-NONE-001",
    "The figures of none are none, and cost nothing",
    level=Level.CORE,
    requires=(Capability.BATCH_ANALYTICS,),
    offline=True,
    rule="get_analytics_many([]) returns an empty list without a request.",
    why="Hosts ask for what is live now, which at night is nothing; platforms refuse an empty "
    "list, or answer with everything.",
    hint="Return before the request.",
)
def asks_nothing_for_none(case: Case) -> None:
    """Ask for no live stream."""
    expect_equal(case.platform.get_analytics_many([]), [], "what get_analytics_many([]) returns")


@check(
    "BATCH-SIZE-001",
    "The figures of many are those of all",
    level=Level.EXTENDED,
    requires=(Capability.BATCH_ANALYTICS,),
    needs_simulator=True,
    rule="get_analytics_many() of 101 live streams has 101 results, in the order asked.",
    why="Platforms take so many ids at once and no more.  What is cut off there has no figures, "
    "or those of another.",
    hint="Ask in portions of what the platform takes, and put them together.",
)
def has_no_end(case: Case) -> None:
    """Ask for more than platforms take at once."""
    ids = [case.create().stream_id for _ in range(_MANY)]
    case.pass_time(case.spec.settle_time)
    found = [one.stream_id for one in case.platform.get_analytics_many(ids)]

    expect(
        found == ids,
        f"get_analytics_many() of {len(ids)} live streams has {len(found)} results, and not those "
        "of all, in the order asked",
    )


_MANY: Final = 101
"""Live streams; more than platforms take at once."""
