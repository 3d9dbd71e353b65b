"""Live mode needs credentials, talks to no simulator, and leaves nothing on the platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from headend.errors import ConfigurationError
from headend.plugin import ProviderSpec
from headend_contract.check import Check, Mode
from headend_contract.modes.live import LiveVenue, Sweeper, credentials, live_venue
from headend_contract.opening import Opened, open_platform
from headend_contract.reference.simulator import SimulatorApp
from headend_contract.subject import Subject


@pytest.fixture
def subject(reference: ProviderSpec) -> Subject:
    return Subject.of(reference)


@pytest.fixture
def environment(app: SimulatorApp, served) -> dict[str, str]:
    return dict(app.environment(served.url))


@pytest.fixture
def opened(subject: Subject, environment: dict[str, str], clock) -> Iterator[Opened]:
    from random import Random

    made = open_platform(subject.spec, environment, clock=clock, random=Random(1))
    yield made
    made.platform.close()


class TestCredentials:
    def test_are_those_of_the_settings_and_of_sdks(self, subject: Subject) -> None:
        assert credentials(
            subject,
            {"REFERENCE_API_TOKEN": "t", "AWS_REGION": "r", "PATH": "p", "HEADEND_CONFIG": "c"},
        ) == {"REFERENCE_API_TOKEN": "t", "AWS_REGION": "r"}

    def test_without_a_secret_there_are_none(self, subject: Subject) -> None:
        assert credentials(subject, {"REFERENCE_ACCOUNT": "a", "REFERENCE_API_TOKEN": " "}) is None

    def test_without_them_it_says_what_to_set(self, subject: Subject) -> None:
        with (
            pytest.raises(ConfigurationError, match="REFERENCE_API_TOKEN"),
            live_venue(subject, environment={}),
        ):
            pass

    @pytest.mark.parametrize("host", ["127.0.0.1:1", "localhost", "[::1]:2"])
    def test_those_of_a_simulator_are_refused(self, subject: Subject, host: str) -> None:
        variables = {"REFERENCE_API_TOKEN": "t", "REFERENCE_API_URL": f"http://{host}/"}
        with (
            pytest.raises(ConfigurationError, match="REFERENCE_API_URL"),
            live_venue(subject, environment=variables),
        ):
            pass


class TestSweeping:
    def test_ends_what_was_created(
        self, subject: Subject, environment: dict[str, str], app: SimulatorApp, opened: Opened
    ) -> None:
        sweeper = Sweeper(subject, environment)
        sweeper.look_round()
        sweeper.creating("a")
        sweeper.created(opened.platform.create_live_stream("a").stream_id)

        assert sweeper.sweep() == []
        assert dict(app.platform.inputs) == {}
        assert sweeper.sweep() == []

    def test_finds_what_a_lost_answer_hid(
        self, subject: Subject, environment: dict[str, str], app: SimulatorApp, opened: Opened
    ) -> None:
        sweeper = Sweeper(subject, environment)
        sweeper.look_round()
        sweeper.creating("a")
        opened.platform.create_live_stream("a")

        assert sweeper.sweep() == []
        assert dict(app.platform.inputs) == {}

    def test_leaves_what_was_there_before_even_under_the_same_id(
        self, subject: Subject, environment: dict[str, str], app: SimulatorApp, opened: Opened
    ) -> None:
        show = opened.platform.create_live_stream("42").stream_id
        other = opened.platform.create_live_stream("43").stream_id
        sweeper = Sweeper(subject, environment)
        sweeper.look_round()
        sweeper.creating(42)
        opened.platform.create_live_stream("42")

        assert sweeper.sweep() == []
        assert set(app.platform.inputs) == {show, other}

    def test_ends_nothing_that_it_only_guesses_at(
        self, subject: Subject, environment: dict[str, str], app: SimulatorApp, opened: Opened
    ) -> None:
        """Whoever could not look round does not know what was there."""
        show = opened.platform.create_live_stream("42").stream_id
        sweeper = Sweeper(subject, environment)
        sweeper.creating(42)

        assert sweeper.sweep() == []
        assert set(app.platform.inputs) == {show}

    def test_says_what_it_had_to_leave(
        self, subject: Subject, environment: dict[str, str], opened: Opened
    ) -> None:
        made = opened.platform.create_live_stream("a").stream_id
        sweeper = Sweeper(subject, {**environment, "REFERENCE_API_TOKEN": "wrong"})
        sweeper.created(made)
        (left,) = sweeper.sweep()

        assert made in left


class TestTheWorld:
    def test_is_swept_when_a_check_stops_half_way(
        self,
        subject: Subject,
        environment: dict[str, str],
        app: SimulatorApp,
        opened: Opened,
        check_of: Callable[..., Check],
        tmp_path,
    ) -> None:
        venue = LiveVenue(subject, environment, tmp_path)
        check = check_of(lambda _: None)

        def stop_half_way() -> None:
            with venue.world(check) as world:
                world.creating("a")
                opened.platform.create_live_stream("a")
                assert [one.method for one in world.requests] == ["POST"]
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            stop_half_way()

        assert dict(app.platform.inputs) == {}

    def test_does_not_count_or_record_the_sweeping(
        self,
        subject: Subject,
        environment: dict[str, str],
        opened: Opened,
        check_of: Callable[..., Check],
        tmp_path,
    ) -> None:
        venue = LiveVenue(subject, environment, tmp_path)
        with venue.world(check_of(lambda _: None)) as world:
            world.created(opened.platform.create_live_stream("a").stream_id)
            assert list(world.problems()) == []

            assert [one.method for one in world.requests] == ["POST"]
            assert len(world.deck.recorded) == 1
            assert (world.mode, world.provenance) == (Mode.LIVE, "live")
