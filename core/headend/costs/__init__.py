"""What live streams cost: prices, lines, budgets, estimates and the monthly report.

`headend.open_costs` is the door; the arithmetic below it is pure and knows no database.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from headend.costs.alerts import (
        BudgetAlert as BudgetAlert,
    )
    from headend.costs.book import (
        CostBook as CostBook,
        open_costs as open_costs,
    )
    from headend.costs.budgets import (
        Budget as Budget,
        BudgetStatus as BudgetStatus,
    )
    from headend.costs.collect import (
        Collected as Collected,
    )
    from headend.costs.estimate import (
        Estimate as Estimate,
        EstimateItem as EstimateItem,
    )
    from headend.costs.lines import (
        Basis as Basis,
        CostLine as CostLine,
        Costs as Costs,
        Unpriced as Unpriced,
    )
    from headend.costs.money import (
        Money as Money,
    )
    from headend.costs.months import (
        Month as Month,
    )
    from headend.costs.settings import (
        CostSettings as CostSettings,
    )
else:
    from headend._exports import lazy_exports

    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "headend.costs.alerts": ("BudgetAlert",),
            "headend.costs.book": (
                "CostBook",
                "open_costs",
            ),
            "headend.costs.budgets": (
                "Budget",
                "BudgetStatus",
            ),
            "headend.costs.collect": ("Collected",),
            "headend.costs.estimate": (
                "Estimate",
                "EstimateItem",
            ),
            "headend.costs.lines": (
                "Basis",
                "CostLine",
                "Costs",
                "Unpriced",
            ),
            "headend.costs.money": ("Money",),
            "headend.costs.months": ("Month",),
            "headend.costs.settings": ("CostSettings",),
        },
    )
