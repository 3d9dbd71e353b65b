"""What these tests share: a server that counts, tapes, checks, and the reference provider."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from attrs import evolve

from headend.plugin import ProviderSpec
from headend_contract.case import Case
from headend_contract.check import Check, Level, Mode, all_checks
from headend_contract.reference import headend_providers
from headend_contract.tape import Interaction, Label, Tape


class CountingServer:
    """A server on this machine that counts the requests that reach it."""

    def __init__(self) -> None:
        self.answered = 0
        self._lock = threading.Lock()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length", 0)))
                with outer._lock:
                    outer.answered += 1
                content = b'{"from": "the server"}'
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_POST = do_GET  # noqa: N815  # as the base class has it

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_port
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(
            target=lambda: self._server.serve_forever(poll_interval=0.01), daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def counting() -> Iterator[CountingServer]:
    server = CountingServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def tape_of() -> Callable[..., Tape]:
    """Make a tape of some interactions; the keywords are those of its label."""

    def make(*interactions: Interaction, **changes: object) -> Tape:
        label = Label(
            check="TEST-CHECK-001",
            digest="0" * 64,
            contract="1",
            provenance="simulator of headend-acme 0.1.0",
            recorded_at=datetime(2026, 11, 22, tzinfo=UTC),
            clock=datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC),
        )
        return Tape(evolve(label, **changes), interactions)

    return make


@pytest.fixture(scope="session")
def reference() -> ProviderSpec:
    (spec,) = headend_providers()
    return spec


@pytest.fixture(scope="session")
def check_of() -> Callable[..., Check]:
    """Make a check that is in no register; the keywords are its attributes."""

    def make(run: Callable[[Case], None], **changes: object) -> Check:
        attributes: dict[str, object] = {
            "id": "TEST-CHECK-001",
            "title": "A check of a test",
            "level": Level.CORE,
            "modes": frozenset(Mode),
            "requires": frozenset(),
            "refuses": frozenset(),
            "needs_simulator": False,
            "needs_distribution": False,
            "offline": False,
            "since": "1",
            "provisional": False,
            "rule": "It is as it should be.",
            "why": "Otherwise it is not.",
            "hint": "Mend it.",
            "run": run,
        }
        return Check(**{**attributes, **changes})  # type: ignore[arg-type]  # the class checks them

    return make


@pytest.fixture(scope="session")
def contract_check() -> Callable[[str], Check]:
    """One of the contract's own checks, by its id."""
    known = {one.id: one for one in all_checks()}
    return known.__getitem__
