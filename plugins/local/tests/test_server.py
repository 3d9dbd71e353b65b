"""`headend server` as a process: how it starts, how it stops, what it keeps, who owns what."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, Self

import httpx
import pytest

from headend.plugin import ConfigurationError, Secret
from headend.rtmp.connection import PublishConnection
from headend.rtmp.errors import PublishRefusedError
from headend_local import service
from headend_local.service import LocalServer, ServerOptions

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from headend.rtmp.flv import Tag


class Clip(Protocol):
    tags: list[Tag]


class Reader(Protocol):
    def __enter__(self) -> Self: ...
    def __exit__(self, *details: object) -> None: ...
    def sessions(self) -> list[object]: ...


OpenHls = Callable[[str], Reader]

posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")


@dataclass
class Running:
    """A server process that is ready."""

    process: subprocess.Popen[bytes]
    ready: dict[str, object]
    folder: Path

    @property
    def rtmp_url(self) -> str:
        return str(self.ready["rtmp_url"])

    def port(self, name: str) -> int:
        return int(str(self.ready[f"{name}_url"]).split(":")[2].partition("/")[0])

    def control(self, method: str, path: str, json: object = None) -> dict[str, object]:
        token = (self.folder / "token").read_text().strip()
        answer = httpx.request(
            method,
            f"{self.ready['control_url']}{path}",
            json=json,
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
        )
        assert answer.is_success, answer.text
        body = answer.json()
        assert isinstance(body, dict)
        return body

    def create(self) -> tuple[str, Secret]:
        made = self.control("POST", "/live-streams", {"channel_id": "1", "name": "kept"})
        return str(made["id"]), Secret(str(made["stream_key"]))


Start = Callable[..., Running]


def command(*options: str) -> list[str]:
    return [sys.executable, "-m", "headend", "server", *options]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start server processes on free ports; none is left when the test ends."""
    with ExitStack() as stack:

        def start(*options: str) -> Running:
            folder = tmp_path / "data"
            log = stack.enter_context((tmp_path / "log").open("ab"))
            process = subprocess.Popen(
                command("--rtmp-port=0", "--http-port=0", f"--data-dir={folder}", *options),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )
            stack.callback(clean_up, process)
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, (tmp_path / "log").read_text()
            return Running(process, json.loads(line), folder)

        yield start


def clean_up(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    process.stdout.close()


def test_when_ready_it_prints_one_line_with_all_that_a_program_needs(
    start: Start, tmp_path: Path
) -> None:
    running = start("--until-stdin-closes")
    ready = running.ready
    assert set(ready) == {"rtmp_url", "http_url", "control_url", "data_dir", "pid", "environment"}
    assert ready["pid"] == running.process.pid
    assert ready["data_dir"] == str(running.folder)
    assert ready["environment"] == {
        "STREAMING_PLATFORM": "local",
        "HEADEND_LOCAL_URL": ready["http_url"],
        "HEADEND_DATA_DIR": ready["data_dir"],
    }
    assert ready["control_url"] == f"{ready['http_url']}/api/v1"
    # Ready means ready: both ports answer.
    live_stream_id, key = running.create()
    PublishConnection.connect(running.rtmp_url, key).close()
    assert running.control("GET", f"/live-streams/{live_stream_id}")["state"] is not None
    rest, _ = running.process.communicate(timeout=10)  # closes its standard input
    assert rest == b""
    assert running.process.returncode == 0
    exports = " ".join(f"{name}={value}" for name, value in ready["environment"].items())
    # A line of its own, to be pasted whole into another shell.
    assert f"export {exports}" in (tmp_path / "log").read_text().splitlines()


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly_though_somebody_is_connected_to_both_ports(
    start: Start, number: signal.Signals
) -> None:
    running = start()
    _, key = running.create()
    connection = PublishConnection.connect(running.rtmp_url, key)
    with httpx.Client(base_url=str(running.ready["http_url"]), trust_env=False) as idle:
        idle.get("/identity")  # a connection that is kept alive
        began = time.monotonic()
        running.process.send_signal(number)
        assert running.process.wait(timeout=10) == 0
        assert time.monotonic() - began < 5
    connection.close()
    LocalServer.open(options(running.folder)).close()  # the folder is free


def test_it_stops_when_the_process_that_started_it_is_gone(start: Start) -> None:
    running = start("--until-stdin-closes")
    assert running.process.stdin is not None
    running.process.stdin.close()  # what the system does when that process is killed
    assert running.process.wait(timeout=10) == 0


@posix_only
def test_a_restart_on_the_same_ports_keeps_live_streams_keys_and_totals(
    start: Start, clip: Clip, open_hls: OpenHls, eventually: Callable[..., None]
) -> None:
    first = start()
    live_stream_id, key = first.create()
    path = f"/live-streams/{live_stream_id}"
    idle = httpx.Client(base_url=str(first.ready["http_url"]), trust_env=False)
    idle.get("/identity")  # the port is not at rest while this connection is half open
    with PublishConnection.connect(first.rtmp_url, key) as connection:
        for tag in clip.tags:
            connection.send(tag)
        eventually(lambda: first.control("GET", path)["state"] == "live", "it is live")
        with open_hls(str(first.control("GET", path)["playback_url"])) as reader:
            reader.sessions()
        first.process.terminate()
        assert first.process.wait(timeout=10) == 0
    again = start(f"--rtmp-port={first.port('rtmp')}", f"--http-port={first.port('http')}")
    idle.close()
    assert again.control("GET", path)["name"] == "kept"
    figures = again.control("GET", f"{path}/analytics")
    assert (figures["peak_viewers"], figures["viewer_count"]) == (1, 0)
    PublishConnection.connect(again.rtmp_url, key).close()


@posix_only
def test_after_a_kill_everything_that_was_answered_is_still_there(start: Start) -> None:
    first = start()
    kept, key = first.create()
    ended, ended_key = first.create()
    first.control("DELETE", f"/live-streams/{ended}")
    rotated = first.control("POST", f"/live-streams/{kept}/rotate-key")["stream_key"]
    first.control("POST", f"/live-streams/{kept}/disable")
    first.process.kill()
    first.process.wait()
    again = start()
    shown = again.control("GET", f"/live-streams/{kept}/credentials")
    assert (shown["name"], shown["enabled"], shown["stream_key"]) == ("kept", False, rotated)
    again.control("POST", f"/live-streams/{kept}/enable")
    assert [each["id"] for each in listed(again)] == [kept]
    for refused in (key, ended_key):
        with pytest.raises(PublishRefusedError):
            PublishConnection.connect(again.rtmp_url, refused)
    PublishConnection.connect(again.rtmp_url, Secret(str(rotated))).close()


def listed(running: Running) -> list[dict[str, object]]:
    found = running.control("GET", "/live-streams")["live_streams"]
    assert isinstance(found, list)
    return found


# ---------------------------------------------------------------------- who owns what


def options(folder: Path, *, rtmp_port: int = 0, http_port: int = 0) -> ServerOptions:
    return ServerOptions(data_dir=folder, rtmp_port=rtmp_port, http_port=http_port)


@pytest.mark.parametrize("taken", ["both", "rtmp", "http"])
def test_a_second_server_on_the_same_ports_is_told_which_process_has_them(
    start: Start, tmp_path: Path, taken: str
) -> None:
    first = start()
    rtmp, http = first.port("rtmp"), first.port("http")
    second = subprocess.run(
        command(
            f"--rtmp-port={rtmp if taken != 'http' else 0}",
            f"--http-port={http if taken != 'rtmp' else 0}",
            # Only the data folder tells where the owner of an RTMP port listens for HTTP.
            f"--data-dir={first.folder if taken == 'rtmp' else tmp_path / 'other'}",
        ),
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert second.returncode == 2
    assert second.stdout == ""
    assert f"taken by another headend server (process {first.process.pid}," in second.stderr
    assert "--rtmp-port" in second.stderr
    assert not (tmp_path / "other").exists()


def test_the_owner_of_an_rtmp_port_is_looked_for_at_the_usual_http_port_too(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = start()
    monkeypatch.setattr(service, "_USUAL_HTTP_PORT", first.port("http"))
    with pytest.raises(ConfigurationError, match=f"process {first.process.pid},"):
        LocalServer.open(options(tmp_path / "other", rtmp_port=first.port("rtmp")))


@pytest.mark.parametrize("name", ["rtmp", "http"])
def test_a_port_that_another_program_has_is_told_with_what_to_do(tmp_path: Path, name: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        # The other program hangs up on whoever asks it who it is.
        answering = threading.Thread(target=hang_up_on_everyone, args=(other,), daemon=True)
        answering.start()
        with pytest.raises(ConfigurationError) as caught:
            LocalServer.open(options(tmp_path / "data", **{f"{name}_port": port}))
    assert f"port {port}" in str(caught.value)
    assert "another program" in str(caught.value)
    assert f"--{name}-port" in str(caught.value)


def hang_up_on_everyone(listener: socket.socket) -> None:
    try:
        while True:
            listener.accept()[0].close()
    except OSError:
        pass


def test_what_is_taken_hold_of_is_let_go_when_the_rest_cannot_be_had(tmp_path: Path) -> None:
    first = LocalServer.open(options(tmp_path / "data"))
    with pytest.raises(ConfigurationError, match=f"process {os.getpid()}"):
        LocalServer.open(options(tmp_path / "data"))
    first.close()
    ports = {"rtmp_port": first.addresses.rtmp_port, "http_port": first.addresses.http_port}
    LocalServer.open(options(tmp_path / "data", **ports)).close()


def test_an_address_of_another_machine_cannot_be_listened_on(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is not an address of this machine"):
        LocalServer.open(ServerOptions(data_dir=tmp_path / "data", host="192.0.2.1"))


def test_the_command_is_imported_without_the_server(tmp_path: Path) -> None:
    code = (
        "import sys, headend_local.server; "
        "print([name for name in ('uvicorn', 'starlette', 'sqlite3', 'asyncio', 'httpx')"
        " if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert done.stdout == "[]\n"
