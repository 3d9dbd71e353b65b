"""Recording leaves a tape that has been scrubbed, scanned and played, or leaves things alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from attrs import evolve

from headend.errors import ConfigurationError, PluginError
from headend.plugin import ProviderSpec, Secret
from headend_contract import recording
from headend_contract.case import Case
from headend_contract.cassettes import Cassettes
from headend_contract.check import Check, Mode, expect
from headend_contract.placeholders import is_placeholder
from headend_contract.recording import Outcome, Recorded, find_stale, record
from headend_contract.report import Verdict
from headend_contract.runner import check_provider
from headend_contract.scan import scan_folder
from headend_contract.tape import Tape

NOW = datetime(2026, 11, 22, 21, 0, 0, 5, tzinfo=UTC)


def creates(case: Case) -> None:
    made = case.create()
    expect(case.platform.get_credentials(made.stream_id) == made, "other credentials")


def rotates(case: Case) -> None:
    made = case.create()
    changed = case.platform.rotate_stream_key(made.stream_id)
    expect(changed.stream_key != made.stream_key, "the same key")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tapes"


@pytest.fixture
def record_one(reference: ProviderSpec, folder: Path) -> Callable[..., Recorded]:
    def run(check: Check, **more: object) -> Recorded:
        arguments: dict[str, object] = {"folder": folder, "now": lambda: NOW, **more}
        (found,) = record(reference, checks=[check], **arguments)  # type: ignore[arg-type]  # as they are
        return found

    return run


def path_in(folder: Path, check_id: str = "TEST-CHECK-001") -> Path:
    return folder / "1" / f"{check_id}.yaml"


class TestATape:
    def test_tells_how_it_was_made(
        self, record_one: Callable[..., Recorded], check_of: Callable[..., Check], folder: Path
    ) -> None:
        check = check_of(creates)
        result = record_one(check)
        label = Tape.read(path_in(folder)).label

        assert result == Recorded("TEST-CHECK-001", Outcome.RECORDED, interactions=2)
        assert label.check == check.id
        assert label.digest == check.digest
        assert label.contract == "1"
        assert label.provenance == "simulator of headend_contract"
        assert label.recorded_at == NOW.replace(microsecond=0)
        assert label.clock == datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
        assert set(label.versions) == {"headend", "headend-contract"}

    def test_holds_no_secret_and_keeps_them_apart(
        self, record_one: Callable[..., Recorded], check_of: Callable[..., Check], folder: Path
    ) -> None:
        secrets: list[str] = []

        def notes(case: Case) -> None:
            rotates(case)
            secrets.extend(one.reveal() for one in case.secrets)

        assert record_one(check_of(notes)).outcome is Outcome.RECORDED

        real = [one for one in secrets if not is_placeholder(one) and len(one) >= 8]
        assert len(set(real)) >= 4
        assert scan_folder(folder, planted=real) == []

    def test_is_the_same_each_time(
        self, record_one: Callable[..., Recorded], check_of: Callable[..., Check], folder: Path
    ) -> None:
        first = record_one(check_of(rotates))
        before = path_in(folder).read_bytes()
        later = record_one(check_of(rotates), now=lambda: NOW.replace(year=2027))

        assert (first.outcome, later.outcome) == (Outcome.RECORDED, Outcome.UNCHANGED)
        assert path_in(folder).read_bytes() == before

    def test_is_played_with_settings_that_open_nothing(
        self, record_one: Callable[..., Recorded], check_of: Callable[..., Check], folder: Path
    ) -> None:
        record_one(check_of(creates))
        text = (folder / "1" / "environment.yaml").read_text()

        assert "REFERENCE_API_URL: https://simulator.example" in text
        assert "127.0.0.1" not in text
        assert "HEADEND_" not in text

    def test_leaves_no_other_file(
        self, record_one: Callable[..., Recorded], check_of: Callable[..., Check], folder: Path
    ) -> None:
        record_one(check_of(creates))

        assert {one.name for one in folder.rglob("*") if one.is_file()} == {
            "TEST-CHECK-001.yaml",
            "environment.yaml",
        }
        assert {one.name for one in folder.iterdir()} == {"1"}


class TestWhatCannotBeRecorded:
    @pytest.fixture
    def kept(
        self, record_one: Callable[..., Recorded], check_of: Callable[..., Check], folder: Path
    ) -> bytes:
        """The bytes of a tape that is there already."""
        assert record_one(check_of(creates)).outcome is Outcome.RECORDED
        return path_in(folder).read_bytes()

    def test_a_check_that_fails(
        self,
        record_one: Callable[..., Recorded],
        check_of: Callable[..., Check],
        folder: Path,
        kept: bytes,
    ) -> None:
        def fails(case: Case) -> None:
            case.create()
            expect(False, "it is bad")

        result = record_one(check_of(fails))

        assert result.outcome is Outcome.FAILED
        assert "it is bad" in str(result.reason)
        assert path_in(folder).read_bytes() == kept

    def test_one_that_does_not_pass_on_its_own_recording(
        self,
        record_one: Callable[..., Recorded],
        check_of: Callable[..., Check],
        folder: Path,
        kept: bytes,
    ) -> None:
        def live_only(case: Case) -> None:
            case.create()
            expect(case.mode is not Mode.REPLAY, "this is a recording")

        result = record_one(check_of(live_only))

        assert result.outcome is Outcome.FAILED
        assert "this is a recording" in str(result.reason)
        assert path_in(folder).read_bytes() == kept

    def test_one_with_too_many_requests(
        self, record_one: Callable[..., Recorded], check_of: Callable[..., Check]
    ) -> None:
        def busy(case: Case) -> None:
            made = case.create()
            for _ in range(50):
                case.platform.get_live_stream(made.stream_id)

        result = record_one(check_of(busy))

        assert result.outcome is Outcome.FAILED
        assert "51 requests" in str(result.reason)

    def test_traffic_in_which_a_secret_is_found_afterwards(
        self,
        record_one: Callable[..., Recorded],
        check_of: Callable[..., Check],
        folder: Path,
        kept: bytes,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from headend_contract.scrub import Scrubber

        monkeypatch.setattr(Scrubber, "interactions", lambda _scrubber, traffic: tuple(traffic))
        result = record_one(check_of(rotates))

        assert result.outcome is Outcome.FAILED
        assert "secrets were found" in str(result.reason)
        assert "rk_" not in str(result.reason)
        assert path_in(folder).read_bytes() == kept

    def test_a_check_that_sends_nothing_needs_none(
        self, record_one: Callable[..., Recorded], check_of: Callable[..., Check], folder: Path
    ) -> None:
        result = record_one(check_of(lambda _: None, offline=True))

        assert result.outcome is Outcome.NOT_NEEDED
        assert not (folder / "1").exists()

    def test_a_provider_without_simulator_and_credentials(
        self, reference: ProviderSpec, folder: Path
    ) -> None:
        with pytest.raises(PluginError, match="REFERENCE_API_TOKEN"):
            record(evolve(reference, simulator=None), folder=folder, checks=[])

    def test_a_simulator_that_passes_for_the_platform(
        self, reference: ProviderSpec, folder: Path, check_of: Callable[..., Check]
    ) -> None:
        with pytest.raises(ConfigurationError, match="REFERENCE_API_URL"):
            record(
                reference,
                folder=folder,
                checks=[check_of(creates)],
                environment={
                    "REFERENCE_API_TOKEN": "token",
                    "REFERENCE_API_URL": "http://localhost:4711",
                },
            )

    def test_a_check_that_there_is_not(
        self, reference: ProviderSpec, folder: Path, check_of: Callable[..., Check]
    ) -> None:
        with pytest.raises(ConfigurationError, match="NO-SUCH-001"):
            record(reference, only=["NO-SUCH-001"], folder=folder, checks=[check_of(creates)])

    def test_tapes_that_an_installer_has_put_there(
        self,
        reference: ProviderSpec,
        folder: Path,
        check_of: Callable[..., Check],
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        installed = tmp_path / "site-packages" / "acme" / "cassettes"
        check = check_of(creates)
        record(reference, folder=installed, checks=[check])
        monkeypatch.setattr(recording, "find_cassettes", lambda _: Cassettes.at(installed, "x"))

        with pytest.raises(ConfigurationError, match="name another folder with --cassettes"):
            record(reference, checks=[check])
        (elsewhere,) = record(reference, folder=folder, checks=[check])

        assert elsewhere.outcome is Outcome.RECORDED


class TestTheSet:
    def test_tapes_that_no_check_plays_go_when_all_is_recorded(
        self, reference: ProviderSpec, folder: Path, check_of: Callable[..., Check]
    ) -> None:
        first = check_of(creates)
        second = check_of(rotates, id="TEST-CHECK-002")
        record(reference, folder=folder, checks=[first, second])
        some = record(reference, only=["TEST-CHECK-001"], folder=folder, checks=[first])
        assert path_in(folder, "TEST-CHECK-002").exists()
        all_of_them = record(reference, folder=folder, checks=[first])

        assert [(one.check, one.outcome) for one in some] == [("TEST-CHECK-001", Outcome.UNCHANGED)]
        assert [(one.check, one.outcome) for one in all_of_them] == [
            ("TEST-CHECK-001", Outcome.UNCHANGED),
            ("TEST-CHECK-002", Outcome.REMOVED),
        ]
        assert not path_in(folder, "TEST-CHECK-002").exists()

    def test_one_is_not_recorded_anew_with_other_settings_than_the_rest(
        self, reference: ProviderSpec, folder: Path, check_of: Callable[..., Check]
    ) -> None:
        checks = [check_of(creates), check_of(rotates, id="TEST-CHECK-002")]
        record(reference, folder=folder, checks=checks)
        settings = folder / "1" / "environment.yaml"
        settings.write_text(settings.read_text().replace("simulator.example", "api.example"))
        with pytest.raises(ConfigurationError, match="record all"):
            record(reference, only=["TEST-CHECK-001"], folder=folder, checks=checks)

    def test_those_that_are_out_of_date_are_told(
        self, reference: ProviderSpec, folder: Path, check_of: Callable[..., Check]
    ) -> None:
        checks = [
            check_of(creates),
            check_of(rotates, id="TEST-CHECK-002"),
            check_of(rotates, id="TEST-CHECK-003"),
            check_of(creates, id="TEST-CHECK-004"),
        ]
        record(reference, folder=folder, checks=checks, now=lambda: NOW)
        assert find_stale(reference, folder=folder, checks=checks) == []
        path_in(folder, "TEST-CHECK-004").write_text("nothing")
        found = find_stale(
            reference,
            folder=folder,
            checks=[evolve(checks[0], run=rotates), checks[1], checks[3]],
        )

        assert [one.check for one in found] == [
            "TEST-CHECK-001",
            "TEST-CHECK-003",
            "TEST-CHECK-004",
        ]
        assert found[0].reason == "the check has changed since 2026-11-22"
        assert found[1].reason == "no check of this provider plays it"


def test_a_secret_that_a_check_plants_is_scrubbed_and_still_played(
    record_one: Callable[..., Recorded], check_of: Callable[..., Check], folder: Path
) -> None:
    planted = "planted-8d1f0c3b5a"

    def plants(case: Case) -> None:
        Secret(planted)
        made = case.create(metadata={"note": planted})
        got = case.platform.get_live_stream(made.stream_id)
        expect(got.metadata["note"] == planted, "the note is another")

    assert record_one(check_of(plants)).outcome is Outcome.RECORDED
    assert planted not in path_in(folder).read_text()


@pytest.mark.parametrize("name", ["cloudflare", "aws-ivs"])
class TestTheRecordingsOfThisTree:
    def test_none_is_out_of_date(self, name: str) -> None:
        assert find_stale(name) == []

    def test_each_is_played(self, name: str) -> None:
        report = check_provider(name, mode=Mode.REPLAY, expected=())
        bad = [one for one in report.results if one.verdict in {Verdict.FAILED, Verdict.ERROR}]

        assert [(one.id, one.verdict, one.reason) for one in bad] == []
        assert sum(one.verdict is Verdict.PASSED for one in report.results) > 40
