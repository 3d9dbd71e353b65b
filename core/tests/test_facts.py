"""A fact has its source and the date of that, and numbers that make sense."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import given, strategies as st

from headend.calls import RateLimit
from headend.facts import EncoderLimits, Facts, Latency, Permission, Price, Quota

if TYPE_CHECKING:
    from collections.abc import Callable

CITED = {"source": "https://acme.example", "as_of": "2026-11-22"}
GOOD: dict[type, dict[str, object]] = {
    Quota: {"name": "live streams", "value": 5, "unit": "live streams"},
    EncoderLimits: {"name": "all", "video_codecs": ("H.264",), "max_bitrate": 14_000_000},
    Price: {"name": "storage", "amount": Decimal(5), "per": 1000, "unit": "minute stored"},
    Permission: {"name": "Live: Edit", "needed_for": ("create_live_stream",)},
    Latency: {"name": "HLS", "low": 8.5, "high": 12.0},
}


def make(kind: type, **changed: object) -> object:
    return kind(**{**GOOD[kind], **CITED, **changed})


@pytest.mark.parametrize("kind", GOOD)
def test_a_fact_is_taken_as_the_platforms_own_word_where_nothing_else_is_said(kind: type) -> None:
    made = make(kind)

    assert (made.verified, made.note) == (True, "")  # type: ignore[attr-defined]  # all have them
    assert make(kind, verified=False) != made
    assert hash(made) == hash(make(kind))


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("name", ["source", "as_of"])
def test_a_fact_cannot_be_made_without_its_source_and_date(kind: type, name: str) -> None:
    given = {key: value for key, value in {**GOOD[kind], **CITED}.items() if key != name}
    with pytest.raises(TypeError, match=name):
        kind(**given)


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize("source", ["", "  ", None])
def test_a_source_is_not_empty(kind: type, source: object) -> None:
    with pytest.raises(ValueError, match="source must be a text that is not empty"):
        make(kind, source=source)


@pytest.mark.parametrize("kind", GOOD)
@pytest.mark.parametrize(
    "day", ["", "yesterday", "2026-13-01", "2026-02-29", "20261122", "2026-W47-7", "2026-1-2", None]
)
def test_a_date_is_one_that_there_is_written_year_month_day(kind: type, day: object) -> None:
    with pytest.raises(ValueError, match="as_of must be a date such as 2026-11-22"):
        make(kind, as_of=day)


@given(day=st.dates())
def test_any_day_can_be_a_date(day: object) -> None:
    make(Quota, as_of=str(day))


@pytest.mark.parametrize(
    ("kind", "wrong", "words"),
    [
        (Quota, {"value": -1}, "value must be a number from 0, or None"),
        (Quota, {"value": math.inf}, "value must be"),
        (Quota, {"value": math.nan}, "value must be"),
        (Quota, {"value": True}, "value must be"),
        (Quota, {"value": "5"}, "value must be"),
        (Quota, {"unit": ""}, "unit must be a text"),
        (EncoderLimits, {"max_bitrate": 0}, "max_bitrate must be a number above 0"),
        (EncoderLimits, {"min_bitrate": 2e7}, "all: min_bitrate is 20000000.0, above max_bitrate"),
        (EncoderLimits, {"max_height": 0.5}, "max_height must be a number of pixels"),
        (EncoderLimits, {"video_codecs": "H.264"}, "video_codecs must be a tuple of names"),
        (EncoderLimits, {"audio_codecs": ("",)}, "audio_codecs must be a tuple of names"),
        (EncoderLimits, {"terms": {"type": ()}}, "terms must name options of creation"),
        (Price, {"amount": 0.1}, "amount must be a Decimal"),
        (Price, {"amount": Decimal(-1)}, "amount must be a Decimal from 0"),
        (Price, {"amount": Decimal("NaN")}, "amount must be"),
        (Price, {"amount": Decimal("Infinity")}, "amount must be"),
        (Price, {"per": 0}, "per must be a number above 0"),
        (Price, {"unit": " "}, "unit must be a text"),
        (Permission, {"needed_for": ()}, "needed_for must be a tuple of names of operations"),
        (Permission, {"needed_for": "end_live_stream"}, "needed_for must be a tuple"),
        (Permission, {"needed_for": ("End live streams",)}, "needed_for must be a tuple"),
        (Latency, {"low": -1}, "low must be a number from 0, or None"),
        (Latency, {"low": 13.0}, "latency HLS: low is 13.0, above high, 12.0"),
    ],
)
def test_a_figure_makes_sense(kind: type, wrong: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(kind, **wrong)


def test_what_a_platform_does_not_document_is_none() -> None:
    make(Quota, value=None)
    make(Latency, low=None)
    make(Latency, high=None)
    make(Latency, low=None, high=None)


def test_facts_hold_what_they_are_for_and_nothing_else() -> None:
    quota = make(Quota)
    assert Facts(quotas=(quota,)).quotas == (quota,)  # type: ignore[arg-type]  # it is a Quota

    for name in (field.name for field in attrs.fields(Facts) if field.name != "quotas"):
        with pytest.raises(ValueError, match=f"{name} must be a tuple of"):
            Facts(**{name: (quota,)})
    with pytest.raises(ValueError, match="quotas must be a tuple of Quota objects"):
        Facts(quotas=[quota])  # type: ignore[arg-type]  # what an author may do


@pytest.mark.parametrize("missing", ["source", "as_of"])
def test_a_limit_that_is_shown_as_a_fact_needs_its_source_and_date(missing: str) -> None:
    limit: Callable[..., RateLimit] = RateLimit
    given = {"name": "api", "requests": 10, "window": 1.0, "per": "credential", **CITED}
    Facts(limits=(limit(**given),))

    with pytest.raises(ValueError, match="limit api needs a source, and its date as as_of"):
        Facts(limits=(limit(**{**given, missing: ""}),))
