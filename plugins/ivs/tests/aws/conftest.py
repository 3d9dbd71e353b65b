"""A place on loopback that says what a test has it say, where boto3 takes it for AWS."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from attrs import field, frozen, mutable

from headend.plugin import ProviderContext, Secret
from headend_contract import opening
from headend_contract.clock import ManualClock
from headend_contract.serving import RESET, Served
from headend_ivs.clients import IvsClients
from headend_ivs.settings import IvsSettings

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from headend.plugin import Clock

KEY_ID = "AKIAPLANTEDKEY00TAIL"
SECRET = "planted/secret+access+key+of+forty+signs"
SERVICES = ("IVS", "CLOUDWATCH", "STS")


@frozen
class Answer:
    """What is answered; a status of 0 resets the connection, and -1 never answers."""

    body: bytes = b"{}"
    status: int = 200
    headers: Mapping[str, str] = field(factory=dict)

    @classmethod
    def json(cls, data: object, status: int = 200, **headers: str) -> Answer:
        return cls(
            json.dumps(data).encode(),
            status,
            {
                "Content-Type": "application/json",
                **{name.replace("_", "-"): text for name, text in headers.items()},
            },
        )

    @classmethod
    def error(cls, code: str, status: int, message: str = "No.", **headers: str) -> Answer:
        return cls.json({"message": message}, status, x_amzn_ErrorType=code, **headers)


@frozen
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def key_id(self) -> str:
        return self.headers["authorization"].partition("Credential=")[2].split("/")[0]

    @property
    def service(self) -> str:
        return self.headers["authorization"].partition("Credential=")[2].split("/")[3]


@mutable(eq=False)
class ScriptedAws:
    """An ASGI application that gives the answers of its script in turn, and the last for ever."""

    url: str = ""
    script: deque[Answer] = field(factory=deque)
    asked: list[Asked] = field(factory=list)
    hung_services: set[str] = field(factory=set)

    def says(self, *answers: Answer) -> None:
        self.script = deque(answers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        self.asked.append(Asked(scope["method"], scope["path"], headers, body))
        if self.hung_services and self.asked[-1].service in self.hung_services:
            answer = Answer(status=-1)
        else:
            answer = self.script.popleft() if len(self.script) > 1 else self.script[0]
        if answer.status <= 0:
            if answer.status == 0:
                scope["state"][RESET]()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        raw = [(name.encode(), text.encode()) for name, text in answer.headers.items()]
        if answer.status != 204:
            raw.append((b"content-length", str(len(answer.body)).encode()))
        await send({"type": "http.response.start", "status": answer.status, "headers": raw})
        await send({"type": "http.response.body", "body": answer.body})


@pytest.fixture(scope="session")
def served_aws() -> Iterator[tuple[ScriptedAws, Served]]:
    app = ScriptedAws()
    with Served(app) as served:
        app.url = served.url
        yield app, served


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing of this machine's AWS is found; returns the folder with boto3's (empty) files."""
    for name in [name for name in os.environ if name.startswith(("AWS_", "BOTO"))]:
        monkeypatch.delenv(name)
    folder = tmp_path / ".aws"
    folder.mkdir()
    for name, file in (("AWS_CONFIG_FILE", "config"), ("AWS_SHARED_CREDENTIALS_FILE", "keys")):
        (folder / file).write_text("")
        monkeypatch.setenv(name, str(folder / file))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return folder


@pytest.fixture
def aws(
    served_aws: tuple[ScriptedAws, Served], monkeypatch: pytest.MonkeyPatch
) -> Iterator[ScriptedAws]:
    """What boto3 takes for AWS; it answers 200 and an empty object until it is told otherwise."""
    app, served = served_aws
    app.asked.clear()
    app.hung_services.clear()
    app.says(Answer())
    for service in SERVICES:
        monkeypatch.setenv(f"AWS_ENDPOINT_URL_{service}", app.url)
    yield app
    served.disconnect()


def make_context(clock: Clock | None = None, timeout: float = 60.0) -> ProviderContext:
    return opening.make_context(
        "aws-ivs", clock=clock or ManualClock(), random=Random(1), calls_timeout=timeout
    )


@pytest.fixture(scope="session")
def keys() -> dict[str, object]:
    return {"access_key_id": Secret(KEY_ID), "secret_access_key": Secret(SECRET)}


@pytest.fixture
def open_clients(keys: dict[str, object]) -> Iterator[Callable[..., IvsClients]]:
    """Make clients as the provider does; with the planted keys unless settings are given."""
    made: list[IvsClients] = []

    def make(
        *, clock: Clock | None = None, context: ProviderContext | None = None, **settings: object
    ) -> IvsClients:
        chosen = IvsSettings(**(settings or keys))  # type: ignore[arg-type]  # the class checks them
        made.append(IvsClients(chosen, context or make_context(clock)))
        return made[-1]

    yield make
    for clients in made:
        clients.close()


@pytest.fixture(scope="session")
def kept_clients() -> Iterator[list[IvsClients]]:
    kept: list[IvsClients] = []
    yield kept
    for clients in kept:
        clients.close()


@pytest.fixture
def clients(
    aws: ScriptedAws, keys: dict[str, object], kept_clients: list[IvsClients]
) -> IvsClients:
    """Clients with the planted keys; all tests have the same, because making them takes time."""
    if not kept_clients:
        settings = IvsSettings(**keys)  # type: ignore[arg-type]  # the class checks them
        kept_clients.append(IvsClients(settings, make_context()))
    return kept_clients[0]


@pytest.fixture(scope="session")
def context_of() -> Callable[..., ProviderContext]:
    return make_context


@pytest.fixture(scope="session")
def answer() -> type[Answer]:
    return Answer
