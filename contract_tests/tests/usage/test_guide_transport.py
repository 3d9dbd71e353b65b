"""The transport that docs/writing-a-provider.md spells out sends, reads and tells errors apart."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import httpx
import pytest

from headend.plugin import PlatformError, PlatformProtocolError, RateLimitedError, Secret
from headend_contract.clock import ManualClock
from headend_contract.documented import Page
from headend_contract.opening import make_context

GUIDE = Path(__file__).parents[3] / "docs" / "writing-a-provider.md"
PARTS = (("settings", "The settings"), ("requests", "Sending requests"))


class Answers:
    """An HTTP server in memory that gives one answer after the other, and keeps the requests."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.requests: list[httpx.Request] = []
        self._answers = list(answers)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., tuple[object, Answers]]]:
    """Call one of the guide's operations with its transport and given answers."""
    package = tmp_path / "headend_acme"
    package.mkdir()
    programs = {name: Page.read(GUIDE).part(title).blocks("python") for name, title in PARTS}
    (package / "__init__.py").touch()
    (package / "settings.py").write_text(programs["settings"][0], encoding="utf-8")
    for name, text in zip(("transport", "requests"), programs["requests"], strict=True):
        (package / f"{name}.py").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    requests = importlib.import_module("headend_acme.requests")
    transport_class = importlib.import_module("headend_acme.transport").Transport
    settings_class = importlib.import_module("headend_acme.settings").AcmeSettings

    def ask(name: str, *answers: httpx.Response | Exception) -> tuple[object, Answers]:
        context = make_context("acme", clock=ManualClock(), random=Random(1))
        transport = transport_class(settings_class(api_token=Secret("t0ken")), context)
        server = Answers(*answers)
        transport._client._transport = httpx.MockTransport(server)
        operation = getattr(requests, name)
        try:
            return operation(transport, *(["Opening"] if name == "create" else [])), server
        except PlatformError as error:
            return error, server
        finally:
            transport.close()

    yield ask
    for name in [one for one in sys.modules if one.partition(".")[0] == package.name]:
        del sys.modules[name]


def page(*ids: str, then: str | None = None) -> httpx.Response:
    return httpx.Response(200, json={"streams": [{"id": one} for one in ids], "next": then})


def test_the_guides_transport_sends_what_it_is_told(
    asked: Callable[..., tuple[object, Answers]],
) -> None:
    made, server = asked("create", httpx.Response(201, json={"id": "acme-1"}))

    assert made == "acme-1"
    (request,) = server.requests
    assert str(request.url) == "https://api.acme.example/streams"
    assert json.loads(request.content) == {"name": "Opening"}
    assert request.headers["Authorization"] == "Bearer t0ken"


def test_the_guides_pages_are_read_to_the_last(
    asked: Callable[..., tuple[object, Answers]],
) -> None:
    found, server = asked("list_ids", page("a", "b", then="two"), page("c"))

    assert found == ["a", "b", "c"]
    assert [one.url.query for one in server.requests] == [b"", b"cursor=two"]
    error, _ = asked("list_ids", page("a", then="two"), page("b", then="two"))
    assert isinstance(error, PlatformProtocolError)


@pytest.mark.parametrize(
    ("answer", "kind", "sent"),
    [
        (httpx.ConnectError("refused"), "PlatformUnavailableError", False),
        (httpx.ConnectTimeout("late"), "PlatformTimeoutError", False),
        (httpx.ReadTimeout("late"), "PlatformTimeoutError", None),
        (httpx.ReadError("reset"), "PlatformUnavailableError", None),
        (httpx.Response(401, json={"error": {"code": "bad_token", "message": "who?"}}),
         "AuthenticationError", True),
        (httpx.Response(404, json={"error": {"code": "no_such_stream", "message": "gone"}}),
         "StreamNotFoundError", True),
        (httpx.Response(404, html="<h1>proxy</h1>"), "PlatformProtocolError", True),
        (httpx.Response(302, headers={"Location": "/"}), "PlatformProtocolError", True),
        (httpx.Response(503, html="<h1>gateway</h1>"), "PlatformUnavailableError", True),
        (httpx.Response(201, json={"id": 7}), "PlatformProtocolError", True),
    ],
)  # fmt: skip
def test_the_guides_transport_tells_what_went_wrong(
    asked: Callable[..., tuple[object, Answers]],
    answer: httpx.Response | Exception,
    kind: str,
    sent: bool | None,
) -> None:
    error, server = asked("create", *[answer] * 3)

    assert isinstance(error, PlatformError)
    assert (type(error).__name__, error.request_sent) == (kind, sent)
    assert len(server.requests) == (3 if sent is False else 1)
    assert "t0ken" not in str(error)


def test_the_guides_transport_waits_as_it_is_told(
    asked: Callable[..., tuple[object, Answers]],
) -> None:
    refusal = {"error": {"code": "too_many", "message": "slow down"}}
    busy = httpx.Response(429, headers={"Retry-After": "7"}, json=refusal)

    assert asked("list_ids", busy, page("a"))[0] == ["a"]
    late, _ = asked("list_ids", httpx.Response(429, headers={"Retry-After": "99"}, json=refusal))
    assert isinstance(late, RateLimitedError)
    assert late.retry_after == 99
