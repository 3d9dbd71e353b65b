"""Where a provider's recordings are: a folder with a tape for each check.

::

    cassettes/<provider>/1/environment.yaml     the settings that they are played with
    cassettes/<provider>/1/LIVE-CREATE-001.yaml

``1`` is the contract version.  A wheel carries its plugin's in the folder ``cassettes`` of the
package.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import yaml  # type: ignore[import-untyped]  # its stubs are not installed
from attrs import frozen

from headend_contract.check import CONTRACT_VERSION
from headend_contract.tape import TapeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend_contract.subject import Subject

NAME: Final = "cassettes"
"""The folder in a plugin's package, and in the folder where the suite is run."""

_ENVIRONMENT: Final = "environment.yaml"
_WORDS: Final = (
    "# The settings with which the recordings beside this file are played.\n"
    "# Their secrets are placeholders.\n"
)


@frozen
class Cassettes:
    """The recordings of one provider for one contract version.

    Attributes:
        folder: where they are; it need not exist yet.
    """

    folder: Path

    @classmethod
    def at(cls, place: Path, provider: str) -> Self:
        """Return those of a provider at a place, which holds one provider's or those of several."""
        several = place / provider
        return cls((several if several.is_dir() else place) / CONTRACT_VERSION)

    @property
    def environment_file(self) -> Path:
        """The file of the settings."""
        return self.folder / _ENVIRONMENT

    def path(self, check_id: str) -> Path:
        """Return the file of a check's tape, there or not."""
        return self.folder / f"{check_id}.yaml"

    def ids(self) -> tuple[str, ...]:
        """Return the ids of the checks that have a tape."""
        if not self.folder.is_dir():
            return ()
        files = (one for one in self.folder.glob("*.yaml") if one.name != _ENVIRONMENT)
        return tuple(sorted(one.stem for one in files))

    def environment(self) -> dict[str, str]:
        """Return the settings that the tapes are played with.

        Raises:
            TapeError: they cannot be read.
        """
        path = self.environment_file
        try:
            data: object = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is not YAML"
            raise TapeError(f"{path} cannot be read: {why}") from None
        if not isinstance(data, dict):
            raise TapeError(f"{path} is not a mapping of variables")
        return {str(name): str(value) for name, value in data.items()}

    @staticmethod
    def environment_text(variables: Mapping[str, str]) -> str:
        """Return the text of the file of settings."""
        text: str = yaml.safe_dump(dict(variables), sort_keys=True, allow_unicode=True)
        return _WORDS + text


def find_cassettes(subject: Subject, cassettes: Path | None = None) -> Cassettes | None:
    """Find a provider's recordings; `None` where it has none.

    Args:
        subject: the provider.
        cassettes: where to look.  Without it, the folder ``cassettes`` of its package, and then
            that of the working directory.
    """
    if cassettes is not None:
        places = [cassettes]
    else:
        package = subject.folder
        places = [] if package is None else [package / NAME]
        places.append(Path(NAME) / subject.name)
    for place in places:
        found = Cassettes.at(place, subject.name)
        if found.ids():
            return found
    return None
