"""Amounts of money: exact, of one currency, rounded only when they are shown."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import TYPE_CHECKING, Final

from attrs import field, frozen

from headend.facts import is_currency

if TYPE_CHECKING:
    from collections.abc import Iterable

    from attrs import Attribute

EXACT: Final = Context(prec=50, rounding=ROUND_HALF_EVEN)
"""What all sums and products are made with, whatever precision the host's own context has."""

_SHOWN: Final = Context(prec=200, rounding=ROUND_HALF_EVEN)
"""What amounts are shown with: a product has more places than its exact digits are."""

LEAST: Final = Decimal("1e-12")
MOST: Final = Decimal("1e12")

_CENT: Final = Decimal("0.01")
_NEAR: Final = Decimal("1e-20")


def exact(value: float | Decimal) -> Decimal:
    """Return a number as it is written, so that 0.1 is a tenth."""
    return value if isinstance(value, Decimal) else Decimal(str(value))


def is_writable(number: Decimal) -> bool:
    """Tell whether a person may have meant a number: from `LEAST` to `MOST`, either sign, or 0.

    A few characters such as ``1e400000`` would else make sums and texts of any length.
    """
    return number.is_finite() and (not number or LEAST <= abs(number) <= MOST)


def _finite(_money: object, attribute: Attribute[Decimal], value: object) -> None:
    # A float would carry 0.1 as something else.
    if not isinstance(value, Decimal) or not value.is_finite():
        raise ValueError(f"{attribute.name} must be a Decimal that is a number, not {value!r}")


def _code(_money: object, _attribute: Attribute[str], value: object) -> None:
    if not isinstance(value, str) or not is_currency(value):
        raise ValueError(f"currency must be three capital letters such as USD, not {value!r}")


@frozen(kw_only=True)
class Money:
    """An amount in one currency.  Amounts of two currencies do not add up; `ValueError` says so.

    ``str()`` shows it in cents: ``12.34 USD``, or ``<0.01 USD`` where it is less than that and
    more than nothing.

    Attributes:
        amount: exact, not rounded.
        currency: its code (ISO 4217), such as ``USD``.
    """

    amount: Decimal = field(validator=_finite)
    currency: str = field(validator=_code)

    @classmethod
    def zero(cls, currency: str) -> Money:
        """Return nothing at all, in a currency."""
        return cls(amount=Decimal(0), currency=currency)

    @classmethod
    def sum(cls, amounts: Iterable[Money], currency: str) -> Money:
        """Add amounts up; those of another currency raise `ValueError`.

        Args:
            amounts: any number of them.
            currency: theirs, which is that of the sum also where there are none.
        """
        total = Decimal(0)
        for one in amounts:
            if one.currency != currency:
                raise ValueError(f"{one} and {currency} are two currencies, which do not add up")
            total = EXACT.add(total, one.amount)
        return cls(amount=total, currency=currency)

    @property
    def cents(self) -> Decimal:
        """The amount rounded half to even, to two places."""
        # A quotient that is a tie is held with its fiftieth digit rounded, maybe down.
        return self.amount.quantize(_NEAR, context=_SHOWN).quantize(_CENT, context=_SHOWN)

    def __add__(self, other: Money) -> Money:
        return Money(amount=EXACT.add(self.amount, self._same(other)), currency=self.currency)

    def __sub__(self, other: Money) -> Money:
        return Money(amount=EXACT.subtract(self.amount, self._same(other)), currency=self.currency)

    def __mul__(self, factor: Decimal | int) -> Money:
        if isinstance(factor, bool) or not isinstance(factor, (Decimal, int)):
            return NotImplemented
        return Money(amount=EXACT.multiply(self.amount, Decimal(factor)), currency=self.currency)

    __rmul__ = __mul__

    def __lt__(self, other: Money) -> bool:
        return self.amount < self._same(other)

    def __le__(self, other: Money) -> bool:
        return self.amount <= self._same(other)

    def __gt__(self, other: Money) -> bool:
        return self.amount > self._same(other)

    def __ge__(self, other: Money) -> bool:
        return self.amount >= self._same(other)

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        if self.amount and abs(self.amount) < _CENT:
            return f"{'<' if self.amount > 0 else '>-'}0.01 {self.currency}"
        # Zero of either sign is shown as 0.00.
        return f"{self.cents + 0:,.2f} {self.currency}"

    def _same(self, other: Money) -> Decimal:
        if other.currency != self.currency:
            raise ValueError(
                f"{self} and {other} are two currencies: they do not add up or compare"
            )
        return other.amount
