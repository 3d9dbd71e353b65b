"""What a push costs beside the `ffmpeg` command: `python benchmarks/relay.py [--seconds N]`.

Both send the same clip by RTMP to the same sink on loopback, in real time and turn by turn: once
as it is (720p, 3 Mbit/s), once encoded anew to 720p with the same settings of the same encoder.
The figures are CPU seconds (user and system) of the sending process for each second of video,
without its start; the ratio travels between machines.  They are read from /proc: Linux only.
The resident memory of our process is looked at all the way.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

from headend.rtmp import PublishRequested, RtmpError, ServerSession

RELAY = """
import sys
from headend.push import FileSource, Relay, Target
from headend.secret import Secret
url, path, how, seconds = sys.argv[1:]
source = FileSource(path, loop=True)
relay = Relay(source, [Target("sink", url, Secret("key"))], preset="720p", copy=how == "copy",
              duration=float(seconds))
with relay:
    relay.join()
if relay.error:
    raise SystemExit(f"{relay.error} {relay.stats}")
"""
_SETTLED = 3.0
X264 = (
    "-vf fps=30,scale=1280:720 -c:v libx264 -preset veryfast -tune zerolatency -pix_fmt yuv420p "
    "-b:v 3000k -maxrate 3000k -bufsize 3000k -g 60 -keyint_min 60 -sc_threshold 0 "
    "-x264-params nal-hrd=cbr:force-cfr=1 -c:a aac -b:a 128k -ar 48000 -ac 2"
)


class Sink:
    """An RTMP server that accepts everything and keeps nothing."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtmp://127.0.0.1:{self._listener.getsockname()[1]}/live"
        threading.Thread(target=self._main, daemon=True).start()

    def _main(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        session = ServerSession()
        with connection, suppress(OSError, RtmpError):
            while data := connection.recv(65536):
                for event in session.receive(data):
                    if isinstance(event, PublishRequested):
                        session.accept_publish()
                connection.sendall(session.data_to_send())


def make_clip(path: Path, seconds: float) -> None:
    picture = "testsrc2=size=1280x720:rate=30,noise=alls=12:allf=t"
    subprocess.run(
        [
            *("ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", picture),
            *("-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000", "-t", str(seconds)),
            *X264.split(),
            *("-movflags", "faststart", str(path)),
        ],
        check=True,
    )


def cost_of(command: list[str], seconds: float) -> tuple[float, list[int]]:
    """Return the CPU seconds that a command takes for each second, and its resident memory.

    It is looked at from the third second on, when it has started, for so many seconds.
    """
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    folder = Path(f"/proc/{process.pid}")
    memory: list[int] = []
    try:
        time.sleep(_SETTLED)
        began, spent = time.monotonic(), _cpu(folder)
        while time.monotonic() - began < seconds:
            time.sleep(0.2)
            memory.append(
                int((folder / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            )
        cost = (_cpu(folder) - spent) / (time.monotonic() - began)
    finally:
        process.kill()
        process.wait()
    return cost, memory


def _cpu(process: Path) -> float:
    # proc(5): utime and stime are the 14th and 15th field; the second may hold spaces.
    fields = (process / "stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def ours(url: str, clip: Path, how: str, seconds: float) -> list[str]:
    return [sys.executable, "-c", RELAY, url, str(clip), how, str(seconds)]


def theirs(url: str, clip: Path, how: str, seconds: float) -> list[str]:
    codec = "-c copy" if how == "copy" else X264
    return [
        *("ffmpeg", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i", str(clip)),
        *("-t", str(seconds), *codec.split(), "-f", "flv", f"{url}/key"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU of a push beside ffmpeg.")
    parser.add_argument("--seconds", type=float, default=20.0, help="of video for each figure")
    parser.add_argument("--rounds", type=int, default=3, help="the median of so many is shown")
    arguments = parser.parse_args()
    seconds: float = arguments.seconds
    if shutil.which("ffmpeg") is None:
        raise SystemExit("the ffmpeg command is not installed")
    sink = Sink()
    with tempfile.TemporaryDirectory() as folder:
        clip = Path(folder) / "clip.mp4"
        make_clip(clip, seconds + 2 * _SETTLED)  # no figure is to hold a second opening
        print(f"{'':>10}  {'headend':>8}  {'ffmpeg':>8}  ratio   (CPU seconds a second of video)")
        for how in ("copy", "transcode"):
            found: dict[str, list[float]] = {"ours": [], "theirs": []}
            memory: list[int] = []
            for _ in range(arguments.rounds):
                for who, command in (("ours", ours), ("theirs", theirs)):
                    most = seconds + 2 * _SETTLED + 60
                    cost, held = cost_of(command(sink.url, clip, how, most), seconds)
                    found[who].append(cost)
                    if who == "ours":
                        memory = held
            one, other = (statistics.median(found[who]) for who in ("ours", "theirs"))
            print(f"{how:>10}  {one:>8.4f}  {other:>8.4f}  {one / other:.2f}")
            middle = memory[len(memory) // 2]
            print(
                f"{'':>10}  memory {middle / 1e6:.0f} MB half-way, "
                f"{memory[-1] / 1e6:.0f} MB at the end, {max(memory) / 1e6:.0f} MB at most"
            )


if __name__ == "__main__":
    main()
