"""Whether a live stream could be created now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headend.plugin import ConfigurationError
from headend.settings import describe_settings
from headend_contract.check import Level, check, expect, expect_equal, not_applicable
from headend_contract.checks.steps import similar

if TYPE_CHECKING:
    from headend_contract.case import Case


@check(
    "HEALTH-001",
    "A provider with good credentials is healthy",
    level=Level.CORE,
    rule="check_health() asks the platform, and says ok, the provider's name, and a sentence.",
    why="It is the first thing that a new user runs, and what a monitor runs for ever.",
    hint="Choose a cheap reading request that needs the same credentials as creating.",
)
def is_healthy(case: Case) -> None:
    """Ask for the health."""
    health = case.platform.check_health()

    expect(health.ok, f"check_health() is not ok with good credentials: {health.message}")
    expect_equal(health.provider, case.spec.name, "the provider of the health")
    expect(any(letter.isalpha() for letter in health.message), "the health's message has no words")


@check(
    "HEALTH-002",
    "Asking for the health leaves nothing behind",
    level=Level.EXTENDED,
    needs_simulator=True,
    rule="check_health() creates nothing and changes nothing.",
    why="Monitors ask every few seconds.  What is left behind each time fills the account.",
    hint="Prove the credentials by reading.",
)
def leaves_nothing(case: Case) -> None:
    """Compare the platform before and after."""
    case.create()
    before = case.truth()
    case.platform.check_health()

    expect(case.truth() == before, "check_health() changed what is on the platform")


@check(
    "HEALTH-003",
    "A provider whose credentials are refused is not healthy",
    level=Level.CORE,
    rule="is_healthy() is False with credentials that the platform refuses.",
    why="A health that is always good is worse than none: nobody looks any further.",
    hint="Let the platform's refusal through as AuthenticationError; an address that answers "
    "proves nothing.",
)
def is_not_healthy(case: Case) -> None:
    """Change each credential a little, and ask for the health."""
    secret = {one.env for one in describe_settings(case.settings_class) if one.secret}
    given = {name: value for name, value in case.environment.items() if name in secret}
    changed = {
        name: similar(value) for name, value in given.items() if _can_be_opened(case, name, value)
    }
    if not changed:
        not_applicable("it is opened here without a credential, or with one that cannot be changed")
    platform = case.open(environment=changed)

    expect(not platform.is_healthy(), "is_healthy() is True with credentials that are wrong")


def _can_be_opened(case: Case, name: str, value: str) -> bool:
    """Tell whether a credential can be another one: a key in a file format may not."""
    if similar(value) == value:
        return False
    try:
        case.open(environment={name: similar(value)})
    except ConfigurationError:
        return False
    return True
