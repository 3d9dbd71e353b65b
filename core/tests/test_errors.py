"""The tree of errors: closed, picklable, and clear about what happened where."""

from __future__ import annotations

import copy
import inspect
import pickle
import re
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

import headend
import headend.plugin
from headend import errors
from headend.errors import (
    BudgetExceededError,
    ConfigurationError,
    HeadendError,
    LedgerError,
    PlatformError,
    PlatformUnavailableError,
    PluginError,
    RateLimitedError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def tree_of(root: type[HeadendError]) -> Iterator[type[HeadendError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == "headend.errors":
            yield from tree_of(child)


CLASSES = list(tree_of(HeadendError))
PLATFORM_CLASSES = list(tree_of(PlatformError))
NOT_PLATFORM_CLASSES = [
    HeadendError,
    ConfigurationError,
    PluginError,
    UnsupportedError,
    LedgerError,
]
FULL = {
    "provider": "acme",
    "operation": "get_live_stream",
    "status": 503,
    "code": "E17",
    "request_id": "req-9",
    "retryable": True,
    "retry_after": 2.5,
    "request_sent": True,
}


class NotReadyError(PlatformUnavailableError):
    """What a plugin may derive for itself, with a constructor of its own."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"{seconds} s to go", provider="acme", operation="create_live_stream")
        self.seconds = seconds


def test_the_tree_in_the_docstring_is_the_real_tree() -> None:
    """Each class stands below its parent, in the order of the source."""
    shown: dict[str, str | None] = {}
    parents: dict[int, str] = {}
    for indent, name in re.findall(
        r"^    ([│├└─ ]*)(\w+Error)\b", str(errors.__doc__), re.MULTILINE
    ):
        depth = len(indent) // 4
        shown[name] = parents.get(depth - 1)
        parents[depth] = name
    real = {
        name: None if kind is HeadendError else kind.__mro__[1].__name__
        for name, kind in vars(errors).items()
        if inspect.isclass(kind) and issubclass(kind, HeadendError)
    }

    assert list(real.items()) == list(shown.items())


@pytest.mark.parametrize("kind", CLASSES)
def test_every_error_says_when_it_is_raised(kind: type[HeadendError]) -> None:
    assert kind.__doc__ is not None
    assert len(kind.__doc__) > 30


@pytest.mark.parametrize("kind", CLASSES)
def test_hosts_find_every_error_in_headend(kind: type[HeadendError]) -> None:
    assert getattr(headend, kind.__name__) is kind


@pytest.mark.parametrize(
    "kind", [*PLATFORM_CLASSES, ConfigurationError, LedgerError, UnsupportedError]
)
def test_plugins_find_every_error_that_they_raise(kind: type[HeadendError]) -> None:
    assert getattr(headend.plugin, kind.__name__) is kind


@pytest.mark.parametrize("kind", PLATFORM_CLASSES)
def test_a_platform_error_shows_where_it_came_from(kind: type[PlatformError]) -> None:
    error = kind("it is out of order", **FULL)  # type: ignore[arg-type]  # FULL is right

    assert str(error) == (
        "it is out of order (acme get_live_stream, HTTP 503, code E17, request req-9)"
    )
    assert error.message == "it is out of order"


def test_a_platform_error_does_not_show_what_is_not_known() -> None:
    error = PlatformError("no route", provider="acme", operation="check_health")

    assert str(error) == "no route (acme check_health)"
    assert (error.status, error.code, error.request_id, error.retry_after) == (None,) * 4
    assert error.request_sent is None


@pytest.mark.parametrize("kind", PLATFORM_CLASSES)
def test_what_may_succeed_later_is_retryable(kind: type[PlatformError]) -> None:
    error = kind("no", provider="acme", operation="check_health")

    assert error.retryable == (
        kind.__name__ in {"RateLimitedError", "PlatformUnavailableError", "PlatformTimeoutError"}
    )


def test_a_provider_can_tell_that_it_is_otherwise() -> None:
    error = RateLimitedError("never again", provider="acme", operation="x", retryable=False)

    assert error.retryable is False


def examples() -> list[HeadendError]:
    platform = [kind("no", **FULL) for kind in PLATFORM_CLASSES]
    return [
        *platform,
        HeadendError("closed"),
        PluginError("broken"),
        ConfigurationError.of("provider acme", ["ACME_A: is missing.", "ACME_B: is wrong"]),
        UnsupportedError("no", provider="acme", feature="recordings"),
        LedgerError("the disk is full", ledger="/data/ledger.sqlite3"),
        BudgetExceededError(
            "used up",
            scope="all",
            month="2026-12",
            spent=Decimal("12.345"),
            amount=Decimal(12),
            currency="USD",
        ),
        NotReadyError(3),
    ]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
def test_an_error_survives_pickling(error: HeadendError, protocol: int) -> None:
    again = pickle.loads(pickle.dumps(error, protocol))

    assert type(again) is type(error)
    assert str(again) == str(error)
    assert again.args == error.args
    assert vars(again) == vars(error)


@pytest.mark.parametrize("error", examples(), ids=lambda error: type(error).__name__)
def test_an_error_can_be_copied(error: HeadendError) -> None:
    again = copy.copy(error)

    assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))


@given(
    message=st.text(),
    status=st.none() | st.integers(100, 599),
    code=st.none() | st.text(),
    retry_after=st.none() | st.floats(0, 1e6),
)
def test_an_error_survives_pickling_whatever_is_in_it(
    message: str, status: int | None, code: str | None, retry_after: float | None
) -> None:
    error = RateLimitedError(
        message, provider="a", operation="b", status=status, code=code, retry_after=retry_after
    )
    again = pickle.loads(pickle.dumps(error))

    assert (str(again), vars(again)) == (str(error), vars(error))


def test_notes_survive_pickling() -> None:
    error = PluginError("broken")
    error.add_note("seen while starting")

    assert pickle.loads(pickle.dumps(error)).__notes__ == ["seen while starting"]


def test_the_original_exception_is_chained() -> None:
    reset = ConnectionResetError("by peer")
    with pytest.raises(PlatformError) as caught:
        raise PlatformError("broke off", provider="acme", operation="x") from reset

    assert caught.value.__cause__ is reset


def test_a_configuration_error_lists_every_problem() -> None:
    error = ConfigurationError.of("provider acme", ["ACME_A: is missing.", "ACME_B: is wrong"])

    assert error.problems == ("ACME_A: is missing.", "ACME_B: is wrong")
    assert str(error) == (
        "the settings of provider acme have 2 problems:\n  ACME_A: is missing.\n  ACME_B: is wrong"
    )


def test_one_problem_is_one_problem() -> None:
    assert "have one problem:" in str(ConfigurationError.of("headend", ["X: is missing."]))
