"""`headend orphans`, as an operator types it, against a platform on a real socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random

import pytest

import headend
from headend.clock import SystemClock
from headend_contract.reference.opening import install_reference
from headend_contract.reference.platform import SimulatedPlatform
from headend_contract.reference.simulator import create_app
from headend_contract.serving import Served

Command = Callable[..., tuple[int, str]]


@pytest.fixture
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SimulatedPlatform]:
    """The platform, and an environment in which the reference provider is installed and set up."""
    app = create_app(clock=SystemClock(), random=Random(3))
    install_reference(tmp_path / "site")
    monkeypatch.syspath_prepend(tmp_path / "site")
    monkeypatch.setenv("STREAMING_PLATFORM", "reference")
    monkeypatch.setenv("REFERENCE_API_TOKEN", app.platform.token)
    with Served(app) as served:
        monkeypatch.setenv("REFERENCE_API_URL", served.url)
        yield app.platform


@pytest.fixture
def orphans(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run ``headend orphans``; return exit code and what it printed."""
    from headend.cli.main import main

    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["headend", "orphans", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        return int(str(stop.value.code)), capsys.readouterr().out

    return run


def findings(printed: str) -> dict[str, list[dict[str, object]]]:
    found: dict[str, list[dict[str, object]]] = {}
    for one in json.loads(printed):
        found.setdefault(str(one["kind"]), []).append(one)
    return found


def make_orphan(simulated: SimulatedPlatform, marker_of: str) -> str:
    """Create, behind headend's back, what bears the ledger's marker and is not in it."""
    prefix = str(marker_of).rpartition("-")[0]
    body = {"name": None, "tags": {"channel_id": "9", "marker": f"{prefix}-{'0' * 24}"}}
    return str(simulated.create_input(body)["id"])


@pytest.fixture
def made(simulated: SimulatedPlatform) -> headend.LiveStream:
    with headend.open() as platform:
        stream_id = platform.create_live_stream(42).stream_id
        return platform.get_live_stream(stream_id)


def test_where_all_is_well_it_says_so(orphans: Command, made: headend.LiveStream) -> None:
    assert orphans("list") == (0, "Ledger and platform agree.\n")
    assert orphans("clean", "--yes") == (0, "Ledger and platform agree.\n")


def test_listing_and_cleaning_without_yes_change_nothing(
    orphans: Command, simulated: SimulatedPlatform, made: headend.LiveStream
) -> None:
    orphan = make_orphan(simulated, str(made.marker))
    before = set(simulated.inputs)

    for arguments in (("list",), ("clean",)):
        code, printed = orphans(*arguments)
        assert code == 0
        assert orphan in printed
    assert "--yes does it" in printed
    assert set(simulated.inputs) == before


def test_cleaning_ends_the_orphan_and_nothing_else(
    orphans: Command, simulated: SimulatedPlatform, made: headend.LiveStream
) -> None:
    orphan = make_orphan(simulated, str(made.marker))
    foreign = str(simulated.create_input({"name": "by hand", "tags": {}})["id"])
    code, printed = orphans("clean", "--yes", "--json")
    found = findings(printed)

    assert code == 0
    assert [(one["stream_id"], one["done"]) for one in found["orphan"]] == [(orphan, True)]
    assert [one["stream_id"] for one in found["foreign"]] == [foreign]
    assert set(simulated.inputs) == {made.stream_id, foreign}


def test_one_that_is_live_is_never_removed(
    orphans: Command, simulated: SimulatedPlatform, made: headend.LiveStream
) -> None:
    orphan = make_orphan(simulated, str(made.marker))
    key = next(key for key, stream_id in simulated.keys.items() if stream_id == orphan)
    simulated.encoder(key)
    _, printed = orphans("clean", "--yes", "--json")

    (one,) = findings(printed)["orphan"]
    assert (one["action"], one["done"]) == ("none", False)
    assert "and stays" in str(one["why"])
    assert orphan in simulated.inputs


def test_one_that_is_younger_than_asked_for_stays(
    orphans: Command, simulated: SimulatedPlatform, made: headend.LiveStream
) -> None:
    orphan = make_orphan(simulated, str(made.marker))
    orphans("clean", "--yes", "--older-than", "1h")
    assert orphan in simulated.inputs
    orphans("clean", "--yes", "--older-than", "0s")
    assert orphan not in simulated.inputs


def test_what_was_removed_behind_headends_back_is_recorded_as_ended(
    orphans: Command, simulated: SimulatedPlatform, made: headend.LiveStream
) -> None:
    simulated.revoke_key(made.stream_id)
    simulated.delete_input(made.stream_id)

    assert list(findings(orphans("list", "--json")[1])) == ["vanished"]
    assert list(findings(orphans("clean", "--yes", "--json")[1])) == ["vanished"]
    assert orphans("list") == (0, "Ledger and platform agree.\n")


def test_another_ledgers_live_streams_are_foreign(
    orphans: Command, made: headend.LiveStream, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path / "another"))
    (one,) = findings(orphans("clean", "--yes", "--json")[1])["foreign"]

    assert (one["stream_id"], one["why"]) == (made.stream_id, "it was made by another ledger")


def test_without_a_ledger_it_says_what_to_set(
    simulated: SimulatedPlatform, orphans: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HEADEND_DATABASE_URL", "none")

    assert orphans("list")[0] == 2


@pytest.mark.parametrize("age", ["1", "h", "1w", "-1h", "1 h"])
def test_an_age_that_is_none_is_refused(orphans: Command, age: str) -> None:
    assert orphans("clean", "--older-than", age)[0] == 2
