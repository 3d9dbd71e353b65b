"""What is imported, and what not, before it is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import distribution, entry_points, packages_distributions
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Ran

    Python = Callable[..., Ran]

HEAVY = {"anyio", "asyncio", "av", "cattrs", "httpx", "pluggy", "rich", "starlette", "uvicorn"}
LISTS_MODULES = "\nimport json, sys; print(json.dumps(sorted(sys.modules)))"
HELP = """
import contextlib, io, sys
from headend.cli.main import main
sys.argv = ["headend", "--help"]
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
"""


def imported_by(python: Python, code: str) -> set[str]:
    ran = python(code + LISTS_MODULES)
    assert ran.code == 0, ran.err
    return set(json.loads(ran.out))


@pytest.mark.parametrize(
    ("what", "light"),
    [
        ("import headend", {"attrs", "click", "headend.models", "headend.discovery"}),
        ("import headend.plugin", {"attrs", "click", "headend.models", "headend.provider"}),
        ("from headend.plugin import ProviderSpec", {"headend.models", "headend.settings"}),
        ("import headend; headend.HeadendError", {"attrs", "headend.models"}),
        (HELP, {"attrs", "headend.models", "headend.discovery", "headend.settings"}),
    ],
    ids=["headend", "headend.plugin", "ProviderSpec", "errors", "headend --help"],
)
def test_nothing_heavy_is_imported_before_it_is_needed(
    what: str, light: set[str], python: Python
) -> None:
    modules = imported_by(python, what)

    assert modules & (HEAVY | light) == set()


FIRST_PARTY = sorted(
    point.name
    for point in entry_points(group="headend")
    if point.dist is not None and point.dist.name.startswith("headend-")
)


def own_dependencies(name: str) -> set[str]:
    """Return the modules that a plugin's distribution needs and headend itself does not."""
    (point,) = entry_points(group="headend", name=name)
    assert point.dist is not None
    wanted = {re.match(r"[\w.-]+", one)[0].lower() for one in point.dist.requires or ()}  # type: ignore[index]  # a requirement has a name
    given = {re.match(r"[\w.-]+", one)[0].lower() for one in distribution("headend").requires or ()}  # type: ignore[index]  # as above
    return {
        module
        for module, origins in packages_distributions().items()
        if {origin.lower() for origin in origins} & (wanted - given - {"headend"})
    }


@pytest.mark.parametrize("name", FIRST_PARTY)
def test_describing_a_provider_imports_none_of_its_dependencies(name: str, python: Python) -> None:
    code = (
        "from importlib.metadata import entry_points\n"
        f"(point,) = entry_points(group='headend', name={name!r})\n"
        "list(point.load().headend_providers())"
    )
    modules = imported_by(python, code)
    package = next(iter(entry_points(group="headend", name=name))).module

    assert modules & own_dependencies(name) == set()
    assert {one for one in modules if one.startswith(f"{package}.")} == set()
    assert modules & (HEAVY - {"pluggy"}) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows does not tell processor time so")
def test_help_takes_at_most_90_ms_more_than_a_bare_interpreter() -> None:
    """Processor time counts, and the quickest of several runs, lest a busy machine decides."""
    import resource

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    def quickest(seconds: float, *arguments: str) -> float:
        before = spent()
        subprocess.run(
            [sys.executable, *arguments], stdout=subprocess.DEVNULL, timeout=60, check=True
        )
        return min(seconds, spent() - before)

    bare = with_help = float("inf")
    for _ in range(20):
        bare = quickest(bare, "-c", "pass")
        with_help = quickest(with_help, "-m", "headend", "--help")
        if with_help - bare <= 0.090:
            break

    assert with_help - bare <= 0.090
