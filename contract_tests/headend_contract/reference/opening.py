"""Opening the reference provider where it is not installed for hosts, as tests do.

A host finds its providers by entry points, and no distribution has one for this provider.
`open_reference` goes around that; `install_reference` makes one for a test of the whole way.
"""

from __future__ import annotations

from random import SystemRandom
from typing import TYPE_CHECKING, cast

from headend.clock import SystemClock
from headend_contract import opening
from headend_contract.reference import headend_providers
from headend_contract.reference.provider import ReferenceProvider
from headend_contract.reference.wire import NAME

if TYPE_CHECKING:
    from pathlib import Path
    from random import Random

    from headend.calls import Observer, Pacers
    from headend.platform import StreamingPlatform
    from headend.plugin import Clock, ProviderContext
    from headend.provider import ProviderFactory


def open_reference(
    url: str,
    token: str,
    *,
    clock: Clock | None = None,
    random: Random | None = None,
    database: str | Path | None = None,
    observer: Observer | None = None,
    timeout: float = 10.0,
    calls_timeout: float = 60.0,
    kind: type[ReferenceProvider] = ReferenceProvider,
) -> StreamingPlatform:
    """Open the provider as `headend.open` would, with the world put in from outside.

    Args:
        url: where the simulated platform answers.
        token: what it lets in.
        clock: tells the time and waits; without it the machine's.
        random: the source of chance; without it the machine's.
        database: the ledger's URL as a text or its file as a `Path`; `None`: no ledger.
        observer: is told of every attempt and wait.
        timeout: seconds that one request may take, on the real clock.
        calls_timeout: seconds that one operation may take in all, on `clock`.
        kind: the class to make, which a test may have derived from the good one.
    """
    (spec,) = headend_providers()
    return opening.open_platform(
        spec,
        {
            "REFERENCE_API_URL": url,
            "REFERENCE_API_TOKEN": token,
            "REFERENCE_TIMEOUT": repr(timeout),
        },
        clock=clock or SystemClock(),
        random=random or SystemRandom(),
        database=database,
        observer=observer,
        calls_timeout=calls_timeout,
        factory=cast("ProviderFactory", kind),
    ).platform


def make_context(
    *,
    clock: Clock,
    random: Random,
    pacers: Pacers | None = None,
    observer: Observer | None = None,
    calls_timeout: float = 60.0,
) -> ProviderContext:
    """Return all that a provider needs of the world besides its settings.

    Args:
        clock: tells the time and waits.
        random: the source of chance.
        pacers: the queues under the platform's limits; without them they are the provider's own.
        observer: is told of every attempt and wait.
        calls_timeout: seconds that one operation may take in all.
    """
    return opening.make_context(
        NAME,
        clock=clock,
        random=random,
        pacers=pacers,
        observer=observer,
        calls_timeout=calls_timeout,
    )


def install_reference(folder: Path) -> None:
    """Make the provider known to a Python that has `folder` on its path.

    It writes the metadata of a distribution ``headend-reference`` with the entry point.
    """
    metadata = folder / "headend_reference-0.1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: headend-reference\nVersion: 0.1.0\n"
        "Requires-Dist: headend>=0.1,<0.2\n",
        encoding="utf-8",
    )
    (metadata / "entry_points.txt").write_text(
        f"[headend]\n{NAME} = headend_contract.reference\n", encoding="utf-8"
    )
