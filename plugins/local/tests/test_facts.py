"""The local server costs nothing, and says so, since a provider without prices is unknown."""

from __future__ import annotations

from headend.discovery import Registry
from headend.plugin import Meter
from headend_local.facts import FACTS


def test_what_is_pushed_and_watched_costs_nothing() -> None:
    assert {one.meter: one.amount for one in FACTS.prices} == {Meter.INGEST: 0, Meter.WATCH: 0}
    assert all(one.note for one in FACTS.prices)


def test_the_spec_names_the_facts() -> None:
    registry = Registry()

    assert registry.facts(registry.spec("local")) is FACTS
