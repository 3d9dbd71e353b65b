"""What docs/ivs.md has a newcomer type works as it stands there, without an account.

Everything runs in processes of its own: the media server, the simulator, each command.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from attrs import fields

import headend
from headend.presets import EncodingPreset
from headend.push import HlsViewer, PatternSource, Push
from headend.rtmp import PublishConnection
from headend.settings import describe_settings
from headend_contract.documented import Page
from headend_contract.process import (
    eventually,
    run_command,
    run_program,
    running_command,
    value_of_command,
)
from headend_ivs.event_kinds import KINDS
from headend_ivs.facts import FACTS, REGIONS
from headend_ivs.settings import IvsOptions, IvsSettings

PAGE = Page.read(Path(__file__).parents[3] / "docs" / "ivs.md")

Environment = Mapping[str, str]


# ---------------------------------------------------------------------- without an account


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The simulator as the page has it started, and the variables that it says to set."""
    line, *_ = PAGE.part("Try it without an account").commands
    folder = str(tmp_path_factory.mktemp("newcomer"))
    with running_command(f"{line} --port 0", {"HEADEND_DATA_DIR": folder}) as running:
        assert running.ready["provider"] == "aws-ivs"
        yield {**running.environment, "HEADEND_DATA_DIR": folder}


def test_what_the_page_has_typed_works_from_the_first_line_to_the_last(simulator):
    start, *lines = PAGE.part("Try it without an account").commands
    assert start == "headend simulate aws-ivs"
    stream_id = ""
    said = {}
    for line in lines:
        done = run_command(line.replace("STREAM_ID", stream_id), simulator)
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        said[line.split()[1]] = done.stdout
        if line.startswith("headend create"):
            found = re.search(r"\barn:aws:ivs:us-west-2:[0-9]{12}:channel/\w+", done.stdout)
            assert found, done.stdout
            stream_id = found[0]
    assert [*said] == ["check", "create", "show", "analytics", "list", "end"]
    assert re.search(r"arn:aws:iam::[0-9]{12}:user/\w+ may .* in us-west-2", said["check"])
    assert run_command(f"headend show {stream_id}", simulator).returncode == 3


def test_a_program_gets_the_same_values(simulator):
    made = value_of_command("headend create 42 --provider aws-ivs", simulator)
    stream_id = str(made["stream_id"])
    assert made["stream_key"] is None
    assert re.fullmatch(r"rtmps://[a-z0-9.-]+:443/app/", str(made["rtmp_push_url"]))
    assert re.fullmatch(r"https://\S+\.channel\.\w+\.m3u8", str(made["playback_url"]))

    figures = value_of_command(f"headend analytics {stream_id} --provider aws-ivs", simulator)
    unknown = figures["unknown"]
    assert isinstance(unknown, dict)
    assert set(unknown) == {
        "viewer_count",
        "current_bitrate",
        "peak_viewers",
        "total_watch_time",
    }

    ended = value_of_command(f"headend end {stream_id} --provider aws-ivs", simulator)
    assert (ended["outcome"], ended["recordings_kept"]) == ("ended", [])


def test_a_wrong_secret_is_refused_and_not_shown(simulator):
    wrong = {**simulator, "AWS_IVS_SECRET_ACCESS_KEY": "planted" + "x" * 33}
    done = run_command("headend create 42 --provider aws-ivs --json", wrong)

    assert (done.returncode, done.stdout) == (4, "")
    assert "AWS_IVS_SECRET_ACCESS_KEY" in done.stderr
    assert "planted" not in done.stderr


def test_half_an_access_key_is_told_before_anything_is_sent(simulator):
    half = {**simulator, "AWS_IVS_SECRET_ACCESS_KEY": ""}
    done = run_command("headend check --provider aws-ivs", half)

    assert done.returncode == 2
    assert "AWS_IVS_SECRET_ACCESS_KEY" in done.stderr + done.stdout


def test_playback_keys_are_made_listed_and_deleted_and_sign(simulator, tmp_path):
    lines = PAGE.part("Signed playback").commands
    create, listing, delete = (line.split()[1:3] for line in lines)
    assert (create, listing, delete) == (
        ["ivs-playback-key", "create"],
        ["ivs-playback-key", "list"],
        ["ivs-playback-key", "delete"],
    )
    made = run_command(lines[0], simulator, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    (arn,) = re.findall(r"arn:aws:ivs:us-west-2:[0-9]{12}:playback-key/\w+", made.stdout)
    assert arn in run_command(lines[1], simulator, folder=tmp_path).stdout

    (export,) = [line for line in made.stderr.splitlines() if line.startswith("export ")]
    program = """
import headend
with headend.open("aws-ivs") as platform:
    made = platform.create_live_stream(1, options={"authorized": True})
    given = platform.create_playback_token(made.stream_id, expires_in=3600)
    print(given.playback_url.reveal() == f"{made.playback_url}?token={given.token.reveal()}")
    platform.end_live_stream(made.stream_id)
"""
    signed = subprocess.run(
        ["/bin/sh", "-c", f'{export}\nexec "$0" -c "$1"', sys.executable, program],
        env={**os.environ, **simulator},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert signed.stdout == "True\n", signed.stderr

    native = PAGE.part("Signed playback").blocks("python")[0]
    shown = run_program(native, simulator)
    assert shown.stdout == f"{arn} web-site\n", shown.stderr

    gone = run_command(lines[2].replace("KEY_ARN", arn), simulator, folder=tmp_path)
    assert gone.returncode == 0, gone.stderr


# ---------------------------------------------------------------------- with a picture

SMALL = EncodingPreset(
    name="small", width=320, height=180, video_bitrate=400_000, keyframe_interval=1
)


@pytest.fixture(scope="module")
def with_pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """The local server and the simulator before it, as the page has them started."""
    server_line, simulator_line = PAGE.part("With a picture").commands
    assert (server_line, simulator_line) == (
        "headend server",
        "headend simulate aws-ivs --media local",
    )
    folder = {"HEADEND_DATA_DIR": str(tmp_path_factory.mktemp("pictures"))}
    with (
        running_command(f"{server_line} --rtmp-port 0 --http-port 0", folder) as server,
        running_command(
            f"{simulator_line} --port 0", {**folder, **server.environment}
        ) as simulator,
    ):
        yield {**simulator.environment, **folder}


@pytest.fixture
def host(with_pictures: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host with the variables that the simulator says to set."""
    for name, value in with_pictures.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("host")
def test_a_pushed_test_picture_plays_at_the_address_that_the_plugin_gives():
    with headend.open("aws-ivs") as platform:
        stream = platform.create_live_stream(channel_id=42, low_latency=True)
        assert platform.get_live_stream(stream.stream_id).state is headend.StreamState.IDLE

        def connect() -> PublishConnection:
            return PublishConnection.connect(stream.rtmp_push_url, stream.stream_key)

        with Push(PatternSource(), SMALL, connect):
            assert platform.wait_until_playable(stream.stream_id, 30) == stream.playback_url
            assert platform.wait_until_live(stream.stream_id, 30).playback_url is not None
            with HlsViewer(stream.playback_url) as viewer:
                seen = eventually(lambda: viewer.stats.frame_counter, "a picture was decoded")
                assert seen >= 0
                assert platform.get_analytics(stream.stream_id).viewer_count == 1
            (session,) = platform.list_sessions(stream.stream_id)
            happened = platform.get_session(stream.stream_id, session.session_id).events
            assert [one.name for one in happened] == ["Session Created", "Stream Start"]
            ended = platform.end_live_stream(stream.stream_id)
        assert ended.outcome is headend.EndOutcome.ENDED
        with pytest.raises(headend.StreamNotFoundError):
            platform.get_live_stream(stream.stream_id)


def test_the_pages_program_pushes_and_plays(with_pictures):
    program, *_ = PAGE.part("With a picture").blocks("python")
    done = run_program(program, with_pictures, typed="\n")
    assert done.returncode == 0, done.stderr
    url, state, *_, outcome = done.stdout.split()
    assert url.endswith(".m3u8")
    assert (state, outcome) == ("live", "ended")


# ---------------------------------------------------------------------- the rest of the page


def test_the_page_names_every_setting_every_option_and_every_region():
    variables = [one.env for one in describe_settings(IvsSettings)]
    named = re.findall(r"`(AWS_IVS_[A-Z_]+)`", PAGE.part("Set it up").text)
    assert sorted(set(named)) == sorted(variables)

    options = [one.name for one in fields(IvsOptions)]
    listed = PAGE.part("What each operation does").text
    rows = re.findall(r"^\| `([a-z_]+)` \|", listed, re.MULTILINE)
    assert rows == options

    (row,) = [line for line in PAGE.text.splitlines() if line.startswith("| `AWS_IVS_REGION`")]
    assert re.findall(r"`([a-z]+-[a-z]+-[0-9])`", row) == [*REGIONS, "us-west-2"]


def test_the_policy_of_the_page_allows_what_operations_need_and_nothing_else():
    (text,) = PAGE.part("Set it up").blocks("json")
    allowed: list[str] = []
    for statement in json.loads(text)["Statement"]:
        actions = statement["Action"]
        allowed += [actions] if isinstance(actions, str) else actions
        only = statement["Resource"]
        assert (only == "*") == (actions == "cloudwatch:GetMetricData")

    # No policy needs to allow sts:GetCallerIdentity.
    needed = {one.name for one in FACTS.permissions} - {"sts:GetCallerIdentity"}
    assert sorted(allowed) == sorted(needed)


def test_the_page_names_the_kind_of_every_event():
    rows = dict(re.findall(r"^\| `([a-z_]+)` \| (.*?) \|$", PAGE.part("Events").text, re.MULTILINE))
    for type_, names in KINDS.items():
        for name, kind in names.items():
            word = "Limit Breach" if type_ == "IVS Limit Breach" else name
            assert word in rows[kind.value]


def test_the_pages_receiver_takes_a_genuine_event_and_no_other():
    program, *_ = PAGE.part("Events").blocks("python")
    names: dict[str, Any] = {}
    exec(program, names)
    arn = "arn:aws:ivs:us-west-2:123456789012:channel/AbCdEf123456"
    settings = {
        "access_key_id": "AKIAEXAMPLE",
        "secret_access_key": "s",
        "event_secret": "planted-secret",
    }
    body = json.dumps(
        {
            "id": "aa5b7a40-36cf-8dc4-5554-32d70e047215",
            "detail-type": "IVS Stream State Change",
            "source": "aws.ivs",
            "time": "2030-01-02T03:04:05Z",
            "resources": [arn],
            "detail": {"event_name": "Stream Start"},
        }
    ).encode()
    with headend.open("aws-ivs", settings=settings, database=None) as platform:
        headers = {"Host": "host.example", "X-Headend-Event-Secret": "planted-secret"}
        assert names["receive"](platform, headers, body) == arn
        with pytest.raises(headend.AuthenticationError):
            names["receive"](platform, {"X-Headend-Event-Secret": "guess"}, body)
        with pytest.raises(headend.AuthenticationError):
            names["receive"](platform, {}, body)
    queue = {**settings, "events_from_queue": True}
    with headend.open("aws-ivs", settings=queue, database=None) as platform:
        assert names["receive"](platform, {}, body) == arn
