"""`headend watch` on the simulated AWS: few requests for many live streams, within the quotas."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import headend
from headend.watch import Source, Watch

if TYPE_CHECKING:
    from collections.abc import Callable

    from headend.platform import StreamingPlatform
    from headend_contract.clock import ManualClock
    from headend_contract.serving import Served
    from headend_ivs.settings import IvsSettings
    from headend_ivs.simulator.app import SimulatorApp
    from headend_ivs.simulator.platform import SimulatedPlatform


def test_of_250_live_streams_with_130_live_a_look_takes_a_few_requests(
    served: Served,
    app: SimulatorApp,
    simulated: SimulatedPlatform,
    clock: ManualClock,
    open_platform: Callable[..., StreamingPlatform],
    settings_from: Callable[..., IvsSettings],
) -> None:
    opened = open_platform(settings_from(app.environment(served.url)), clock=clock)
    with opened as platform, headend.open_costs(database=None, clock=clock) as book:
        for number in range(250):
            made = platform.create_live_stream(number)
            if number < 130:
                assert app.connect(made.stream_key.reveal()) is not None
                app.watch(made.stream_id, 3)
        clock.advance(180)
        watch = Watch([platform], book, clock=clock)
        watch.look()
        clock.advance(10)
        simulated.requests.clear()
        begin = clock.monotonic()

        view = watch.look()
        taken = clock.monotonic() - begin

    asked = Counter(one.operation for one in simulated.requests)
    assert len(view.rows) == 250
    assert view.providers[0].problem is None
    assert view.providers[0].live == 130
    assert sum(asked.values()) <= 25, asked
    assert taken < 10
    live = view.rows[:130]
    assert {row.viewers.value for row in live} == {3}
    assert {row.viewers.source for row in live} == {Source.PLATFORM}
