"""The programs of README and documentation run as they stand there."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def programs(page: str) -> list[str]:
    text = (ROOT / page).read_text(encoding="utf-8")
    return re.findall(r"```python\n(.*?)```", text, re.DOTALL)


@pytest.fixture
def host(server, clip, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A host whose settings point at the server, and an encoder for whatever it creates."""
    token = server.client.headers["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("STREAMING_PLATFORM", "local")
    monkeypatch.setenv("HEADEND_LOCAL_URL", server.http_url)
    monkeypatch.setenv("HEADEND_LOCAL_TOKEN", token)
    connect = server.create().connect
    done = threading.Event()
    before = {one["id"] for one in server.control("GET", "/live-streams")["live_streams"]}

    def encode() -> None:
        while not done.wait(0.05):
            for one in server.control("GET", "/live-streams")["live_streams"]:
                if one["id"] in before:
                    continue
                before.add(one["id"])
                made = server.client.get(
                    f"{server.http_url}/api/v1/live-streams/{one['id']}/credentials"
                )
                if made.status_code == 200:  # it may have ended meanwhile
                    with connect(_secret(made.json()["stream_key"])) as connection:
                        for tag in clip.tags:
                            connection.send(tag)

    encoder = threading.Thread(target=encode)
    encoder.start()
    yield
    done.set()
    encoder.join()


def _secret(text: str):
    from headend import Secret

    return Secret(text)


@pytest.mark.usefixtures("host")
def test_the_first_program_of_the_documentation_runs(capsys):
    synchronous, asynchronous = programs("docs/index.md")
    exec(synchronous, {})
    shown = capsys.readouterr().out
    assert "rtmp://127.0.0.1" in shown
    assert "StreamAnalytics(" in shown

    names: dict[str, object] = {}
    exec(asynchronous, names)
    asyncio.run(names["show_all"]())
    assert "idle" in capsys.readouterr().out


def test_the_readmes_programs_run(server, monkeypatch, capsys):
    token = server.client.headers["Authorization"].removeprefix("Bearer ")
    monkeypatch.setenv("STREAMING_PLATFORM", "local")
    monkeypatch.setenv("HEADEND_LOCAL_URL", server.http_url)
    monkeypatch.setenv("HEADEND_LOCAL_TOKEN", token)
    for page in ("README.md", "core/README.md"):
        (program,) = programs(page)
        exec(program, {})
        assert "rtmp://127.0.0.1" in capsys.readouterr().out
    for program in programs("docs/reliability.md"):
        exec(program, {})
