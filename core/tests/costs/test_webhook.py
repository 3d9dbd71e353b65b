"""What a webhook is sent, over a real socket: signed, again if need be, and with nothing shown."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from attrs import frozen
from hypothesis import given, strategies as st

import headend
from headend.costs import guard as guarding
from headend.costs.alerts import BudgetAlert, fire_alerts
from headend.costs.book import CostBook
from headend.costs.budgets import Budget, BudgetStatus
from headend.costs.money import Money
from headend.costs.months import Month
from headend.costs.webhook import GIVEN_UP_AFTER, LEASE, Webhook, WebhookError, to_body
from headend.errors import ConfigurationError
from headend.ledger import DeferredLedger, LedgerEventKind, MemoryLedger, open_ledger
from headend.secret import Secret
from headend.settings import Configuration

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType

    from headend.ledger import Ledger
    from tests.conftest import FakeClock, Ran

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
KEY = "k3y-of-the-h0st-not-to-be-seen"
TOKEN = "t0ken-in-the-address"


@frozen
class Request:
    """What came to the receiver."""

    path: str
    headers: dict[str, str]
    body: bytes


class Receiver:
    """An application that is told of alerts, on a real socket.

    Attributes:
        requests: what came.
        statuses: what is answered, one after the other; 204 when there are none left.
        held: while it is clear, answers wait for it.
    """

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.statuses: list[int] = []
        self.held = threading.Event()
        self.held.set()
        self.came = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.requests.append(Request(self.path, dict(self.headers), body))
                receiver.came.set()
                receiver.held.wait(30)
                status = receiver.statuses.pop(0) if receiver.statuses else 204
                try:
                    self.send_response(status)
                    self.send_header("Content-Length", "0")
                    if 300 <= status <= 399:
                        self.send_header("Location", "/elsewhere")
                    self.end_headers()
                except OSError:
                    self.close_connection = True  # who asked is gone

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_address[1]}/hooks/{TOKEN}?for=budgets"

    @property
    def ids(self) -> list[str]:
        return [one.headers["Headend-Alert"].rpartition(":")[2] for one in self.requests]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever, args=(0.02,))
    thread.start()
    yield receiver
    receiver.held.set()
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


def usd(amount: Decimal | int | str) -> Money:
    return Money(amount=Decimal(amount), currency="USD")


def alert_of(spent: Decimal | int | str = 60, *, threshold: int = 50) -> BudgetAlert:
    return BudgetAlert(
        budget=Budget(scope="all", amount=usd(100)),
        month=Month(2030, 1, ZoneInfo("Europe/Berlin")),
        threshold=threshold,
        spent=usd(spent),
        forecast=usd("1200.5"),
        at=NOW,
        alert_id=f"abc:budget:all:2030-01:{threshold}",
    )


def fire(ledger: Ledger, *reached: int, now: datetime = NOW) -> None:
    found = BudgetStatus(
        budget=Budget(scope="all", amount=usd(100)),
        month=Month(2030, 1, ZoneInfo("UTC")),
        spent=usd(max(reached)),
        share=Decimal(1),
        forecast=usd(200),
        reached=reached,
    )
    fire_alerts(ledger, [found], now=now, to_deliver=True)


@pytest.fixture
def webhook(receiver: Receiver, clock: FakeClock) -> Webhook:
    return Webhook(Secret(receiver.url), Secret(KEY), clock=clock, timeout=5)


# -- what is sent ----------------------------------------------------------------------------------


def test_an_alert_is_one_json_object_with_exact_amounts(
    webhook: Webhook, receiver: Receiver
) -> None:
    webhook.deliver(alert_of("60.123456789"))
    (request,) = receiver.requests

    assert request.path == f"/hooks/{TOKEN}?for=budgets"
    assert request.headers["Content-Type"] == "application/json"
    assert request.headers["Headend-Alert"] == "abc:budget:all:2030-01:50"
    assert json.loads(request.body) == {
        "type": "budget-alert",
        "id": "abc:budget:all:2030-01:50",
        "text": (
            "budget all: 50 % of 100.00 USD are reached in 2030-01: 60.12 USD were spent, "
            "1,200.50 USD are expected by its end"
        ),
        "budget": "all",
        "month": "2030-01",
        "time_zone": "Europe/Berlin",
        "threshold": 50,
        "amount": {"amount": "100", "currency": "USD"},
        "spent": {"amount": "60.123456789", "currency": "USD"},
        "forecast": {"amount": "1200.5", "currency": "USD"},
        "at": "2030-01-02T03:04:05+00:00",
    }


def test_its_signature_is_the_hmac_of_time_and_body(
    webhook: Webhook, receiver: Receiver, clock: FakeClock
) -> None:
    clock.seconds = 7
    webhook.deliver(alert_of())
    (request,) = receiver.requests
    moment = int((NOW + timedelta(seconds=7)).timestamp())
    signed = hmac.new(KEY.encode(), f"{moment}.".encode() + request.body, hashlib.sha256)

    assert request.headers["Headend-Signature"] == f"t={moment},v1={signed.hexdigest()}"
    assert headend.verify_webhook(request.headers, request.body, KEY, now=moment)


def test_without_a_key_there_is_no_signature(receiver: Receiver, clock: FakeClock) -> None:
    Webhook(Secret(receiver.url), None, clock=clock).deliver(alert_of())
    (request,) = receiver.requests

    assert "Headend-Signature" not in request.headers
    assert not headend.verify_webhook(request.headers, request.body, KEY)


# -- verifying -------------------------------------------------------------------------------------

BODY = to_body(alert_of())
MOMENT = 1_893_553_445


def signature(body: bytes = BODY, *, key: str = KEY, moment: int = MOMENT) -> str:
    return hmac.new(key.encode(), b"%d." % moment + body, hashlib.sha256).hexdigest()


@pytest.mark.parametrize("name", ["Headend-Signature", "headend-signature", "HEADEND-SIGNATURE"])
@pytest.mark.parametrize("key", [KEY, Secret(KEY)])
def test_what_headend_signed_is_headends(name: str, key: str | Secret) -> None:
    headers = {"Host": "x", name: f"t={MOMENT},v1={signature()}"}

    assert headend.verify_webhook(headers, BODY, key, now=MOMENT + 299)


@pytest.mark.parametrize(
    ("header", "body", "now"),
    [
        (f"t={MOMENT},v1={signature(key='another key of somebody')}", BODY, MOMENT),
        (f"t={MOMENT},v1={signature()}", BODY + b" ", MOMENT),
        (f"t={MOMENT + 1},v1={signature()}", BODY, MOMENT),
        (f"t={MOMENT},v1={signature()}", BODY, MOMENT + 301),
        (f"t={MOMENT},v1={signature()}", BODY, MOMENT - 301),
        (f"t={MOMENT},t={MOMENT},v1={signature()}", BODY, MOMENT),
        (f"t={MOMENT},v0={signature()}", BODY, MOMENT),
        (f"t={MOMENT}", BODY, MOMENT),
        (f"v1={signature()}", BODY, MOMENT),
        ("t=,v1=", BODY, MOMENT),
        (f"t={MOMENT},v1=é", BODY, MOMENT),
        (f"t={'9' * 5000},v1={signature()}", BODY, MOMENT),
        (f"t=¹²,v1={signature()}", BODY, MOMENT),
        ("", BODY, MOMENT),
    ],
)
def test_nothing_else_is(header: str, body: bytes, now: int) -> None:
    assert not headend.verify_webhook({"Headend-Signature": header}, body, KEY, now=now)
    assert not headend.verify_webhook({}, body, KEY, now=now)


def test_one_good_signature_of_several_is_enough() -> None:
    """So that keys can be changed without losing a message."""
    header = f"t={MOMENT},v1={'0' * 64},v1={signature()},v2=x"

    assert headend.verify_webhook({"Headend-Signature": header}, BODY, KEY, now=MOMENT)


@given(header=st.text(), body=st.binary())
def test_no_header_breaks_it(header: str, body: bytes) -> None:
    assert not headend.verify_webhook({"Headend-Signature": header}, body, KEY)


@given(body=st.binary(), key=st.text(st.characters(codec="utf-8"), min_size=16))
def test_any_body_and_key_can_be_verified(body: bytes, key: str) -> None:
    header = f"t={MOMENT},v1={signature(body, key=key)}"

    assert headend.verify_webhook({"Headend-Signature": header}, body, key, now=MOMENT)


def test_the_machines_clock_counts_where_none_is_given() -> None:
    header = f"t={MOMENT},v1={signature()}"

    assert not headend.verify_webhook({"Headend-Signature": header}, BODY, KEY)


# -- again, and again ------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 425, 429, 500, 503])
def test_what_may_pass_is_tried_three_times(
    webhook: Webhook, receiver: Receiver, clock: FakeClock, status: int
) -> None:
    receiver.statuses = [status, status]
    webhook.deliver(alert_of())

    assert clock.naps == [1.0, 4.0]
    assert len(receiver.requests) == 3
    assert len({one.body for one in receiver.requests}) == 1
    assert receiver.ids == ["50", "50", "50"]
    times = [one.headers["Headend-Signature"].split(",")[0] for one in receiver.requests]
    assert times == [f"t={int(NOW.timestamp()) + more}" for more in (0, 1, 5)]


@pytest.mark.parametrize("status", [301, 307, 308, 400, 401, 404, 410])
def test_what_will_not_pass_is_tried_once(
    webhook: Webhook, receiver: Receiver, status: int
) -> None:
    receiver.statuses = [status]
    with pytest.raises(WebhookError, match=f"it answered HTTP {status}"):
        webhook.deliver(alert_of())

    assert [one.path.split("?")[0] for one in receiver.requests] == [f"/hooks/{TOKEN}"]


def test_what_cannot_be_delivered_is_delivered_later_and_holds_up_no_other(
    webhook: Webhook, receiver: Receiver, clock: FakeClock
) -> None:
    ledger = MemoryLedger(id="abc")
    fire(ledger, 50, 80)
    receiver.statuses = [400]
    webhook.deliver_due(ledger)
    assert receiver.ids == ["50"]

    webhook.deliver_due(ledger)
    assert receiver.ids == ["50", "80"]

    clock.seconds = 61
    webhook.deliver_due(ledger)
    webhook.deliver_due(ledger)
    assert receiver.ids == ["50", "80", "50"]


def test_the_waits_grow_to_an_hour_and_end_after_a_week(
    webhook: Webhook, receiver: Receiver, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = MemoryLedger(id="abc")
    fire(ledger, 50)
    receiver.statuses = [400] * 1000
    tried: list[float] = []
    while clock.seconds < GIVEN_UP_AFTER.total_seconds() + 86_400:
        before = len(receiver.requests)
        webhook.deliver_due(ledger)
        tried += [clock.seconds] * (len(receiver.requests) - before)
        clock.seconds += 600

    waits = [later - earlier for earlier, later in pairwise(tried)]
    assert waits[:7] == [600.0, 600.0, 600.0, 600.0, 1200.0, 2400.0, 3600.0]
    assert set(waits[7:]) == {3600.0}
    assert GIVEN_UP_AFTER.total_seconds() < tried[-1] <= GIVEN_UP_AFTER.total_seconds() + 3600
    assert [one.levelno for one in caplog.records].count(logging.ERROR) == 1
    assert "and it is given up: budget all: 50 %" in caplog.text


@pytest.mark.parametrize("ending", ["dies", "finishes"])
def test_only_one_worker_has_a_delivery_in_hand(
    database: str, clock: FakeClock, ending: str
) -> None:
    one, other = (open_ledger(database, clock=clock, random=Random(seed)) for seed in (1, 2))
    fire(one, 50, 80)
    first = one.claim_delivery(now=NOW, lease=LEASE)
    second = other.claim_delivery(now=NOW, lease=LEASE)
    assert first is not None
    assert second is not None
    assert (first.event.detail["threshold"], first.tries) == ("50", 1)
    assert (second.event.detail["threshold"], second.tries) == ("80", 1)
    assert one.claim_delivery(now=NOW, lease=LEASE) is None
    other.remove_delivery(second)
    if ending == "finishes":
        one.remove_delivery(first)
    later = NOW + timedelta(seconds=LEASE)
    again = other.claim_delivery(now=later, lease=LEASE)
    if ending == "dies":
        assert again is not None
        assert (again.event, again.tries) == (first.event, 2)
        # Who lost it must not take it out of the hands of who has it now.
        one.postpone_delivery(first, NOW)
    assert one.claim_delivery(now=later, lease=LEASE) is None
    if again is not None:
        other.postpone_delivery(again, later)
        assert one.claim_delivery(now=later, lease=LEASE) is not None
    one.close()
    other.close()


WINNER = """
import sys
from random import SystemRandom
from headend.clock import SystemClock
from headend.costs.book import open_costs

with open_costs() as book:
    print(len(book.check_budgets()), flush=True)
"""


def test_what_a_killed_winner_did_not_deliver_another_worker_does(
    acme: ModuleType,
    database: str,
    receiver: Receiver,
    clock: FakeClock,
    spend: Callable[..., None],
) -> None:
    """It is killed while the receiver has the request and has not answered."""
    from headend.clock import SystemClock

    now = datetime.now(UTC)
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    ledger = open_ledger(database, clock=SystemClock(), random=Random(1))
    spend(ledger, 10, start=max(month, now - timedelta(minutes=12)))
    receiver.held.clear()
    settings = {
        "HEADEND_DATABASE_URL": database,
        "HEADEND_BUDGETS": "all=100",
        "HEADEND_BUDGET_THRESHOLDS": "1",
        "HEADEND_PRICES": "acme:storage=6000",
        "HEADEND_BUDGET_WEBHOOK": receiver.url,
        "HEADEND_BUDGET_WEBHOOK_KEY": KEY,
        "PYTHONPATH": str(Path(str(acme.__file__)).parents[1]),
    }
    with subprocess.Popen(
        [sys.executable, "-c", WINNER], env=dict(os.environ) | settings
    ) as winner:
        assert receiver.came.wait(60)
        winner.send_signal(signal.SIGKILL)
    receiver.held.set()
    (event,) = ledger.events(kinds=[LedgerEventKind.BUDGET_ALERT])
    assert ledger.claim_delivery(now=datetime.now(UTC), lease=1) is None, "it was in its hands"

    # Years later by its clock, so that the lease is over and nothing new is reached.
    with CostBook(
        Configuration.load(),
        ledger=DeferredLedger(lambda: ledger),
        arguments={
            "budgets": "all=100",
            "budget_webhook": receiver.url,
            "budget_webhook_key": KEY,
        },
        clock=clock,
    ) as book:
        assert book.check_budgets() == []
        book.check_budgets()
    ledger.close()

    first, second = receiver.requests
    assert first.headers["Headend-Alert"] == f"{ledger.id}:{event.key}"
    assert first.headers["Headend-Alert"] == second.headers["Headend-Alert"]
    assert first.body == second.body
    moment = int(NOW.timestamp())
    assert headend.verify_webhook(second.headers, second.body, KEY, now=moment)


def test_what_is_slow_takes_no_longer_than_it_may(receiver: Receiver, clock: FakeClock) -> None:
    receiver.held.clear()
    with pytest.raises(WebhookError, match=r"it did not answer within 0\.2 s"):
        Webhook(Secret(receiver.url), None, clock=clock, timeout=0.2).deliver(alert_of())

    assert len(receiver.requests) == 3


def test_creating_does_not_wait_for_the_receiver(
    receiver: Receiver,
    opened: Callable[..., tuple[headend.StreamingPlatform, object]],
    acme: ModuleType,
    tmp_path: Path,
    clock: FakeClock,
    spend: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(guarding, "_checked", {})
    monkeypatch.setattr(guarding, "PATIENCE", 30.0)
    ledger = open_ledger(tmp_path / "ledger.sqlite3", clock=clock, random=Random(1))
    book = CostBook(
        Configuration.load(),
        ledger=DeferredLedger(lambda: ledger),
        arguments={
            "budgets": "all=100",
            "prices": "acme:storage=6000",
            "budget_webhook": receiver.url,
        },
        clock=clock,
    )
    spend(ledger, 10, start=NOW - timedelta(hours=1))
    receiver.held.clear()
    platform, _ = opened(ledger=DeferredLedger(lambda: ledger), budgets=book.guard)
    platform.create_live_stream(1)
    assert receiver.came.wait(30)
    assert platform.get_live_stream("live-1").stream_id == "live-1"
    receiver.held.set()
    platform.close()

    assert receiver.ids == ["50"]


# -- what is never shown ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "trouble", ["refuses", "redirects", "is closed", "speaks no TLS", "is slow"]
)
def test_address_and_key_are_in_no_log_and_not_in_the_ledger(
    receiver: Receiver,
    acme: ModuleType,
    clock: FakeClock,
    tmp_path: Path,
    spend: Callable[..., None],
    caplog: pytest.LogCaptureFixture,
    trouble: str,
) -> None:
    caplog.set_level(logging.DEBUG)
    ledger = open_ledger(tmp_path / "ledger.sqlite3", clock=clock, random=Random(1))
    spend(ledger, 10, start=NOW - timedelta(hours=1))
    receiver.statuses = [{"refuses": 500, "redirects": 307}.get(trouble, 204)] * 3
    url = receiver.url
    timeout = 5.0
    if trouble == "is closed":
        receiver.server.socket.close()
    elif trouble == "speaks no TLS":
        url = url.replace("http:", "https:")
    elif trouble == "is slow":
        receiver.held.clear()
        timeout = 0.2
    book = CostBook(
        Configuration.load(),
        ledger=DeferredLedger(lambda: ledger),
        arguments={
            "budgets": "all=100",
            "prices": "acme:storage=6000",
            "budget_webhook": url,
            "budget_webhook_key": KEY,
        },
        clock=clock,
    )
    guard = book.guard
    guard._webhook = Webhook(Secret(url), Secret(KEY), clock=clock, timeout=timeout)
    assert len(book.check_budgets()) == 1
    ledger.close()

    assert "the address in HEADEND_BUDGET_WEBHOOK did not take an alert: it " in caplog.text
    logged = "\n".join(f"{one.getMessage()} {vars(one)}" for one in caplog.records)
    shown = f"{logged}{book.settings!r}{guard._webhook!r}{guard!r}{caplog.text}"
    kept = b"".join(file.read_bytes() for file in tmp_path.glob("ledger.sqlite3*"))
    port = str(receiver.server.server_address[1])
    for secret in (KEY, TOKEN, "localhost", f":{port}"):
        assert secret not in shown
    for secret in (KEY, TOKEN, "localhost"):
        assert secret.encode() not in kept


@pytest.mark.parametrize(
    "address",
    [
        f"ftp://host.example/{TOKEN}",
        f"http://host.example/{TOKEN}",
        f"https://user:{TOKEN}@host.example/",
        f"https://host.example/{TOKEN} x",
        f"https://host.example/{TOKEN}é",
        f"https://host.example:0/{TOKEN}",
        TOKEN,
    ],
)
def test_an_address_that_cannot_be_asked_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        headend.open_costs(settings={"budget_webhook": address})

    assert "HEADEND_BUDGET_WEBHOOK" in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_verifying_imports_neither_database_nor_models(python: Callable[..., Ran]) -> None:
    ran = python(
        "import json, sys, headend\nheadend.verify_webhook\n"
        "heavy = {'sqlalchemy', 'cattrs', 'pluggy'}\nprint(json.dumps([*heavy & {*sys.modules}]))"
    )

    assert ran.json == [], ran.err
