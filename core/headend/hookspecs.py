"""The hooks that a plugin can implement.  `headend_providers` is the one that it must.

A whole plugin::

    from headend.plugin import ProviderSpec, hookimpl

    @hookimpl
    def headend_providers():
        yield ProviderSpec(
            name="acme", title="Acme Live", api_version=1,
            factory="headend_acme.provider:AcmeProvider",
            settings="headend_acme.settings:AcmeSettings",
        )

with this in its ``pyproject.toml``::

    [project.entry-points.headend]
    acme = "headend_acme"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pluggy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from headend.spec import ProviderSpec

PROJECT: Final = "headend"

hookspec: Final = pluggy.HookspecMarker(PROJECT)
hookimpl: Final = pluggy.HookimplMarker(PROJECT)


@hookspec
def headend_providers() -> Iterable[ProviderSpec]:  # type: ignore[empty-body]  # a hookspec has no body
    """Describe the providers of this plugin.

    Called when providers are listed or one is opened.  The module that implements it imports
    the standard library and `headend.plugin` only.
    """
