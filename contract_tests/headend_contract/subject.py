"""What is checked: a provider by its description, and the distribution that brings it."""

from __future__ import annotations

from importlib.metadata import Distribution, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

from attrs import field, frozen

from headend.discovery import GROUP, Registry
from headend.errors import PluginError
from headend.plugin import Facts, ProviderSpec
from headend.settings import describe_settings
from headend_contract.opening import resolve, resolve_class

if TYPE_CHECKING:
    from headend.settings import SettingInfo


@frozen
class Subject:
    """A provider whose conduct is checked.

    Attributes:
        spec: its description.
        distribution: what brings it; `None` for a bare description.
    """

    spec: ProviderSpec
    distribution: Distribution | None = field(default=None, eq=False)

    @classmethod
    def of(cls, provider: str | ProviderSpec) -> Self:
        """Find an installed provider by its name, or take a bare description.

        Raises:
            PluginError: there is no such provider, or it cannot be used.
        """
        if isinstance(provider, ProviderSpec):
            return cls(provider)
        spec = Registry().spec(provider)
        (entry_point,) = entry_points(group=GROUP, name=provider)
        return cls(spec, entry_point.dist)

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.spec.name

    @property
    def version(self) -> str | None:
        """The version of the distribution."""
        return None if self.distribution is None else self.distribution.version

    @property
    def origin(self) -> str:
        """The distribution with its version, or the package of a bare description."""
        if self.distribution is None:
            return self.package
        return f"{self.distribution.name} {self.distribution.version}"

    @property
    def package(self) -> str:
        """The name of the topmost package that holds the provider."""
        return self.spec.factory.partition(":")[0].partition(".")[0]

    @property
    def folder(self) -> Path | None:
        """Where that package's files are; `None` where they are in no folder."""
        found = find_spec(self.package)
        if found is None or found.origin is None:
            return None
        folder = Path(found.origin).parent
        return folder if folder.is_dir() else None

    @property
    def settings_class(self) -> type:
        """The class of its settings.

        Raises:
            PluginError: it cannot be imported, or is no class.
        """
        return resolve_class(self.spec, self.spec.settings)

    @property
    def variables(self) -> tuple[str, ...]:
        """The names of the environment variables of its settings; none if they cannot be read."""
        return tuple(info.env for info in self._settings)

    @property
    def secret_variables(self) -> tuple[str, ...]:
        """Those of them whose values are secrets."""
        return tuple(info.env for info in self._settings if info.secret)

    @property
    def _settings(self) -> tuple[SettingInfo, ...]:
        try:
            return describe_settings(self.settings_class)
        except Exception:  # noqa: BLE001  # whatever is wrong with them, opening will tell
            return ()

    @property
    def options_class(self) -> type | None:
        """The class of its options for creating, or `None` if it has none.

        Raises:
            PluginError: it cannot be imported, or is no class.
        """
        return None if self.spec.options is None else resolve_class(self.spec, self.spec.options)

    @property
    def facts(self) -> Facts:
        """What it tells of its platform; empty where it tells nothing.

        Raises:
            PluginError: it cannot be imported, or is something else.
        """
        if self.spec.facts is None:
            return Facts()
        found = resolve(self.spec, self.spec.facts)
        if not isinstance(found, Facts):
            raise PluginError(
                f"provider {self.name}: {self.spec.facts} is of the type {type(found).__name__}, "
                "not Facts"
            )
        return found
