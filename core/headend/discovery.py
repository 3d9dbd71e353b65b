"""Finding providers in three steps, each as late as possible.

1. *Discover*: the names of entry points, from the metadata of distributions; nothing is imported.
2. *Describe*: load one entry point and ask it for its `ProviderSpec`.
3. *Create*: resolve the factory that the spec names, check the settings, make the provider.

A plugin that fails in any step is listed with the reason and never stops the others.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from contextlib import redirect_stdout
from difflib import get_close_matches
from enum import StrEnum
from importlib import import_module
from importlib.metadata import EntryPoint, version
from inspect import getattr_static, signature
from typing import TYPE_CHECKING, Final, cast

import pluggy
from attrs import evolve, frozen, has

from headend import hookspecs
from headend._entry_points import installed, origin, requirements
from headend.errors import HeadendError, PluginError
from headend.facts import Facts
from headend.provider import PROTOCOLS, Provider
from headend.settings import Configuration, describe_settings, load_settings
from headend.simulator import Simulator
from headend.spec import PLUGIN_API_VERSION, Capability, ProviderSpec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from random import Random

    from headend.clock import Clock
    from headend.media import MediaBackend
    from headend.provider import ProviderContext, ProviderFactory

GROUP: Final = "headend"
"""The entry-point group of providers.  The name of an entry point is its provider's name."""

CORE: Final = "headend"


class ProviderState(StrEnum):
    """Whether an installed provider can be used."""

    OK = "ok"
    BROKEN = "broken"
    """It cannot be imported, or does not describe itself as it should."""
    INCOMPATIBLE = "incompatible"
    """It was written for another version of headend."""
    DUPLICATE = "duplicate"
    """Another distribution has a provider of the same name; neither is used."""
    DISABLED = "disabled"
    """``HEADEND_DISABLE_PLUGINS`` names it."""


@frozen(kw_only=True)
class ProviderInfo:
    """An installed provider.

    Attributes:
        name: how it is selected.
        state: whether it can be used.
        reason: why not, and which distribution to change; `None` when it is ok.
        distribution: the name of the distribution it comes from.
        version: that distribution's version.
        title: for people; `None` while it is not described.
        capabilities: what it can do beyond the operations that all have.
        docs_url: where a person reads on.
    """

    name: str
    state: ProviderState
    distribution: str
    version: str
    reason: str | None = None
    title: str | None = None
    capabilities: frozenset[Capability] = frozenset()
    docs_url: str | None = None


@frozen
class _Candidate:
    info: ProviderInfo
    entry_point: EntryPoint


class Registry:
    """The providers that are installed, as far as they have been looked at."""

    def __init__(self, *, disabled: Iterable[str] = ()) -> None:
        self._disabled = frozenset(disabled)
        self._hooks = pluggy.PluginManager(hookspecs.PROJECT)
        self._hooks.add_hookspecs(hookspecs)
        self._candidates = self._discover()
        self._specs: dict[str, ProviderSpec] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all installed providers, usable or not."""
        return tuple(sorted(self._candidates))

    def info(self) -> list[ProviderInfo]:
        """Describe every installed provider; this loads the entry point of each."""
        for name in self.names:
            self._describe(name)
        return [candidate.info for name in self.names for candidate in self._candidates[name]]

    def spec(self, name: str) -> ProviderSpec:
        """Return the description of one provider; only its entry point is loaded.

        Raises:
            PluginError: there is no such provider, or it cannot be used.
        """
        if name not in self._candidates:
            raise PluginError(self._unknown(name))
        self._describe(name)
        if name not in self._specs:
            reasons = "; ".join(
                dict.fromkeys(str(candidate.info.reason) for candidate in self._candidates[name])
            )
            state = self._candidates[name][0].info.state
            raise PluginError(f"provider {name} cannot be used: it is {state}: {reasons}")
        return self._specs[name]

    def create(
        self,
        name: str,
        *,
        configuration: Configuration,
        arguments: Mapping[str, object] | None,
        context: ProviderContext,
    ) -> tuple[ProviderSpec, Provider]:
        """Check the settings of one provider and make it.  Nothing is sent.

        Raises:
            PluginError: there is no such provider, or it cannot be used.
            ConfigurationError: its settings are missing or wrong.
        """
        spec = self.spec(name)
        settings: object = load_settings(
            self.settings_class(spec),
            subject=f"provider {name}",
            environ=configuration.environ,
            table=configuration.provider_table(name),
            arguments=arguments,
        )
        factory = cast("ProviderFactory", self._resolve(spec, spec.factory))
        try:
            provider = factory(settings, context)
        except HeadendError:
            raise
        except Exception as error:
            raise PluginError(
                f"provider {name} failed while it was made: {type(error).__name__}: {error}; "
                f"this is a defect of {self._origin(name)}"
            ) from error
        if missing := _missing(provider, Provider):
            raise PluginError(
                f"provider {name}: what {spec.factory} makes lacks {missing}, which every "
                f"provider has; this is a defect of {self._origin(name)}"
            )
        for capability in sorted(spec.capabilities & set(PROTOCOLS)):
            if missing := _missing(provider, PROTOCOLS[capability]):
                raise PluginError(
                    f"provider {name} declares {capability} but lacks {missing}; "
                    f"this is a defect of {self._origin(name)}"
                )
        return spec, provider

    def options_class(self, spec: ProviderSpec) -> type | None:
        """Import the class of a provider's options for creating a live stream, if it has one.

        Raises:
            PluginError: it cannot be imported.
        """
        return None if spec.options is None else self._resolve_class(spec, spec.options)

    def settings_class(self, spec: ProviderSpec) -> type:
        """Import the class of a provider's settings.

        Raises:
            PluginError: it cannot be imported.
        """
        found = self._resolve_class(spec, spec.settings)
        try:
            describe_settings(found)
        except Exception as error:
            raise PluginError(
                f"provider {spec.name}: the settings class {spec.settings} cannot be used: "
                f"{type(error).__name__}: {error}; this is a defect of {self._origin(spec.name)}"
            ) from error
        return found

    def facts(self, spec: ProviderSpec) -> Facts:
        """Import what a provider knows of its platform's limits, prices and so on.

        Raises:
            PluginError: it cannot be imported, or it is something else.
        """
        if spec.facts is None:
            return Facts()
        found = self._resolve(spec, spec.facts)
        if not isinstance(found, Facts):
            raise PluginError(
                f"provider {spec.name}: {spec.facts} is of the type {type(found).__name__}, "
                f"not Facts; this is a defect of {self._origin(spec.name)}"
            )
        return found

    def simulate(
        self,
        spec: ProviderSpec,
        *,
        clock: Clock | None = None,
        random: Random | None = None,
        switches: Mapping[str, object] | None = None,
        media: MediaBackend | None = None,
    ) -> Simulator:
        """Make a provider's simulated platform.  The arguments are those of `SimulatorFactory`.

        Raises:
            PluginError: it has none, it takes no `media`, or it cannot be made.
            ConfigurationError: there is no such switch, or it does not take such a value.
        """
        distribution = self._origin(spec.name)
        if spec.simulator is None:
            raise PluginError(f"provider {spec.name} has no simulator: {distribution} brings none")
        defect = f"this is a defect of {distribution}"
        factory = self._resolve(spec, spec.simulator)
        if not callable(factory):
            raise PluginError(
                f"provider {spec.name}: {spec.simulator} is of the type {type(factory).__name__}, "
                f"which makes no simulator; {defect}"
            )
        more = {} if media is None else {"media": media}
        if more and not _takes(factory, "media"):
            raise PluginError(
                f"the simulator of provider {spec.name} carries no pictures: {spec.simulator} "
                "takes no media"
            )
        try:
            made: object = factory(clock=clock, random=random, switches=switches, **more)
        except HeadendError:
            raise
        except Exception as error:
            raise PluginError(
                f"the simulator of provider {spec.name} failed while it was made: "
                f"{_in_words(error)}; {defect}"
            ) from error
        if not isinstance(made, Simulator):
            raise PluginError(
                f"provider {spec.name}: what {spec.simulator} makes lacks "
                f"{_missing(made, Simulator)}, which every simulator has; {defect}"
            )
        return made

    def _resolve_class(self, spec: ProviderSpec, dotted: str) -> type:
        found = self._resolve(spec, dotted)
        if not isinstance(found, type) or not has(found):
            raise PluginError(
                f"provider {spec.name}: {dotted} is not an attrs class; "
                f"this is a defect of {self._origin(spec.name)}"
            )
        return found

    def _resolve(self, spec: ProviderSpec, dotted: str) -> object:
        module, _, attribute = dotted.partition(":")
        try:
            found: object = getattr(import_module(module), attribute)
        except Exception as error:
            origin = self._origin(spec.name)
            advice = (
                f"install what {origin} needs, or make that a dependency of {origin}"
                if isinstance(error, ImportError)
                else f"this is a defect of {origin}"
            )
            raise PluginError(
                f"provider {spec.name} cannot load {dotted}: {_in_words(error)}; {advice}"
            ) from error
        return found

    def _origin(self, name: str) -> str:
        return self._candidates[name][0].info.distribution

    def _unknown(self, name: str) -> str:
        if not self._candidates:
            return (
                f"unknown provider {name!r}: none is installed; "
                "install a distribution that brings one"
            )
        close = get_close_matches(name.lower(), self.names, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        return (
            f"unknown provider {name!r}: installed are {', '.join(self.names)}{hint} "
            "(STREAMING_PLATFORM or the argument `provider` selects one)"
        )

    def _discover(self) -> dict[str, list[_Candidate]]:
        found: dict[str, list[_Candidate]] = defaultdict(list)
        for entry_point in installed(GROUP):
            found[entry_point.name].append(_Candidate(self._examine(entry_point), entry_point))
        for name, candidates in found.items():
            if len(candidates) > 1 and not self._is_disabled(name):
                origins = " and ".join(
                    f"{one.info.distribution} {one.info.version}" for one in candidates
                )
                reason = f"{origins} both have a provider {name}; uninstall one of them"
                found[name] = [
                    evolve(
                        one,
                        info=evolve(one.info, state=ProviderState.DUPLICATE, reason=reason),
                    )
                    for one in candidates
                ]
        return found

    def _examine(self, entry_point: EntryPoint) -> ProviderInfo:
        name, version_text = origin(entry_point)
        info = ProviderInfo(
            name=entry_point.name,
            state=ProviderState.OK,
            distribution=name,
            version=version_text,
        )
        if self._is_disabled(entry_point.name):
            return evolve(
                info,
                state=ProviderState.DISABLED,
                reason=(
                    f"HEADEND_DISABLE_PLUGINS turns off provider {info.name} of {info.distribution}"
                ),
            )
        wanted = _unmet_core_requirement(requirements(entry_point))
        if wanted is not None:
            return evolve(
                info,
                state=ProviderState.INCOMPATIBLE,
                reason=(
                    f"{info.distribution} {info.version} needs {wanted}, and headend "
                    f"{version(CORE)} is installed; upgrade the older of the two"
                ),
            )
        return info

    def _is_disabled(self, name: str) -> bool:
        return name in self._disabled or "*" in self._disabled

    def _describe(self, name: str) -> None:
        if name in self._specs:
            return
        candidate = self._candidates[name][0]
        if candidate.info.state is not ProviderState.OK:
            return
        origin = candidate.info.distribution
        try:
            spec = self._load(candidate.entry_point)
        except _NotUsableError as error:
            info = evolve(candidate.info, state=error.state, reason=f"{error} (change {origin})")
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001  # a plugin may raise anything
            info = evolve(
                candidate.info,
                state=ProviderState.BROKEN,
                reason=f"{_in_words(error)} (change {origin})",
            )
        else:
            self._specs[name] = spec
            info = evolve(
                candidate.info,
                title=spec.title,
                capabilities=spec.capabilities,
                docs_url=spec.docs_url,
            )
        self._candidates[name] = [evolve(candidate, info=info)]

    def _load(self, entry_point: EntryPoint) -> ProviderSpec:
        # What a module prints when it is imported must not get into a command's answer.
        with redirect_stdout(sys.stderr):
            plugin: object = entry_point.load()
        # One module may describe several providers, and have an entry point for each.
        registered = self._hooks.get_name(plugin) or self._hooks.register(plugin)
        try:
            self._hooks.check_pending()
            return self._ask(entry_point.name, str(registered))
        except BaseException:
            self._hooks.unregister(plugin)
            raise

    def _ask(self, name: str, plugin: str) -> ProviderSpec:
        specs = _call_headend_providers(self._hooks, plugin)
        for spec in specs:
            if not isinstance(spec, ProviderSpec):
                raise _NotUsableError(
                    f"headend_providers gave a {type(spec).__name__}, not a ProviderSpec"
                )
        mine = [spec for spec in specs if spec.name == name]
        if len(mine) != 1:
            others = ", ".join(spec.name for spec in specs) or "nothing"
            raise _NotUsableError(
                f"its entry point is named {name} and must describe one provider of that name, "
                f"but it describes {others}"
            )
        spec = mine[0]
        if spec.api_version != PLUGIN_API_VERSION:
            raise _NotUsableError(
                f"it is written for version {spec.api_version} of the plugin API, and headend "
                f"{version(CORE)} has version {PLUGIN_API_VERSION}; upgrade "
                + ("headend" if spec.api_version > PLUGIN_API_VERSION else "it"),
                state=ProviderState.INCOMPATIBLE,
            )
        return spec


def _in_words(error: BaseException) -> str:
    # The exceptions of attrs carry the attribute and the value after the sentence.
    carries_more = isinstance(error, (TypeError, ValueError)) and error.args
    return f"{type(error).__name__}: {error.args[0] if carries_more else error}"


def _takes(factory: Callable[..., object], name: str) -> bool:
    try:
        return name in signature(factory).parameters
    except ValueError:  # some builtins do not tell
        return False


def _missing(provider: object, protocol: type) -> str:
    """Name the members of a protocol that an object lacks."""
    members = (name for name in vars(protocol) if not name.startswith("_"))
    return ", ".join(sorted(name for name in members if not _has(provider, name)))


def _has(provider: object, name: str) -> bool:
    """Tell whether there is such a member, without asking a property, which may ask the platform.

    On Python 3.11, `isinstance` with a protocol asks.
    """
    missing = object()
    return getattr_static(provider, name, missing) is not missing or hasattr(provider, name)


class _NotUsableError(Exception):
    def __init__(self, message: str, *, state: ProviderState = ProviderState.BROKEN) -> None:
        super().__init__(message)
        self.state = state


def _call_headend_providers(hooks: pluggy.PluginManager, plugin: str) -> list[ProviderSpec]:
    """Call the hook of one plugin alone, so that one which raises spoils no other's answer."""
    for implementation in hooks.hook.headend_providers.get_hookimpls():
        if implementation.plugin_name == plugin:
            answer = cast("Iterable[ProviderSpec]", implementation.function())
            return list(answer)
    raise _NotUsableError("it implements no hook named headend_providers")


def _unmet_core_requirement(requires: Iterable[str]) -> str | None:
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    for text in requires:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(requirement.name) != CORE:
            continue
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": ""}):
            continue
        if not requirement.specifier.contains(version(CORE), prereleases=True):
            return f"headend{requirement.specifier}"
    return None


def providers() -> list[ProviderInfo]:
    """Return every installed provider with its state, sorted by name.

    This loads the entry point of each, which by contract imports none of its dependencies.
    A provider that is broken, incompatible, duplicate or disabled is listed with the reason.

    Raises:
        ConfigurationError: the configuration file cannot be read.
    """
    return Registry(disabled=Configuration.load().host.disable_plugins).info()
