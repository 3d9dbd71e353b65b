"""An estimate is what the broadcast would cost, on every provider, in every way to create it."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from attrs import evolve
from hypothesis import given, strategies as st

from headend.costs.estimate import Broadcast, Estimate, estimate
from headend.costs.prices import ListedPrice, PriceBook, PriceList
from headend.facts import EncoderLimits, Meter, Price
from headend.presets import PRESETS

CITED = {"source": "https://acme.example", "as_of": "2026-11-22"}


def price(name: str, amount: str, meter: Meter, **more: object) -> ListedPrice:
    given_: dict[str, object] = {"per": 1, "unit": "hour", "unit_size": 3600, **CITED, **more}
    return ListedPrice(price=Price(name=name, amount=Decimal(amount), meter=meter, **given_))  # type: ignore[arg-type]  # the keyword arguments above


def limits(**more: object) -> EncoderLimits:
    return EncoderLimits(name=str(more), **CITED, **more)  # type: ignore[arg-type]  # as above


BOOK = PriceBook(
    lists={
        "minutes": PriceList(
            provider="minutes",
            prices=(
                price("storage", "5", Meter.STORAGE, per=1000, unit_size=60),
                price("delivery", "1", Meter.WATCH, per=1000, unit_size=60),
                price("ingest", "0", Meter.INGEST),
                price("targets", "9", Meter.RESTREAM),
            ),
            encoders=(limits(min_bitrate=2_000_000, enforced=False),),
        ),
        "hours": PriceList(
            provider="hours",
            defaults={"type": "FULL"},
            prices=(
                price("in small", "0.2", Meter.INGEST, terms={"type": "SMALL"}, verified=False),
                price("in full", "2", Meter.INGEST, terms={"type": "FULL"}, verified=False),
                price("480", "0.03", Meter.WATCH, up_to_height=480),
                price("720", "0.07", Meter.WATCH, up_to_height=720, terms={"type": "FULL"}),
                price("1080", "0.15", Meter.WATCH, up_to_height=1080, terms={"type": "FULL"}),
            ),
            encoders=(
                limits(max_bitrate=1_500_000, terms={"type": "SMALL"}, up_to_height=480),
                limits(max_bitrate=3_500_000, terms={"type": "SMALL"}),
            ),
        ),
        "broken": PriceList(provider="broken", problem="it cannot be imported"),
    }
)


def found(preset: str = "720p", *, prices: PriceBook = BOOK, **more: object) -> list[Estimate]:
    given_: dict[str, object] = {"minutes": Decimal(90), "viewers": Decimal(250), **more}
    return estimate(prices, Broadcast(preset=PRESETS[preset], **given_))  # type: ignore[arg-type]  # the keyword arguments above


def named(estimates: list[Estimate]) -> dict[tuple[str, str], Estimate]:
    return {(one.provider, one.terms.get("type", "")): one for one in estimates}


def test_every_provider_is_there_and_every_choice_on_which_prices_depend_the_default_first() -> (
    None
):
    assert [(one.provider, dict(one.terms), one.is_default) for one in found()] == [
        ("broken", {}, True),
        ("hours", {"type": "FULL"}, True),
        ("hours", {"type": "SMALL"}, False),
        ("minutes", {}, True),
    ]


def test_an_option_on_which_an_encoder_depends_and_no_price_is_a_choice_as_well() -> None:
    home = PriceList(
        provider="home",
        defaults={"size": "S"},
        prices=(price("line", "0.08", Meter.INGEST),),
        encoders=(limits(terms={"size": "S"}, max_height=480),),
    )
    (one,) = found(prices=evolve(BOOK, lists={"home": home}))

    assert (dict(one.terms), one.is_default, one.total) == ({"size": "S"}, True, None)
    assert one.problem == (
        "the preset 720p is refused: the picture is 1280 x 720 pixels, where a height of 480 is "
        "taken at most: make it smaller"
    )


def test_the_total_is_the_sum_of_what_is_pushed_watched_and_recorded() -> None:
    one = named(found())["minutes", ""]

    assert [(item.price.name, str(item.cost)) for item in one.items] == [
        ("ingest", "0.00 USD"),
        ("delivery", "22.50 USD"),
        ("storage", "0.45 USD"),
    ]
    assert str(one.total) == "22.95 USD"
    assert str(one.cost_of(Meter.STORAGE)) == "0.45 USD"
    assert one.cost_of(Meter.BANDWIDTH) is None
    assert one.verified


def test_what_is_not_recorded_is_not_paid_for() -> None:
    one = named(found(recorded=False))["minutes", ""]

    assert str(one.total) == "22.50 USD"


@pytest.mark.parametrize(
    ("preset", "full", "small"),
    [("480p", "0.03", None), ("720p", "0.07", "0.03"), ("1080p", "0.15", None)],
)
def test_the_picture_decides_the_tier_and_whether_an_encoder_is_taken_at_all(
    preset: str, full: str, small: str | None
) -> None:
    estimates = named(found(preset))
    for kind, rate in (("FULL", full), ("SMALL", small)):
        one = estimates["hours", kind]
        if rate is None:
            assert one.total is None
            assert one.problem is not None
            assert one.problem.startswith(f"the preset {preset} is refused: video and audio")
        else:
            assert one.cost_of(Meter.WATCH) is not None
            assert one.cost_of(Meter.WATCH).amount == Decimal(rate) * 375  # type: ignore[union-attr]  # as asserted
            assert not one.verified


def test_a_picture_that_viewers_do_not_get_is_told() -> None:
    one = named(found("720p"))["hours", "SMALL"]

    assert one.notes == ("viewers get a picture of 480 lines at most",)


def test_an_encoder_that_sends_less_than_a_platform_wants_is_told() -> None:
    one = named(found("480p"))["minutes", ""]

    assert one.total is not None
    (note,) = one.notes
    assert note == (
        "the preset 480p: video and audio together have 1,628,000 bits per second, where "
        "2,000,000 are advised at least: set it to 2,000,000 or more"
    )
    assert named(found("720p"))["minutes", ""].notes == ()
    assert named(found("720p"))["hours", "FULL"].notes == ()


def test_a_provider_whose_prices_are_not_known_has_no_total_and_the_reason() -> None:
    one = named(found())["broken", ""]

    assert (one.total, one.problem) == (None, "it cannot be imported")


@given(
    minutes=st.decimals(0, 10**6, places=3),
    viewers=st.decimals(0, 10**6, places=3),
    preset=st.sampled_from(sorted(PRESETS)),
)
def test_an_estimate_is_what_fractions_say(minutes: Decimal, viewers: Decimal, preset: str) -> None:
    one = named(found(preset, minutes=minutes, viewers=viewers))["minutes", ""]
    exact = Fraction(minutes) * Fraction(viewers) / 1000 + Fraction(minutes) * 5 / 1000

    assert one.total is not None
    assert abs(Fraction(one.total.amount) - exact) < Fraction(1, 10**20)
    sent = Fraction(minutes) * 60 * Fraction(viewers) * PRESETS[preset].bitrate / 8
    assert Fraction(one.delivered_bytes) == sent


def test_bytes_cost_where_the_host_has_a_price_for_them() -> None:
    home = PriceList(
        provider="home",
        prices=(price("line", "0.08", Meter.BANDWIDTH, unit="GB", unit_size=1e9),),
    )
    (one,) = found(prices=evolve(BOOK, lists={"home": home}))

    assert one.cost_of(Meter.BANDWIDTH) is not None
    assert one.total is not None
    assert one.total.amount == Decimal("0.08") * one.delivered_bytes / 10**9
