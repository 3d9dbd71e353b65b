"""Watching all live streams: what each does now, what it costs, and what of that is kept.

`Watch` is the door; it needs opened platforms and a `CostBook`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.watch.view import (
        CostFigure as CostFigure,
        Figure as Figure,
        Source as Source,
        WatchedProvider as WatchedProvider,
        WatchRow as WatchRow,
        WatchView as WatchView,
    )
    from headend.watch.watcher import (
        Watch as Watch,
    )
else:
    from headend._exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "headend.watch.view": (
                "CostFigure",
                "Figure",
                "Source",
                "WatchedProvider",
                "WatchRow",
                "WatchView",
            ),
            "headend.watch.watcher": ("Watch",),
        },
    )
