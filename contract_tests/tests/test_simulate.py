"""`headend simulate` as a process on a real socket, used by a host as any platform is."""

from __future__ import annotations

import json
import os
import shlex
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
from attrs import frozen

from headend.cli.main import main
from headend_contract.reference.opening import install_reference, open_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PLUGIN = """
from attrs import frozen
from headend.plugin import ProviderSpec, hookimpl

@frozen
class Settings:
    pass

@hookimpl
def headend_providers():
    yield ProviderSpec(
        name="{name}", title="{title}", api_version=1, factory="a:b",
        settings="{module}:Settings", simulator={simulator},
    )
"""

PICTURES = '''
import json

class App:
    """Makes a real live stream for each request, and answers with where it is."""

    def __init__(self, *, clock=None, random=None, switches=None, media=None):
        self.media = media

    async def __call__(self, scope, receive, send):
        made = self.media.create("of the test")
        body = json.dumps({
            "id": made.media_id, "push": made.server_url,
            "key": made.stream_key.reveal(), "hls": made.hls_url,
        }).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    def environment(self, url): return {"PICTURES_URL": url}
    def describe_switches(self): return {}
    def switch(self, **values): ...
    def reset(self): ...
    def truth(self): ...
    connect_time = 0.0
    def connect(self, stream_key): ...
    def watch(self, stream_id, viewers): ...
    def close(self): ...
'''


def install(folder: Path, name: str, *, app: str = "") -> None:
    module = f"headend_{name}"
    simulator = repr(f"{module}:App") if app else "None"
    source = PLUGIN.format(name=name, title=name.title(), module=module, simulator=simulator)
    (folder / f"{module}.py").write_text(source + app)
    metadata = folder / f"{module}-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[headend]\n{name} = {module}\n")


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three providers: one with a simulator, one whose simulator carries pictures, one without."""
    folder = tmp_path / "site-packages"
    install_reference(folder)
    install(folder, "plain")
    install(folder, "pictures", app=PICTURES)
    monkeypatch.syspath_prepend(str(folder))
    paths = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@frozen
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run ``headend`` with arguments, in this process."""

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["headend", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return Ran(int(stop.value.code or 0), captured.out, captured.err)

    return run


@frozen(eq=False)
class Running:
    """A process that is ready, and the line that it printed."""

    process: subprocess.Popen[str]
    ready: dict[str, object]

    @property
    def url(self) -> str:
        return str(self.ready["url"])

    @property
    def environment(self) -> dict[str, str]:
        environment = self.ready["environment"]
        assert isinstance(environment, dict)
        return environment

    def stop(self, how: int = signal.SIGTERM) -> Ran:
        self.process.send_signal(how)
        out, err = self.process.communicate(timeout=20)
        return Ran(self.process.returncode, out, err)


@pytest.fixture
def start() -> Iterator[Callable[..., Running]]:
    """Start ``headend`` processes that serve; none is left when the test ends."""
    with ExitStack() as stack:

        def start(*arguments: str) -> Running:
            process = subprocess.Popen(
                [sys.executable, "-m", "headend", *arguments],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(clean_up, process)
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.communicate()[1]
            return Running(process, json.loads(line))

        yield start


def clean_up(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        process.kill()
        process.communicate()
    for pipe in (process.stdout, process.stderr):
        assert pipe is not None
        pipe.close()


def test_commands_work_with_the_environment_that_it_prints(
    start: Callable[..., Running], run: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in start("simulate", "reference").environment.items():
        monkeypatch.setenv(name, value)

    made = run("create", "42", "--json")
    assert made.code == 0, made.err
    stream_id = json.loads(made.out)["stream_id"]
    assert [one["stream_id"] for one in json.loads(run("list", "--json").out)] == [stream_id]
    ended = run("end", stream_id, "--json")
    assert (ended.code, json.loads(ended.out)["outcome"]) == (0, "ended")


def test_it_prints_one_line_of_json_and_for_a_shell_the_same_on_standard_error(
    start: Callable[..., Running],
) -> None:
    running = start("simulate", "reference")
    assert running.ready.keys() == {"provider", "url", "environment"}
    assert running.ready["provider"] == running.environment["STREAMING_PLATFORM"] == "reference"
    assert running.url.startswith("http://127.0.0.1:")

    stopped = running.stop()

    assert stopped.out == ""
    assert "It is not the platform" in stopped.err
    exported = [shlex.split(line) for line in stopped.err.splitlines() if line.startswith("export")]
    assert dict(one.split("=", 1) for _, one in exported) == running.environment


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=lambda one: one.name)
def test_it_ends_well_when_it_is_told_to_and_its_port_is_free_at_once(
    how: signal.Signals, start: Callable[..., Running]
) -> None:
    first = start("simulate", "reference")
    httpx.get(f"{first.url}/v1/accounts/main", trust_env=False)

    stopped = first.stop(how)
    assert (stopped.code, stopped.err.splitlines()[-1]) == (0, "stopped")

    assert start("simulate", "reference", "--port", first.url.rpartition(":")[2]).url == first.url


def test_a_seed_makes_the_same_credentials_and_none_makes_new_ones(
    start: Callable[..., Running],
) -> None:
    def token(*arguments: str) -> str:
        return start("simulate", "reference", *arguments).environment["REFERENCE_API_TOKEN"]

    assert token("--seed", "7") == token("--seed", "7")
    assert token() != token()


def test_switches_change_what_the_platform_does(start: Callable[..., Running]) -> None:
    running = start(
        "simulate", "reference", "--switch", "drop_low_latency=true", "--switch", "list_lag=60"
    )
    token = running.environment["REFERENCE_API_TOKEN"]
    with open_reference(running.url, token) as platform:
        made = platform.create_live_stream(1, low_latency=True)
        assert "did not keep it" in made.warnings[0]
        assert list(platform.list_live_streams()) == []


REFUSED: dict[str, tuple[list[str], str]] = {
    "an unknown provider": (["nope"], "unknown provider 'nope'"),
    "a provider without a simulator": (
        ["plain"],
        "error: provider plain has no simulator; `headend simulate` has ",
    ),
    "the server of one's own": (
        ["local"],
        "no simulator; it is a server of your own, which `headend server` starts; `headend simul",
    ),
    "an unknown switch": (
        ["reference", "--switch", "list_lagg=1"],
        "switch list_lagg: no such switch",
    ),
    "a value that a switch does not take": (
        ["reference", "--switch", "list_lag=x"],
        "switch list_lag: must be a number, not 'x'",
    ),
    "what is no switch": (["reference", "--switch", "x"], "'x' is not NAME=VALUE"),
    "a port that is none": (["reference", "--port", "65536"], "65536 is not in the range"),
    "media of another provider": (["reference", "--media", "moon"], "'moon' is not 'local'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_served_is_exit_code_2_and_says_why(
    what: str, run: Callable[..., Ran]
) -> None:
    arguments, words = REFUSED[what]
    ran = run("simulate", *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert words in ran.err


def test_a_wrong_switch_brings_the_way_to_the_list(run: Callable[..., Ran]) -> None:
    err = run("simulate", "reference", "--switch", "x=1").err

    assert "`headend simulate reference --switches` tells what there is" in err


def test_a_port_that_is_taken_is_exit_code_2_and_tells_how_to_get_on(
    run: Callable[..., Ran],
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ran = run("simulate", "reference", "--port", str(port))

    assert (ran.code, ran.out) == (2, "")
    assert f"port {port} is taken by another program" in ran.err
    assert "--port (0 picks a free one)" in ran.err


def test_the_switches_are_listed_with_their_help(run: Callable[..., Ran]) -> None:
    ran = run("simulate", "reference", "--switches")
    described = json.loads(run("simulate", "reference", "--switches", "--json").out)

    assert ran.code == 0
    assert "list_lag" in described
    words = " ".join(ran.out.split())
    for name, does in described.items():
        assert f"{name} {does}" in words


def test_a_simulator_without_switches_says_so(run: Callable[..., Ran]) -> None:
    assert run("simulate", "pictures", "--switches").out == "This simulator has no switches.\n"


def test_help_imports_nothing_that_serves() -> None:
    code = (
        "import sys\n"
        "from headend.cli.main import main\n"
        "sys.argv = ['headend', 'simulate', '--help']\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print(sorted(sys.modules), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert "It is not the platform" in " ".join(done.stdout.split())
    for heavy in ("asyncio", "uvicorn", "starlette", "httpx", "headend.discovery"):
        assert f"'{heavy}'" not in done.stderr


def test_pictures_need_a_local_server_and_its_provider_says_how_to_get_one(
    run: Callable[..., Ran],
) -> None:
    ran = run("simulate", "pictures", "--media", "local")

    assert (ran.code, ran.out) == (5, "")
    assert "start one with `headend server`" in ran.err


class TestPictures:
    @pytest.fixture
    def server(
        self, start: Callable[..., Running], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "server"
        running = start("server", "--rtmp-port=0", "--http-port=0", f"--data-dir={folder}")
        for name, value in running.environment.items():
            monkeypatch.setenv(name, value)

    @pytest.mark.usefixtures("server")
    def test_a_simulator_gets_live_streams_that_are_gone_when_it_stops(
        self, start: Callable[..., Running], run: Callable[..., Ran]
    ) -> None:
        running = start("simulate", "pictures", "--media", "local")
        made = httpx.get(running.url, trust_env=False).json()
        listed = json.loads(run("list", "--provider", "local", "--json").out)
        assert [one["stream_id"] for one in listed] == [made["id"]]
        assert (listed[0]["name"], listed[0]["playback_url"]) == ("of the test", made["hls"])

        assert running.stop().code == 0

        assert json.loads(run("list", "--provider", "local", "--json").out) == []

    @pytest.mark.usefixtures("server")
    def test_a_simulator_that_carries_no_pictures_is_refused_them(
        self, run: Callable[..., Ran]
    ) -> None:
        ran = run("simulate", "reference", "--media", "local")

        assert (ran.code, ran.out) == (2, "")
        assert "the simulator of provider reference carries no pictures" in ran.err
