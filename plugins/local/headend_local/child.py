"""A media server of one's own, as a child process that never outlives its parent."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from attrs import frozen

from headend.plugin import PlatformUnavailableError, Secret

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_READY_WITHIN: Final = 30.0
_STOPPED_WITHIN: Final = 10.0


@frozen
class ServerAddresses:
    """Where a server that is ready can be reached, and what lets its owner control it."""

    rtmp_url: str
    http_url: str
    token: Secret


@contextmanager
def start_server(data_dir: Path) -> Iterator[ServerAddresses]:
    """Run a server on free ports until the context is left.

    It also stops when this process is gone, however that came: it watches its standard input.

    Raises:
        PlatformUnavailableError: it did not become ready; its last words are in the message.
    """
    command = [
        *(sys.executable, "-m", "headend", "server", "--until-stdin-closes"),
        *("--rtmp-port", "0", "--http-port", "0", "--data-dir", str(data_dir)),
    ]
    with (data_dir / "server.log").open("w+b") as log:
        process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            # Ctrl-C at a terminal goes to the whole group; the parent decides when to stop.
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        stuck = threading.Timer(_READY_WITHIN, process.kill)
        stuck.start()
        try:
            line = process.stdout.readline()
            stuck.cancel()
            if not line:
                log.seek(0)
                words = log.read().decode(errors="replace").strip().splitlines()[-5:]
                raise PlatformUnavailableError(
                    "the server did not become ready: " + " / ".join(words),
                    provider="local",
                    operation="start_server",
                    request_sent=False,
                )
            ready = json.loads(line)
            token = (data_dir / "token").read_text(encoding="ascii").strip()
            yield ServerAddresses(ready["rtmp_url"], ready["http_url"], Secret(token))
        finally:
            stuck.cancel()
            process.stdin.close()
            process.stdout.close()
            try:
                process.wait(_STOPPED_WITHIN)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
