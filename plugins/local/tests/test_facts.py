"""The local server costs nothing, and says so, since a provider without prices is unknown."""

from __future__ import annotations

import pytest

from headend.discovery import Registry
from headend.encoding import problems
from headend.plugin import Meter
from headend.presets import PRESETS, EncodingPreset
from headend_local.facts import FACTS
from headend_local.live_stream import LONGEST_GOOD_KEY_FRAME_INTERVAL


def test_what_is_pushed_and_watched_costs_nothing() -> None:
    assert {one.meter: one.amount for one in FACTS.prices} == {Meter.INGEST: 0, Meter.WATCH: 0}
    assert all(one.note for one in FACTS.prices)


@pytest.mark.parametrize("preset", PRESETS.values(), ids=PRESETS)
def test_the_server_takes_every_preset(preset: EncodingPreset) -> None:
    assert problems(preset, FACTS.encoders, {}) == []


def test_the_longest_interval_of_key_frames_is_that_of_which_a_live_stream_warns() -> None:
    (longest,) = (one.max_keyframe_interval for one in FACTS.encoders if not one.enforced)

    assert longest == LONGEST_GOOD_KEY_FRAME_INTERVAL


def test_the_spec_names_the_facts() -> None:
    registry = Registry()

    assert registry.facts(registry.spec("local")) is FACTS
