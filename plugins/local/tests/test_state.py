"""What outlives the server: live streams, keys, totals, the control token."""

from __future__ import annotations

import hashlib
import itertools
import os
import shutil
import sqlite3
import stat
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from headend.plugin import ConfigurationError, Secret
from headend_local.state import DATABASE_FILE, OWNER_FILE, TOKEN_FILE, State, Totals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOON = datetime(2030, 1, 2, 12, tzinfo=UTC)
posix_only = pytest.mark.skipif(os.name == "nt", reason="Windows has no permission bits")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_live_streams_keys_and_totals_are_there_after_a_restart(tmp_path: Path) -> None:
    with State.open(tmp_path / "data") as state:
        made = state.create(
            channel_id="42",
            created_at=NOON,
            name="Concert",
            metadata={"town": "Köln"},
            low_latency=True,
            marker="m-1",
        )
        state.set_enabled(made.id, enabled=False)
        state.save_totals({made.id: Totals(7, 12.5)})
        key = state.stream_key(made.id)
    with State.open(tmp_path / "data") as state:
        (kept,) = state.live_streams()
        assert kept.id == made.id
        assert (kept.channel_id, kept.name, kept.metadata) == ("42", "Concert", {"town": "Köln"})
        assert (kept.low_latency, kept.marker, kept.enabled) == (True, "m-1", False)
        assert (kept.created_at, kept.totals) == (NOON, Totals(7, 12.5))
        assert state.find_by_key(key) == made.id


def test_what_is_written_is_on_the_disk_at_once_whatever_becomes_of_the_process(
    tmp_path: Path,
) -> None:
    with State.open(tmp_path / "data") as state:
        made = state.create(channel_id="1", created_at=NOON)
        state.save_totals({made.id: Totals(3, 4.5)})
        # What a killed process leaves: the files as they are, nothing closed.
        shutil.copytree(tmp_path / "data", tmp_path / "left")
        with State.open(tmp_path / "left") as left:
            assert left.live_streams()[0].totals == Totals(3, 4.5)
            assert left.stream_key(made.id) == state.stream_key(made.id)


def test_what_creation_returns_is_what_is_kept(tmp_path: Path) -> None:
    with State.open(tmp_path / "data") as state:
        made = [state.create(channel_id=str(number), created_at=NOON) for number in range(3)]
        assert state.live_streams() == made


def test_a_key_opens_its_own_live_stream_and_nothing_after_it_was_replaced(tmp_path: Path) -> None:
    with State.open(tmp_path / "data") as state:
        one, other = (state.create(channel_id=each, created_at=NOON) for each in "ab")
        old = state.stream_key(one.id)
        new = state.rotate_key(one.id)
        assert state.find_by_key(old) is None
        assert state.find_by_key(new) == one.id
        assert state.find_by_key(state.stream_key(other.id)) == other.id


def test_the_key_of_a_deleted_live_stream_opens_nothing_and_is_gone_from_the_disk(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "data"
    with State.open(folder) as state:
        made = state.create(channel_id="1", created_at=NOON)
        key = state.stream_key(made.id)
        state.delete(made.id)
        assert state.find_by_key(key) is None
        with pytest.raises(KeyError):
            state.stream_key(made.id)
        with pytest.raises(KeyError):
            state.rotate_key(made.id)
    assert key.reveal().encode() not in (folder / DATABASE_FILE).read_bytes()


@pytest.mark.parametrize("action", ["delete", "rotate_key"])
def test_a_key_taken_back_is_in_no_file_of_a_running_server(tmp_path: Path, action: str) -> None:
    folder = tmp_path / "data"

    def files_with(key: Secret) -> list[str]:
        digest = hashlib.sha256(key.reveal().encode()).digest()
        return [
            each.name
            for each in folder.iterdir()
            if key.reveal().encode() in each.read_bytes() or digest in each.read_bytes()
        ]

    with State.open(folder) as state:
        made, other = (state.create(channel_id=each, created_at=NOON) for each in "ab")
        key, kept = state.stream_key(made.id), state.stream_key(other.id)
        state.set_enabled(made.id, enabled=False)
        assert files_with(key)
        getattr(state, action)(made.id)
        assert files_with(key) == []
        assert files_with(kept)


def test_a_disk_without_room_does_not_undo_that_a_key_is_taken_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class FullDisk:
        """Hands everything on but what the checkpoint would write."""

        def __init__(self, connection: sqlite3.Connection) -> None:
            self._connection = connection

        def __enter__(self) -> None:
            self._connection.__enter__()

        def __exit__(self, *details: object) -> None:
            self._connection.__exit__(*details)

        def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
            if "checkpoint" in sql:
                raise sqlite3.OperationalError("database or disk is full")
            return self._connection.execute(sql, *values)

        def close(self) -> None:
            self._connection.close()

    with State.open(tmp_path / "data") as state:
        made = state.create(channel_id="1", created_at=NOON)
        old = state.stream_key(made.id)
        state._connection = FullDisk(state._connection)  # type: ignore[assignment]  # a double
        new = state.rotate_key(made.id)
        assert (state.find_by_key(old), state.find_by_key(new)) == (None, made.id)
    assert "disk is full" in caplog.text
    assert old.reveal() not in caplog.text


def test_keys_and_ids_are_long_unlike_and_unrelated(tmp_path: Path) -> None:
    with State.open(tmp_path / "data") as state:
        made = [state.create(channel_id="1", created_at=NOON) for _ in range(50)]
        keys = {state.stream_key(each.id).reveal() for each in made}
        assert len(keys) == len({each.id for each in made}) == 50
        assert all(len(key) == 32 for key in keys)  # 24 bytes
        # An id never looks like an option on a command line.
        assert all(each.id.isalnum() for each in made)
        assert not any(each.id in key or key in each.id for each in made for key in keys)


@pytest.fixture
def one_live_stream(tmp_path: Path) -> Iterator[State]:
    with State.open(tmp_path / "data") as state:
        state.create(channel_id="1", created_at=NOON)
        yield state


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(guess=st.text(max_size=200))
def test_no_guess_opens_a_live_stream(one_live_stream: State, guess: str) -> None:
    assert one_live_stream.find_by_key(Secret(guess)) is None


def test_a_number_is_never_used_twice(tmp_path: Path) -> None:
    with State.open(tmp_path / "data") as state:
        first = state.create(channel_id="1", created_at=NOON)
        state.delete(first.id)
        assert state.create(channel_id="2", created_at=NOON).number > first.number


@posix_only
def test_everything_in_the_folder_is_for_its_owner_alone(tmp_path: Path) -> None:
    before = os.umask(0)  # as bad as it gets
    try:
        with State.open(tmp_path / "data") as state:
            state.create(channel_id="1", created_at=NOON)
            state.record_owner({"pid": 1, "rtmp_port": 2, "http_port": 3})
            files = list((tmp_path / "data").iterdir())
            assert {DATABASE_FILE, TOKEN_FILE, OWNER_FILE} <= {each.name for each in files}
            assert {each.name: mode(each) for each in files} == {each.name: 0o600 for each in files}
            assert mode(tmp_path / "data") == 0o700
    finally:
        os.umask(before)


@posix_only
@pytest.mark.parametrize("name", [DATABASE_FILE, TOKEN_FILE])
def test_a_file_that_others_can_read_is_closed_to_them(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "data"
    State.open(folder).close()
    (folder / name).chmod(0o644)
    with State.open(folder):
        assert mode(folder / name) == 0o600


@posix_only
def test_a_folder_that_others_may_write_to_is_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(ConfigurationError, match=f"chmod 700 {folder}"):
        State.open(folder)
    assert list(folder.iterdir()) == []


@posix_only
def test_a_link_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    (tmp_path / "elsewhere").touch()
    (folder / DATABASE_FILE).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match="not an ordinary file"):
        State.open(folder)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(ConfigurationError, match="is a file; choose another with --data-dir"):
        State.open(tmp_path / "data")


def test_a_second_server_is_told_who_has_the_folder_open(tmp_path: Path) -> None:
    with State.open(tmp_path / "data") as state:
        state.record_owner({"pid": 4711, "rtmp_port": 1935, "http_port": 8935})
        with pytest.raises(ConfigurationError, match=r"process 4711, RTMP port 1935"):
            State.open(tmp_path / "data")
        # The attempt has not taken the folder from its owner.
        with pytest.raises(ConfigurationError, match="in use"):
            State.open(tmp_path / "data")
    State.open(tmp_path / "data").close()


def test_a_damaged_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with State.open(folder) as state:
        for number in range(200):
            state.create(channel_id=str(number), created_at=NOON)
    path = folder / DATABASE_FILE
    whole = path.read_bytes()
    for damaged in (b"no database" * 1000, whole[:5000], whole[:8192] + os.urandom(len(whole))):
        path.write_bytes(damaged)
        with pytest.raises(ConfigurationError, match="damaged"):
            State.open(folder)
        assert path.read_bytes() == damaged


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        ("CREATE TABLE notes (x)", "database of another program"),
        ("PRAGMA application_id = 0x48454144; PRAGMA user_version = 99", "newer headend-local"),
    ],
)
def test_a_database_that_is_not_ours_is_refused(tmp_path: Path, sql: str, words: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    connection = sqlite3.connect(folder / DATABASE_FILE)
    connection.executescript(sql)
    connection.close()
    with pytest.raises(ConfigurationError, match=words):
        State.open(folder)


def test_the_control_token_is_made_once_and_stays(tmp_path: Path) -> None:
    with State.open(tmp_path / "data") as state:
        token = state.token
    with State.open(tmp_path / "data") as state:
        assert state.token == token
    assert (tmp_path / "data" / TOKEN_FILE).read_text().strip() == token.reveal()
    assert len(token.reveal()) >= 43  # 32 bytes
    with State.open(tmp_path / "other") as state:
        assert state.token != token


def test_a_token_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    State.open(tmp_path / "data").close()
    (tmp_path / "data" / TOKEN_FILE).write_text("abc")
    with pytest.raises(ConfigurationError, match=r"cut off; delete that file"):
        State.open(tmp_path / "data")


def test_every_random_byte_is_asked_of_the_source_given(tmp_path: Path) -> None:
    counter = itertools.count(1)

    def random_bytes(size: int) -> bytes:
        return next(counter).to_bytes(size, "big")

    with State.open(tmp_path / "data", random_bytes=random_bytes) as state:
        made = state.create(channel_id="1", created_at=NOON)
        assert int(made.id, 16) < 10
