"""`headend encoder` shows what to type, refuses what would be cut off, and hides the key."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import attrs
import pytest

from headend.cli.encoder import ffmpeg_command, obs_settings
from headend.facts import EncoderLimits
from headend.models import Ingest, StreamCredentials
from headend.presets import PRESETS, EncodingPreset
from headend.secret import MASK, Secret

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

    from tests.conftest import Ran

    Run = Callable[..., Ran]

SERVER = "rtmps://ingest.acme.example/live"
PAGE = Path(__file__).parents[2] / "docs" / "encoders.md"
CITED = {"source": "https://acme.example/encoders", "as_of": "2026-11-22"}
LIMITS = (
    EncoderLimits(name="in America", terms={"region": "us"}, max_bitrate=3_500_000, **CITED),  # type: ignore[arg-type]  # two texts
    EncoderLimits(name="advice", enforced=False, min_bitrate=2_000_000, **CITED),  # type: ignore[arg-type]  # two texts
)


@pytest.fixture
def create(
    acme: ModuleType, acme_settings: None, monkeypatch: pytest.MonkeyPatch, run: Run, tmp_path: Path
) -> Callable[..., str]:
    """Create live streams on acme, which takes less of encoders in America."""
    import headend_acme.facts

    facts = headend_acme.facts
    monkeypatch.setattr(facts, "FACTS", attrs.evolve(facts.FACTS, encoders=LIMITS))
    monkeypatch.setenv("STREAMING_PLATFORM", "acme")
    monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path / "data"))
    made = acme.AcmeProvider
    kept: list[object] = []

    def once(settings: object, context: object) -> object:
        kept[:] = kept or [made(settings, context)]
        return kept[0]

    monkeypatch.setattr(acme, "AcmeProvider", once)

    def create(region: str = "eu") -> str:
        done = run("create", "42", "--option", f"region={region}", "--json").json
        assert isinstance(done, dict)
        return str(done["stream_id"])

    return create


def credentials(key: str = "k", server: str = SERVER) -> StreamCredentials:
    secret = Secret(key)
    return StreamCredentials(
        stream_id="live-1",
        stream_key=secret,
        rtmp_push_url=server,
        playback_url="https://acme.example/index.m3u8",
        ingests=(Ingest.rtmp(server, secret),),
    )


def typed(preset: EncodingPreset) -> dict[str, object]:
    return {one.field: one.value for one in obs_settings(credentials(), preset)}


def test_the_card_for_obs_has_every_field_and_hides_the_key(
    create: Callable[..., str], run: Run
) -> None:
    stream_id = create()
    shown = run("encoder", stream_id, "--for", "obs")

    lines = [" ".join(line.split()) for line in shown.out.splitlines()]
    again = f"headend encoder {stream_id} --for obs --preset 720p --show-key"
    for line in (
        "Settings > Stream",
        f"Server {SERVER}",
        f"Stream Key {MASK} ({again} shows it)",
        "Rate Control CBR",
        "Bitrate 3000 Kbps",
        "Keyframe Interval 2 s",
        "Audio Bitrate of Track 1 128 Kbps",
        "Output (Scaled) Resolution 1280x720",
        "Common FPS Values 30",
        "Settings > Advanced",
    ):
        assert line in lines
    assert (shown.code, shown.err) == (0, "")
    assert f"key-of-{stream_id}" not in shown.out


@pytest.mark.parametrize("software", ["obs", "ffmpeg"])
def test_the_key_is_shown_when_it_is_asked_for(
    software: str, create: Callable[..., str], run: Run
) -> None:
    stream_id = create()
    for form in ([], ["--json"]):
        hidden = run("encoder", stream_id, "--for", software, *form)
        shown = run("encoder", stream_id, "--for", software, "--show-key", *form)
        assert f"key-of-{stream_id}" not in hidden.out + hidden.err
        assert f"key-of-{stream_id}" in shown.out


def test_the_command_for_ffmpeg_is_one_line_with_a_variable_for_the_key(
    create: Callable[..., str], run: Run
) -> None:
    stream_id = create()
    line, *_ = run("encoder", stream_id, "--for", "ffmpeg", "--preset", "480p").out.splitlines()

    assert line == ffmpeg_command(PRESETS["480p"], f'{SERVER}/"$STREAM_KEY"')
    assert shlex.split(line)[-1] == f"{SERVER}/$STREAM_KEY"


def test_the_command_quotes_what_a_shell_would_take_for_its_own(
    create: Callable[..., str], run: Run, acme: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = create()
    monkeypatch.setattr(acme, "SERVER_URL", "rtmp://acme.example/$(id)/live?a=1&b=2;x")
    for more in ([], ["--show-key"]):
        line, *_ = run("encoder", stream_id, "--for", "ffmpeg", *more).out.splitlines()
        assert shlex.split(line)[-1].startswith("rtmp://acme.example/$(id)/live?a=1&b=2;x/")
        assert "'rtmp://acme.example/$(id)/live?a=1&b=2;x/" in line


def test_a_preset_that_would_be_cut_off_is_refused_with_the_reason_and_what_fits(
    create: Callable[..., str], run: Run
) -> None:
    refused = run("encoder", create("us"), "--for", "obs", "--preset", "1080p")

    assert (refused.code, refused.out) == (4, "")
    for words in (
        (
            "an encoder with the preset 1080p would be cut off: video and audio together have "
            "5,128,000 bits per second, where 3,500,000 are taken at most"
        ),
        "(https://acme.example/encoders); presets that fit: 720p, 480p",
    ):
        assert words in refused.err
    assert run("encoder", create("eu"), "--for", "obs", "--preset", "1080p").code == 0


def test_nothing_is_sent_that_would_be_cut_off(create: Callable[..., str], run: Run) -> None:
    refused = run("push", create("us"), "test", "--preset", "1080p", "--duration", "1")

    assert refused.code == 4
    assert "the preset 1080p would be cut off" in refused.err
    assert "presets that fit: 720p, 480p" in refused.err


@pytest.mark.parametrize("ledger", ["none", "sqlite:////dev/null/ledger.sqlite3"])
def test_where_nobody_knows_how_it_was_created_what_would_be_cut_off_is_a_warning(
    ledger: str, create: Callable[..., str], run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream_id = create("us")
    monkeypatch.setenv("HEADEND_DATABASE_URL", ledger)
    shown = run("encoder", stream_id, "--for", "obs", "--preset", "1080p")

    assert shown.code == 0
    assert shown.err.startswith("warning: where region is us, video and audio together have")


def test_what_encoders_may_send_is_shown_with_the_provider(
    create: Callable[..., str], run: Run
) -> None:
    shown = [" ".join(line.split()) for line in run("providers", "acme").out.splitlines()]

    assert "in America region us 3,500,000 bit/s at most cut off [2]" in shown
    assert "advice 2,000,000 bit/s at least advised against [2]" in shown


def test_advice_is_a_warning(create: Callable[..., str], run: Run) -> None:
    shown = run("encoder", create(), "--for", "ffmpeg", "--preset", "480p")

    assert shown.code == 0
    assert shown.err.startswith("warning: video and audio together have 1,628,000 bits per second")
    assert "(https://acme.example/encoders)" in shown.err


def test_the_json_value_has_the_card_as_data(create: Callable[..., str], run: Run) -> None:
    stream_id = create()
    value = run("encoder", stream_id, "--for", "obs", "--preset", "480p", "--json").json

    assert isinstance(value, dict)
    assert (value["stream_id"], value["provider"], value["for"]) == (stream_id, "acme", "obs")
    assert value["rtmp_push_url"] == SERVER
    assert (value["stream_key"], value["command"]) == (None, None)
    assert value["preset"]["video_bitrate"] == 1_500_000
    assert {"page": "Settings > Stream", "field": "Stream Key", "value": None} in value["settings"]
    assert [(one["field"], one["fatal"]) for one in value["problems"]] == [("bitrate", False)]


def test_an_unknown_preset_is_a_usage_error_that_names_those_there_are(
    create: Callable[..., str], run: Run
) -> None:
    shown = run("encoder", create(), "--for", "obs", "--preset", "720")

    assert shown.code == 2
    assert "there are 1080p, 720p, 480p; did you mean 720p?" in shown.err


def test_ones_own_preset_is_taken(
    create: Callable[..., str], run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "headend.toml"
    file.write_text('[presets.stadium]\nlike = "720p"\nframe_rate = 25', encoding="utf-8")
    monkeypatch.setenv("HEADEND_CONFIG", str(file))

    shown = run("encoder", create(), "--for", "obs", "--preset", "stadium")
    assert "Integer FPS Value" in shown.out


def test_an_interval_that_obs_cannot_take_in_seconds_is_given_in_frames() -> None:
    odd = attrs.evolve(PRESETS["720p"], keyframe_interval=1.5)

    assert (typed(odd)["Keyframe Interval"], typed(odd)["x264 Options"]) == ("0 s", "keyint=45")
    assert "x264 Options" not in typed(PRESETS["720p"])


def test_the_line_of_the_documentation_is_the_one_that_is_printed() -> None:
    assert ffmpeg_command(PRESETS["720p"], '"$PUSH_URL/$STREAM_KEY"') in PAGE.read_text(
        encoding="utf-8"
    ).split("\n")
