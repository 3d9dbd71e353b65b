"""The pytest plugin: the options of the contract suite, and its last word.

pytest loads this in every project where the distribution is installed.  So it imports nothing but
what is there already, and an option that might be another's is there only if the suite is named::

    pytest --pyargs headend_contract --provider acme
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

PROVIDER: Final = "contract_provider"
MODE: Final = "contract_mode"
CASSETTES: Final = "contract_cassettes"
"""Where pytest keeps the options."""

_PACKAGE: Final = "headend_contract"
MODES: Final = ("replay", "simulator", "live")
"""The choices of ``--contract-mode``."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that is nobody else's."""
    parser.getgroup("headend", "headend contract suite").addoption(
        "--contract-mode",
        dest=MODE,
        choices=MODES,
        help="Where the answers to a provider come from. Default: its recordings, else its "
        "simulator. (`pytest --pyargs headend_contract --help` tells of further options.)",
    )


def pytest_load_initial_conftests(parser: pytest.Parser, args: list[str]) -> None:
    """Add the other options where the suite's own tests are asked for."""
    if not any(_PACKAGE in one for one in args):
        return
    group = parser.getgroup("headend")
    group.addoption("--provider", dest=PROVIDER, metavar="NAME", help="The provider to check.")
    group.addoption(
        "--cassettes",
        dest=CASSETTES,
        metavar="DIR",
        help="The folder of its recordings. Default: where the plugin brings them.",
    )


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say how far each provider fulfils the contract."""
    if f"{_PACKAGE}.suite" not in sys.modules:
        return
    from headend_contract.explain import summarize
    from headend_contract.suite import REPORTS

    reports = config.stash.get(REPORTS, [])
    if reports:
        terminalreporter.section("headend contract")
    for report in reports:
        terminalreporter.write_line(summarize(report))
