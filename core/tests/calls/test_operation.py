"""What providers declare of their requests."""

from __future__ import annotations

import pickle

import pytest
from hypothesis import given, strategies as st

from headend.plugin import Effect, Operation, RateLimit


@given(
    requests=st.integers(1, 10_000),
    burst=st.integers(1, 10_000),
    window=st.floats(0.01, 1e6),
)
def test_burst_and_rate_together_stay_within_98_percent_of_the_limit(
    requests: int, burst: int, window: float
) -> None:
    try:
        limit = RateLimit(
            name="api", requests=requests, window=window, per="credential", burst=burst
        )
    except ValueError:
        assert burst - 1 >= 0.98 * requests
        return

    assert (limit.burst - 1) + limit.rate * window <= 0.98 * requests * (1 + 1e-9)
    assert limit.interval * limit.rate == pytest.approx(1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"requests": 0},
        {"window": 0.0},
        {"window": float("nan")},
        {"window": float("inf")},
        {"per": "account"},
        {"burst": 0},
        {"burst": 5},
        {"block": -1.0},
        {"block": float("inf")},
    ],
)
def test_a_limit_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    good = {"name": "api", "requests": 4, "window": 1.0, "per": "operation"}
    RateLimit(**good)  # type: ignore[arg-type]  # as the next line

    with pytest.raises(ValueError, match=r"\w"):
        RateLimit(**(good | wrong))  # type: ignore[arg-type]  # that is the point


def test_operations_are_plain_values() -> None:
    limit = RateLimit(name="tps", requests=5, window=1.0, per="operation", source="docs")
    operation = Operation("CreateChannel", Effect.WRITE, (limit,))

    assert pickle.loads(pickle.dumps(operation)) == operation
    assert hash(operation) == hash(Operation("CreateChannel", Effect.WRITE, (limit,)))
