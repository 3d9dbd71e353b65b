"""What a page of documentation has its readers type, for tests that type it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Self

from attrs import field, frozen

if TYPE_CHECKING:
    from pathlib import Path


@frozen
class Page:
    """A page in Markdown, or a part of one.

    Attributes:
        text: all of it.
    """

    text: str = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a page from its file."""
        return cls(path.read_text(encoding="utf-8"))

    def part(self, title: str) -> Page:
        """Return what is below a heading, up to the next heading of any level.

        Raises:
            LookupError: there is no such heading.
        """
        heading = rf"^#+ {re.escape(title)}\n(.*?)(?=^#)"
        found = re.search(heading, f"{self.text}\n#", re.DOTALL | re.MULTILINE)
        if found is None:
            raise LookupError(f"the page has no heading {title!r}")
        return Page(found[1])

    def blocks(self, language: str) -> list[str]:
        """Return the texts of all fenced blocks of a language."""
        return re.findall(rf"^```{language}\n(.*?)^```", self.text, re.DOTALL | re.MULTILINE)

    @property
    def commands(self) -> list[str]:
        """The lines that are typed into a console."""
        return [line for block in self.blocks("console") for line in block.splitlines()]
