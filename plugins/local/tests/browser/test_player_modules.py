"""What the player page's script computes, checked by Node.js without a browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Protocol

import pytest

from headend.rtmp.flv import (
    AacConfig,
    AudioFrame,
    AvcConfig,
    Tag,
    VideoFrame,
    parse_audio,
    parse_video,
)
from headend_local.packager import Packager

HERE = Path(__file__).parent
PLAYER = HERE.parents[1] / "headend_local" / "player"
OLDEST_NODE = (20, 19)
"""From here on Node.js reads a .js file with imports as the module that it is."""

READ_MP4 = """
import { readFileSync } from "node:fs";
const { fragmentStart, readInit } = await import(process.argv[1]);
const [init, ...parts] = process.argv.slice(2).map((path) => new Uint8Array(readFileSync(path)));
const { mimeType, kinds, timescales } = readInit(init);
console.log(JSON.stringify({
  mimeType, kinds, starts: parts.map((part) => fragmentStart(part, timescales)),
}));
"""


class Clip(Protocol):
    tags: list[Tag]


@pytest.fixture(scope="module")
def node() -> str:
    found = shutil.which("node")
    if found is None:
        pytest.skip("needs Node.js (Debian: nodejs)")
    answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=True)
    version = re.match(r"v(\d+)\.(\d+)", answer.stdout)
    assert version is not None
    if tuple(map(int, version.groups())) < OLDEST_NODE:
        pytest.skip(f"needs Node.js 20.19 or later, not {answer.stdout.strip()}")
    return found


def test_the_modules_of_the_player_page_compute_what_they_should(node: str) -> None:
    done = subprocess.run(
        [node, "--test", "--test-reporter=tap", str(HERE / "player.test.mjs")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    passed = re.search(r"^# pass (\d+)$", done.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) >= 20


def test_the_player_reads_codecs_and_times_off_what_the_packager_writes(
    node: str, clip: Clip, tmp_path: Path
) -> None:
    packager, codecs = package(clip.tags)
    names = re.findall(
        r'(?:#EXT-X-MAP:URI="|^)([^#\s"]+)',
        packager.media_playlist(low_latency=False, query=""),
        re.MULTILINE,
    )
    paths = []
    for name in names:
        resource = packager.resource(name)
        assert resource is not None
        paths.append(tmp_path / name)
        paths[-1].write_bytes(resource.body)
    answer = subprocess.run(
        [node, "--input-type=module", "--eval", READ_MP4, PLAYER / "mp4.js", *paths],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    read = json.loads(answer.stdout)
    assert read["mimeType"] == f'video/mp4; codecs="{", ".join(codecs)}"'
    assert read["kinds"] == "va"
    assert len(read["starts"]) > 1
    assert read["starts"][0] == 0
    assert read["starts"][1] == pytest.approx(2.0, abs=0.05)


def package(tags: list[Tag]) -> tuple[Packager, list[str]]:
    """Package tags as the ingest does, to the end of the session; return the codecs as well."""
    packager = Packager(name_token="t", wall_clock=lambda: 0.0)
    packager.start_session()
    codecs = []
    for tag in tags:
        if tag.type not in {8, 9}:
            continue
        parse = parse_video if tag.type == 9 else parse_audio
        match parse(tag.timestamp, tag.payload):
            case AvcConfig() as config:
                packager.video_config(config)
                codecs.append(config.codec)
            case AacConfig() as config:
                packager.audio_config(config)
                codecs.append(config.codec)
            case VideoFrame() as frame:
                packager.video(frame)
            case AudioFrame() as frame:
                packager.audio(frame)
            case None:
                pass
    packager.end_session()
    return packager, codecs
