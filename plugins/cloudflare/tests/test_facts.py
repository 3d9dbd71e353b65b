"""What is known of the platform has a public source and a date, and fits what the plugin does."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

import attrs
import pytest

from headend.encoding import StreamShape, problems
from headend.models import METRICS
from headend.plugin import Meter, Provider
from headend.presets import PRESETS
from headend.provider import PROTOCOLS
from headend_cloudflare import wire
from headend_cloudflare.facts import API_LIMIT, FACTS, GRAPHQL_LIMIT
from headend_cloudflare.settings import MAX_RETENTION, MIN_RETENTION

PUBLIC = {"developers.cloudflare.com", "blog.cloudflare.com", "github.com"}
EVERYTHING = [
    *FACTS.limits,
    *FACTS.quotas,
    *FACTS.encoders,
    *FACTS.prices,
    *FACTS.permissions,
    *FACTS.latencies,
]
QUOTAS = {one.name: one for one in FACTS.quotas}
PRICES = {one.name: one for one in FACTS.prices}


def operations() -> set[str]:
    names = {name for kind in (Provider, *PROTOCOLS.values()) for name in vars(kind)}
    return {name for name in names if not name.startswith("_")}


@pytest.mark.parametrize("fact", EVERYTHING, ids=lambda fact: f"{type(fact).__name__} {fact.name}")
def test_every_fact_has_a_public_source_and_the_day_on_which_it_said_so(fact: object):
    source, as_of = getattr(fact, "source", ""), getattr(fact, "as_of", "")

    address = source.split(" ")[0]
    assert urlsplit(address).scheme == "https"
    assert urlsplit(address).hostname in PUBLIC
    assert date(2021, 1, 1) <= date.fromisoformat(as_of) <= date(2026, 11, 22)


def test_only_what_somebody_else_than_the_platform_measured_is_not_verified():
    for fact in (
        *FACTS.quotas,
        *FACTS.encoders,
        *FACTS.prices,
        *FACTS.permissions,
        *FACTS.latencies,
    ):
        cloudflares = re.match(
            r"https://((developers|blog)\.cloudflare\.com/|github\.com/cloudflare/)", fact.source
        )
        assert fact.verified == bool(cloudflares), fact.name


def test_names_are_not_used_twice():
    for facts in (FACTS.quotas, FACTS.encoders, FACTS.prices, FACTS.permissions, FACTS.latencies):
        names = [fact.name for fact in facts]
        assert len(names) == len(set(names))


def test_the_api_allows_four_requests_a_second_and_blocks_for_five_minutes():
    assert FACTS.limits == (API_LIMIT, GRAPHQL_LIMIT)
    assert API_LIMIT.requests / API_LIMIT.window == 4
    assert API_LIMIT.per == "credential"
    assert API_LIMIT.block == 300
    assert 3.8 < API_LIMIT.rate < 4


def test_an_hour_that_hundred_watch_costs_its_recording_and_what_was_delivered():
    def cost(name: str, units: int) -> Decimal:
        return PRICES[name].amount * units / Decimal(PRICES[name].per)

    assert cost("storage", 60) == Decimal("0.30")
    assert cost("delivery", 60 * 100) == 6
    assert cost("simulcast", 60) == Decimal("0.06")
    assert cost("ingest and encoding", 60) == 0


def test_what_headend_counts_is_counted_in_minutes():
    meters = {name: (one.meter, one.unit_size) for name, one in PRICES.items()}

    assert meters == {
        "storage": (Meter.STORAGE, 60),
        "delivery": (Meter.WATCH, 60),
        "simulcast": (Meter.RESTREAM, 60),
        "WebRTC delivery": (None, 1),
        "ingest and encoding": (Meter.INGEST, 60),
    }
    assert not any(one.terms or one.up_to_height for one in PRICES.values())


@pytest.mark.parametrize(("preset", "fields"), [("1080p", []), ("720p", []), ("480p", ["bitrate"])])
def test_every_preset_is_taken_and_less_than_2_mbit_is_advised_against(
    preset: str, fields: list[str]
) -> None:
    found = problems(PRESETS[preset], FACTS.encoders, {})

    assert [one.field for one in found if not one.fatal] == fields
    assert not any(one.fatal for one in found)


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("bitrate", {"video_bitrate": 13_900_000}),
        ("keyframe_interval", {"keyframe_interval": 1}),
        ("keyframe_interval", {"keyframe_interval": 12}),
    ],
)
def test_an_encoder_beyond_what_cloudflare_takes_is_refused(
    field: str, change: dict[str, float]
) -> None:
    found = problems(attrs.evolve(PRESETS["720p"], **change), FACTS.encoders, {})

    assert [(one.field, one.fatal) for one in found] == [(field, True)]


def test_another_codec_than_h264_and_aac_is_refused() -> None:
    shape = StreamShape(video_codec="hevc", width=1280, height=720, audio_codec="mp3")

    assert {one.field for one in problems(shape, FACTS.encoders, {}) if one.fatal} == {
        "video_codec",
        "audio_codec",
    }


def test_there_are_no_free_minutes_and_no_documented_number_of_live_streams():
    assert QUOTAS["free minutes"].value is None
    assert QUOTAS["live streams"].value is None
    assert QUOTAS["live at once"].value is None
    assert QUOTAS["storage bought at once"].value == 1000


def test_the_options_have_the_limits_that_the_platform_tells():
    assert QUOTAS["recordings kept, least"].value == MIN_RETENTION
    assert QUOTAS["recordings kept, most"].value == MAX_RETENTION


def test_headends_own_bound_is_told_as_its_own():
    assert QUOTAS["metadata"].value is None
    assert f"headend sends {wire.MAX_META:,} bytes" in QUOTAS["metadata"].note


def test_permissions_are_told_for_operations_that_there_are():
    needed = {one.name: set(one.needed_for) for one in FACTS.permissions}

    assert set().union(*needed.values()) <= operations()
    assert not needed["Stream: Read"] & needed["Stream: Edit"]
    # What is here asks the API, so that it needs one of the two; the rest asks nobody.
    not_here = {"list_sessions", "get_session", "put_timed_metadata", "get_analytics_many"}
    asks_nobody = {"account", "close", "parse_event", "find_live_streams"}
    assert needed["Stream: Read"] | needed["Stream: Edit"] == operations() - not_here - asks_nobody
    assert needed["Account Analytics: Read"] == {"get_analytics"}
    assert "total_watch_time" in METRICS


def test_what_was_measured_is_within_what_the_platform_tells_but_for_a_busy_machine():
    latencies = {one.name: one for one in FACTS.latencies}
    for name in ("HLS", "LL-HLS"):
        measured, told = latencies[f"{name}, measured"], latencies[name]
        assert measured.high is not None
        assert told.high is not None
        assert measured.high <= told.high
        assert told.verified
        assert not measured.verified
