"""What only one provider can be asked for when a live stream is created."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import attrs

from headend.plugin import InvalidRequestError, UnsupportedError
from headend_contract.check import Level, check, expect, not_applicable

if TYPE_CHECKING:
    from headend_contract.case import Case

_UNHEARD_OF: Final = "headend_unheard_of"


@check(
    "OPTION-UNKNOWN-001",
    "An option that the provider does not have is refused before any request",
    level=Level.CORE,
    offline=True,
    rule="Creating with an option of a name that the provider's options do not have raises "
    "UnsupportedError, which names the option, and sends nothing.",
    why="An option that is dropped in silence is a live stream that is recorded, or public, or "
    "paid for, though the host asked for the contrary.",
    hint="Name an attrs class as the spec's options, with a field for each option and nothing "
    "that takes any name; headend then refuses the rest.",
)
def refuses_unknown_options(case: Case) -> None:
    """Create with an option that no provider has."""
    result, _ = case.sent_by(
        lambda: case.platform.create_live_stream("show", options={_UNHEARD_OF: True})
    )

    expect(
        isinstance(result, UnsupportedError) and result.feature == _UNHEARD_OF,
        "an option that the provider does not have "
        + (
            f"raises {type(result).__name__}"
            if isinstance(result, Exception)
            else "is accepted and dropped"
        ),
    )


@check(
    "OPTION-VALUE-001",
    "An option with a value that makes no sense is refused before any request",
    level=Level.CORE,
    offline=True,
    rule="Creating with an object of no known type as an option's value raises "
    "InvalidRequestError or UnsupportedError, and sends nothing.",
    why="What is not checked here is found out by the platform, in words that name no option of "
    "the host's, or by nobody.",
    hint="Give every field of the options class the type it has; headend holds values against it.",
)
def refuses_senseless_values(case: Case) -> None:
    """Create with each option set to something that no option can be."""
    options = case.options_class
    if options is None or not attrs.fields(options):
        not_applicable("it has no options")
    for option in attrs.fields(options):
        result, _ = case.sent_by(
            lambda: case.platform.create_live_stream("show", options={option.name: object()})  # noqa: B023  # called at once
        )
        expect(
            isinstance(result, (InvalidRequestError, UnsupportedError)),
            f"the option {option.name} with a value of no known type "
            + (
                f"raises {type(result).__name__}"
                if isinstance(result, Exception)
                else "is accepted"
            ),
        )
