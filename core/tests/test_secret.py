"""A secret shows itself only when asked to."""

from __future__ import annotations

import copy
import logging
import pickle
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, strategies as st

from headend.secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable

VALUE = "tr0ub4dor-and-3"
SHOWN: dict[str, Callable[[Secret], str]] = {
    "str": str,
    "repr": repr,
    "f-string": lambda secret: f"{secret}",
    "f-string with !r": lambda secret: f"{secret!r}",
    "f-string with a width": lambda secret: f"{secret:>40}",
    "format": "{}".format,
    "percent": lambda secret: "%s %r" % (secret, secret),  # noqa: UP031  # logging does this
    "in a list": lambda secret: str([secret]),
    "in a dict": lambda secret: str({"key": secret}),
    "in an error": lambda secret: str(ValueError(secret)),
}


@pytest.mark.parametrize("how", SHOWN)
def test_a_secret_is_masked_wherever_it_is_printed(how: str) -> None:
    shown = SHOWN[how](Secret(VALUE))

    assert MASK in shown
    assert VALUE not in shown


def test_a_secret_is_masked_in_a_log_record(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("the key is %s", Secret(VALUE))

    assert caplog.messages == [f"the key is {MASK}"]


@given(st.text(), st.text())
def test_the_mask_tells_nothing_about_the_length(one: str, other: str) -> None:
    assert str(Secret(one)) == str(Secret(other))
    assert repr(Secret(one)) == repr(Secret(other))


@given(st.text())
def test_reveal_gives_the_text_itself(value: str) -> None:
    assert Secret(value).reveal() == value


@given(st.text(), st.text())
def test_two_secrets_are_equal_when_their_texts_are(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) == (one == other)
    assert Secret(one) == Secret(one)
    assert hash(Secret(one)) == hash(Secret(one))


def test_secrets_of_undecodable_bytes_can_be_compared() -> None:
    """The environment may hold bytes that are not UTF-8; they come as lone surrogates."""
    value = b"key-\xff".decode("utf-8", "surrogateescape")

    assert Secret(value) == Secret(value)
    assert Secret(value) != Secret("key-")


def test_a_secret_never_equals_a_plain_string() -> None:
    secret: object = Secret(VALUE)

    assert secret != VALUE


def test_a_secret_cannot_be_pickled() -> None:
    with pytest.raises(TypeError, match="reveal") as caught:
        pickle.dumps(Secret(VALUE))

    assert VALUE not in str(caught.value)


def test_copies_are_the_secret_itself() -> None:
    secret = Secret(VALUE)

    assert copy.copy(secret) is secret
    assert copy.deepcopy({"key": secret})["key"] is secret


@pytest.mark.parametrize("value", [None, 42, b"bytes", Secret(VALUE)])
def test_a_secret_holds_text_only(value: object) -> None:
    with pytest.raises(TypeError, match="a Secret holds a str"):
        Secret(value)  # type: ignore[arg-type]  # what is tested


def test_a_secret_has_no_dictionary_to_look_into() -> None:
    with pytest.raises(TypeError):
        vars(Secret(VALUE))
