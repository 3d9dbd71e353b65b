"""What the page about sending video has typed works as it is printed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import headend
from headend.cli.push import push_command
from headend.push import RelayEventKind, TargetState

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "push.md").read_text(encoding="utf-8")
CREATE, *COMMANDS = re.findall(r"```console\n([^\n]+)\n```", PAGE)


@pytest.fixture
def environment(server) -> dict[str, str]:
    token = server.client.headers["Authorization"].removeprefix("Bearer ")
    return {
        "STREAMING_PLATFORM": "local",
        "HEADEND_LOCAL_URL": server.http_url,
        "HEADEND_LOCAL_TOKEN": token,
    }


@pytest.fixture(scope="module")
def folder(clip, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `event.mp4`: two seconds of small video that no preset asks for."""
    import io

    import av

    folder = tmp_path_factory.mktemp("event")
    data = bytearray(b"FLV\x01\x05\x00\x00\x00\x09\x00\x00\x00\x00")
    for tag in clip.tags:
        if tag.timestamp < 2000:
            stamp = tag.timestamp.to_bytes(4, "big")
            data += bytes([tag.type]) + len(tag.payload).to_bytes(3, "big")
            data += stamp[1:] + stamp[:1] + b"\0\0\0" + tag.payload
            data += (11 + len(tag.payload)).to_bytes(4, "big")
    with av.open(io.BytesIO(data)) as found, av.open(str(folder / "event.mp4"), "w") as out:
        tracks = {track: out.add_stream_from_template(track) for track in found.streams}
        for packet in found.demux():
            if packet.dts is not None:
                packet.stream = tracks[packet.stream]
                out.mux(packet)
    return folder


def test_each_command_sends_video(server, environment, folder):
    """All at once, because each takes its time."""
    assert CREATE.startswith("headend create ")
    assert len(COMMANDS) == 8
    lines = [one for one in COMMANDS if shutil.which("ffmpeg") or not one.startswith("ffmpeg")]

    def run(line: str) -> None:
        made, other = server.create(), server.create()
        line = line.replace("OTHER_STREAM_ID", other.id).replace("STREAM_ID", made.id)
        line = line.replace("headend push", f"{shlex.quote(sys.executable)} -m headend push")
        done = subprocess.run(
            ["sh", "-c", line],
            cwd=folder,
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), f"{line}: {done.stderr}"
        assert "ended" in done.stdout
        assert made.key.reveal() not in done.stdout
        for one in [made, *([other] if "--also" in line else [])]:
            assert server.get(one.url("index.m3u8")).status_code == 200

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(run, lines))


def test_the_program_runs(environment, monkeypatch, capsys):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(program, {})
    assert "ended" in capsys.readouterr().out


def test_the_page_names_every_option_event_and_state():
    options = {text for one in push_command.params for text in one.opts if text.startswith("--")}
    for text in options - {"--provider", "--help"}:
        assert text in PAGE
    for kind in RelayEventKind:
        assert f"| `{kind.value}` |" in PAGE
    for state in TargetState:
        assert f"`{state.value}`" in PAGE
    assert headend.Relay.__doc__
