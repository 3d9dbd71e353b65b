"""The provider that docs/writing-a-provider.md spells out works as it stands there."""

from __future__ import annotations

import asyncio
import importlib
import json
import re
import tomllib
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import attrs
import pytest

import headend
from headend.discovery import Registry
from headend.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Installer, Ran

    Run = Callable[..., Ran]

GUIDE = Path(__file__).parents[2] / "docs" / "writing-a-provider.md"


def programs(text: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def acme(install: Installer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the guide's distribution, file by file."""
    text = GUIDE.read_text(encoding="utf-8")
    (project,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    description, settings, provider, facts, *_, careful, simulator = programs(text)
    table = tomllib.loads(project)["project"]
    install(
        table["name"],
        version=table["version"],
        requires=table["dependencies"],
        providers=table["entry-points"]["headend"],
        modules={
            "headend_acme/__init__.py": description,
            "headend_acme/settings.py": settings,
            "headend_acme/provider.py": provider,
            "headend_acme/facts.py": facts,
            "headend_acme/careful.py": careful,
            "headend_acme/simulator.py": simulator,
        },
    )
    monkeypatch.setenv("STREAMING_PLATFORM", "acme")


@pytest.mark.usefixtures("acme")
def test_the_guides_provider_does_what_a_host_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_TOKEN", "any")
    with headend.open() as platform:
        made = platform.create_live_stream(42, name="Opening", metadata={"a": "b"})
        shown = platform.get_live_stream(made.stream_id)
        assert (shown.channel_id, shown.name, shown.metadata) == ("42", "Opening", {"a": "b"})
        assert [one.stream_id for one in platform.list_live_streams()] == [made.stream_id]
        assert platform.rotate_stream_key(made.stream_id).stream_key != made.stream_key
        assert platform.get_analytics(made.stream_id).viewer_count is None
        assert platform.end_live_stream(made.stream_id).outcome is headend.EndOutcome.ENDED
        with pytest.raises(headend.StreamNotFoundError):
            platform.get_live_stream(made.stream_id)
        with pytest.raises(headend.UnsupportedError):
            platform.list_recordings(made.stream_id)


@pytest.mark.usefixtures("acme")
def test_the_guides_commands_work(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ACME_API_TOKEN: is missing" in run("check").err
    monkeypatch.setenv("ACME_API_TOKEN", "any")

    assert "Acme Live" in run("providers").out
    assert run("check").code == 0
    assert "acme-1" in run("create", "42", "--show-key").out


def test_the_guides_way_of_reading_answers_works() -> None:
    (reading,) = (one for one in programs(GUIDE.read_text(encoding="utf-8")) if "s3cret" in one)

    exec(reading, {})


@pytest.mark.usefixtures("acme")
def test_the_guides_facts_are_shown(run: Run) -> None:
    shown = " ".join(run("providers", "acme").out.split())

    assert "live streams 1,000 of one account [1]" in shown
    assert "HLS 8 to 12 s measured once, from Europe [5] unverified" in shown


@pytest.mark.usefixtures("acme")
def test_the_guides_careful_provider_tells_what_was_not_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where the answer to the creation was lost."""
    careful = importlib.import_module("headend_acme.careful").CarefulAcmeProvider
    whole = careful.get_live_stream
    monkeypatch.setattr(
        careful, "get_live_stream", lambda *about: attrs.evolve(whole(*about), name="Open")
    )
    monkeypatch.setattr("headend_acme.provider.AcmeProvider", careful)
    monkeypatch.setenv("ACME_API_TOKEN", "any")
    warnings = ("the platform kept the name as 'Open'",)
    with headend.open() as platform:
        assert platform.create_live_stream(1, name="Opening").warnings == warnings
        assert platform.create_live_stream(2, name="Open").warnings == ()

        create = careful.create_live_stream

        def lost(*asked: object) -> None:
            create(*asked)
            raise headend.PlatformTimeoutError("lost", provider="acme", operation="create")

        monkeypatch.setattr(careful, "create_live_stream", lost)
        assert platform.create_live_stream(3, name="Opening").warnings == warnings


@pytest.mark.usefixtures("acme")
def test_the_guides_simulator_is_one() -> None:
    registry = Registry()
    made = registry.simulate(registry.spec("acme"), random=Random(1), switches={"full": "yes"})

    async def ask() -> tuple[int, dict[str, object]]:
        sent: list[dict[str, object]] = []

        async def receive() -> dict[str, object]:
            return {"type": "http.request"}

        async def send(message: dict[str, object]) -> None:
            sent.append(message)

        await made({"type": "http"}, receive, send)
        return sent[0]["status"], json.loads(sent[1]["body"])

    assert asyncio.run(ask()) == (402, {"error": "quota"})
    made.switch(full="no")
    status, answer = asyncio.run(ask())
    assert (status, answer["id"]) == (201, "acme-1")
    (true,) = made.truth().live_streams.values()
    assert (true.stream_id, true.stream_keys) == ("acme-1", {answer["key"]})
    made.reset()
    assert not made.truth().live_streams
    settings = load_settings(
        registry.settings_class(registry.spec("acme")),
        subject="provider acme",
        environ=made.environment("http://127.0.0.1:1"),
    )
    assert settings.api_url == "http://127.0.0.1:1"
    with pytest.raises(headend.ConfigurationError, match="there is no switch fool"):
        made.switch(fool="yes")
