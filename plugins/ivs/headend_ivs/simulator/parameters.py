"""The parameters of a request, once they fit the service model."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from headend_ivs.simulator.identity import ACCOUNT

if TYPE_CHECKING:
    from collections.abc import Mapping

    Json = dict[str, object]


class Parameters:
    """The parameters of a request, which fit the service model."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def value(self, name: str) -> object:
        """Return whatever it is."""
        return self._values[name]

    def text(self, name: str, default: str = "") -> str:
        """Return a text."""
        return cast("str", self._values.get(name, default))

    def flag(self, name: str) -> bool:
        """Return whether something is so; it is not where nothing is said."""
        return cast("bool", self._values.get(name, False))

    def number(self, name: str, default: int) -> int:
        """Return a whole number."""
        return cast("int", self._values.get(name, default))

    def texts(self, name: str) -> list[str]:
        """Return a list of texts."""
        return cast("list[str]", self._values.get(name, []))

    def tags(self) -> dict[str, str]:
        """Return the tags."""
        return dict(cast("dict[str, str]", self._values.get("tags", {})))

    def object(self, name: str) -> Json:
        """Return an object."""
        return cast("Json", self._values.get(name, {}))


def resource_of(operation: str, given: Parameters, region: str) -> str:
    """Return the ARN of what a request is about, as a policy or a refusal names it."""
    for name in ("arn", "channelArn", "resourceArn"):
        if name in given:
            return given.text(name)
    kind = "playback-key" if "PlaybackKey" in operation else "channel"
    return f"arn:aws:ivs:{region}:{ACCOUNT}:{kind}/*"
