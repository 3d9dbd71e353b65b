"""What installed distributions offer, read so that a damaged one cannot hide the others."""

from __future__ import annotations

import logging
from contextlib import suppress
from importlib.metadata import distributions, entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

_log = logging.getLogger(__name__)


def installed(group: str) -> list[EntryPoint]:
    """Return the entry points of a group, but of distributions that cannot be read."""
    try:
        return list(entry_points(group=group))
    except Exception:  # noqa: BLE001  # damaged metadata raise all kinds of errors
        return _one_by_one(group)


def _one_by_one(group: str) -> list[EntryPoint]:
    found: list[EntryPoint] = []
    seen: set[str] = set()
    for distribution in distributions():
        try:
            name = distribution.name
            points = [point for point in distribution.entry_points if point.group == group]
        except Exception as error:  # noqa: BLE001  # see above
            _log.warning("the metadata of %s cannot be read: %s", distribution, error)
            continue
        # Of a distribution that lies in two places of the path, the first counts.
        if name not in seen:
            seen.add(name)
            found += points
    return found


def origin(entry_point: EntryPoint) -> tuple[str, str]:
    """Return name and version of the distribution that an entry point comes from."""
    name: object = None
    version: object = None
    with _without_metadata():
        if entry_point.dist is not None:
            # Metadata without a name or version give None, whatever the annotations say.
            name = entry_point.dist.metadata["Name"]
            version = entry_point.dist.metadata["Version"]
    return str(name or "an unnamed distribution"), str(version or "of unknown version")


def requirements(entry_point: EntryPoint) -> list[str]:
    """Return what the distribution that an entry point comes from requires."""
    with _without_metadata():
        return list(entry_point.dist.requires or ()) if entry_point.dist is not None else []
    return []


def _without_metadata() -> suppress:
    """Go on where a distribution has no metadata.

    Where something has imported the backport importlib_metadata, that answers in place of Python's
    own, and raises this.
    """
    return suppress(FileNotFoundError)
