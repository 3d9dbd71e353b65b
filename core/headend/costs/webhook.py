"""Telling an address of the host's of reached thresholds, and telling there that it was headend.

What is sent is one POST with a JSON object.  Its header ``Headend-Alert`` names the alert, the
same each time it is sent: whoever has had it already may ignore it.  With a key, its header
``Headend-Signature`` is ``t=1893553445,v1=5257a8…``: the time of sending in seconds since 1970,
and the HMAC-SHA256, in hexadecimal, of that number, a full stop and the body.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from headend.costs.alerts import LOGGER, BudgetAlert
from headend.fetch import FetchError, fetch
from headend.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

    from headend.clock import Clock
    from headend.costs.money import Money
    from headend.ledger import Ledger
    from headend.ledger.deliveries import Delivery

ID_HEADER: Final = "Headend-Alert"
SIGNATURE_HEADER: Final = "Headend-Signature"

WAITS: Final = (1.0, 4.0)
"""Seconds between the attempts of one delivery, of which there is one more."""

TIMEOUT: Final = 10.0
"""Seconds that one attempt may take."""

LEASE: Final = 2 * ((len(WAITS) + 1) * TIMEOUT + sum(WAITS))
"""Seconds for which a delivery is in one worker's hands: longer than it may take."""

GIVEN_UP_AFTER: Final = timedelta(days=7)
"""How long after an alert its delivery is tried again."""

_LARGEST_ANSWER: Final = 1 << 20
_SHORTEST_WAIT: Final = 60.0
_LONGEST_WAIT: Final = 3600.0
_TOLERANCE: Final = 300.0
_MAY_PASS: Final = frozenset({408, 425, 429})
"""Refusals that an attempt in a few seconds may not meet."""

_SETTING: Final = "HEADEND_BUDGET_WEBHOOK"


class WebhookError(Exception):
    """The receiver did not take it; the words are for the log, and name no address."""


class Webhook:
    """Where alerts are delivered; its address and key are never shown."""

    def __init__(
        self, address: Secret, key: Secret | None, *, clock: Clock, timeout: float = TIMEOUT
    ) -> None:
        self._address = address
        self._key = key
        self._clock = clock
        self._timeout = timeout

    def deliver_due(self, ledger: Ledger) -> None:
        """Deliver what no worker has delivered yet, and none has in hand.

        What cannot be delivered now is left for a later check, by any worker, after a wait that
        doubles from a minute to an hour.
        """
        while True:
            delivery = ledger.claim_delivery(now=self._clock.now(), lease=LEASE)
            if delivery is None:
                return
            alert = BudgetAlert.from_event(delivery.event, ledger_id=ledger.id)
            try:
                self.deliver(alert)
            except WebhookError as error:
                # The next one would be as long in vain.
                self._put_off(ledger, delivery, alert, error)
                return
            ledger.remove_delivery(delivery)

    def _put_off(
        self, ledger: Ledger, delivery: Delivery, alert: BudgetAlert, error: WebhookError
    ) -> None:
        now = self._clock.now()
        if now - alert.at > GIVEN_UP_AFTER:
            LOGGER.error("%s, and it is given up: %s", error, alert)
            ledger.remove_delivery(delivery)
            return
        # The exponent is bounded lest the number grow beyond a float.
        wait = min(_SHORTEST_WAIT * 2 ** min(delivery.tries - 1, 10), _LONGEST_WAIT)
        LOGGER.warning("%s; it is tried again in %g s", error, wait)
        ledger.postpone_delivery(delivery, now + timedelta(seconds=wait))

    def deliver(self, alert: BudgetAlert) -> None:
        """Send an alert, three times at most.

        Raises:
            WebhookError: the receiver did not take it.
        """
        body = to_body(alert)
        problem, may_pass = self._attempt(alert, body)
        for wait in WAITS:
            if may_pass:
                self._clock.sleep(wait)
                problem, may_pass = self._attempt(alert, body)
        if problem:
            raise WebhookError(f"the address in {_SETTING} did not take an alert: {problem}")

    def _attempt(self, alert: BudgetAlert, body: bytes) -> tuple[str, bool]:
        """Send it once; return what is wrong, if anything is, and whether that may pass."""
        try:
            return self._send(alert, body)
        except FetchError as error:
            return self._in_words(error), True
        except ValueError:
            return "it is no address that can be asked", False

    def _send(self, alert: BudgetAlert, body: bytes) -> tuple[str, bool]:
        headers = {"Content-Type": "application/json", ID_HEADER: alert.alert_id}
        if self._key is not None:
            moment = int(self._clock.now().timestamp())
            headers[SIGNATURE_HEADER] = f"t={moment},v1={_signature(self._key, moment, body)}"
        status = fetch(
            self._address.reveal(),
            method="POST",
            body=body,
            headers=headers,
            timeout=self._timeout,
            max_bytes=_LARGEST_ANSWER,
        ).status
        if 200 <= status <= 299:
            return "", False
        if 300 <= status <= 399:
            return f"it answered HTTP {status}, and redirects are not followed", False
        return f"it answered HTTP {status}", status >= 500 or status in _MAY_PASS

    def _in_words(self, error: FetchError) -> str:
        """Return an error's words without the host's name: that alone may be a secret."""
        parts = urlsplit(self._address.reveal())
        words = str(error)
        for secret in (f"{parts.scheme}://{parts.netloc}", parts.netloc, parts.hostname):
            if secret:
                words = words.replace(secret, "it")
        return words


def to_body(alert: BudgetAlert) -> bytes:
    """Return the JSON object that is sent, in UTF-8; amounts are texts, exact."""
    month = alert.month
    content = {
        "type": "budget-alert",
        "id": alert.alert_id,
        "text": str(alert),
        "budget": alert.budget.scope,
        "month": str(month),
        "time_zone": str(month.zone),
        "threshold": alert.threshold,
        "amount": _plain(alert.budget.amount),
        "spent": _plain(alert.spent),
        "forecast": _plain(alert.forecast),
        "at": alert.at.isoformat(),
    }
    return json.dumps(content, ensure_ascii=False).encode()


def _plain(money: Money) -> dict[str, str]:
    return {"amount": f"{money.amount:f}", "currency": money.currency}


def _signature(key: Secret, moment: int, body: bytes) -> str:
    secret = key.reveal().encode(errors="surrogateescape")
    return hmac.new(secret, b"%d." % moment + body, hashlib.sha256).hexdigest()


def verify_webhook(
    headers: Mapping[str, str],
    body: bytes,
    key: Secret | str,
    *,
    tolerance: float = _TOLERANCE,
    now: float | None = None,
) -> bool:
    """Tell whether a budget alert that came to your application was sent by headend, just now.

    Args:
        headers: the header fields that came with it; their names in capitals or not.
        body: just as it came.
        key: what ``HEADEND_BUDGET_WEBHOOK_KEY`` was set to.
        tolerance: seconds that its time may be off, so that nobody can send it again later.
        now: the present in seconds since 1970; without it, the machine's.
    """
    given = {name.lower(): value for name, value in headers.items()}
    parts = [
        part.strip().partition("=") for part in given.get(SIGNATURE_HEADER.lower(), "").split(",")
    ]
    moments = [value for name, _, value in parts if name == "t"]
    if len(moments) != 1 or not (moments[0].isascii() and moments[0].isdigit()):
        return False
    # Nothing of a number that is too long to be a time is worth reading.
    moment = int(moments[0][:20])
    if abs((time.time() if now is None else now) - moment) > tolerance:
        return False
    secret = key if isinstance(key, Secret) else Secret(key)
    wanted = _signature(secret, moment, body).encode()
    return any(
        hmac.compare_digest(value.encode(errors="replace"), wanted)
        for name, _, value in parts
        if name == "v1"
    )
