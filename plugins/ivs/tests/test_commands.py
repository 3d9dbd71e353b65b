"""`headend ivs-playback-key` makes keys that sign, and keeps their private halves secret."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest
from click.testing import CliRunner
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from headend.cli.main import exit_code
from headend.errors import HeadendError
from headend_contract.faults import DROP_ANSWER, UNAVAILABLE
from headend_ivs import commands
from headend_ivs.commands import playback_key_command


@attrs.frozen
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)


@pytest.fixture
def run(app, served, monkeypatch, tmp_path) -> Callable[..., Ran]:
    """Run the command as a host with the simulator's variables does."""
    for name, value in app.environment(served.url).items():
        monkeypatch.setenv(name, value)
    # The commands live by the machine's clock, and the simulator's stands still.
    app.switch(throttling=False)
    monkeypatch.setenv("HEADEND_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str) -> Ran:
        done = CliRunner().invoke(playback_key_command, arguments)
        code, err = done.exit_code, done.stderr
        if isinstance(done.exception, HeadendError):
            code, err = exit_code(done.exception), f"{err}error: {done.exception}"
        elif done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return Ran(code, done.stdout, err)

    return run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "a b.pem"


def test_a_key_is_made_imported_and_written_to_a_file_of_its_own(run, out, simulated):
    done = run("create", "web-site", "--out", str(out), "--json")
    (pair,) = simulated.key_pairs.values()

    assert done.code == 0
    assert done.json == {
        "arn": pair.arn,
        "name": "web-site",
        "fingerprint": pair.fingerprint,
        "private_key_file": str(out),
    }
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_what_is_imported_is_the_public_half_of_what_is_written(run, out, monkeypatch):
    from headend_ivs.provider import IvsProvider

    given: list[str] = []
    imported = IvsProvider.import_playback_key_pair

    def note(provider: IvsProvider, name: str, public_key: str) -> object:
        given.append(public_key)
        return imported(provider, name, public_key)

    monkeypatch.setattr(IvsProvider, "import_playback_key_pair", note)
    assert run("create", "k", "--out", str(out)).code == 0

    private = load_pem_private_key(out.read_bytes(), None)
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    assert given == [public.decode()]


def test_the_key_is_shown_nowhere_and_what_to_set_is(run, out):
    done = run("create", "k", "--out", str(out))

    assert "PRIVATE KEY" in out.read_text()
    for line in out.read_text().split():
        assert len(line) < 8 or line not in done.out + done.err
    assert f"export AWS_IVS_PLAYBACK_KEY=\"$(cat '{out}')\"" in done.err.splitlines()


def test_a_shell_that_does_as_told_signs_with_the_key(run, out):
    done = run("create", "k", "--out", str(out))
    (export,) = [line for line in done.err.splitlines() if line.startswith("export ")]
    program = (
        "from headend.settings import load_settings; from datetime import datetime, UTC;"
        "from headend_ivs import settings, signing;"
        "made = load_settings(settings.IvsSettings, subject='x', environ=__import__('os').environ);"
        "print(signing.sign('a', made.playback_key, expires_at=datetime.now(UTC)).reveal())"
    )
    shell = f'{export}\nexec "$0" -c "$1"'
    shown = subprocess.run(
        ["/bin/sh", "-c", shell, sys.executable, program],
        capture_output=True,
        text=True,
        check=True,
        env={"PATH": os.environ["PATH"]},
    )

    assert shown.stdout.count(".") == 2


def test_a_file_that_exists_is_never_overwritten(run, out, simulated):
    out.write_text("a key")
    done = run("create", "k", "--out", str(out))

    assert (done.code, out.read_text()) == (2, "a key")
    assert "exists already" in done.err
    assert simulated.key_pairs == {}


def test_a_file_that_cannot_be_written_is_told_before_anything_is_imported(
    run, tmp_path, simulated
):
    done = run("create", "k", "--out", str(tmp_path / "missing" / "key.pem"))

    assert done.code == 2
    assert "cannot be written: No such file or directory" in done.err
    assert simulated.key_pairs == {}


@pytest.mark.parametrize("name", ["a b", "ü", "a" * 129])
def test_a_name_that_the_platform_would_refuse_leaves_no_file(run, out, simulated, name):
    done = run("create", name, "--out", str(out))

    assert (done.code, out.exists()) == (4, False)
    assert simulated.key_pairs == {}


def test_a_fourth_key_is_refused_and_leaves_no_file(run, tmp_path, simulated):
    for number in range(3):
        assert run("create", "k", "--out", str(tmp_path / str(number))).code == 0
    done = run("create", "k", "--out", str(tmp_path / "3"))

    assert (done.code, (tmp_path / "3").exists()) == (4, False)
    assert len(simulated.key_pairs) == 3


@pytest.mark.parametrize("fault", [DROP_ANSWER, UNAVAILABLE], ids=str)
def test_a_key_that_may_have_been_imported_keeps_its_file(run, out, faults, fault):
    faults.script(dict.fromkeys(range(20), fault))
    done = run("create", "k", "--out", str(out))

    assert (done.code, out.exists()) == (5, True)
    assert f"{out} is kept" in done.err


def test_keys_are_listed(run, out, simulated):
    assert run("list").out == "There are no playback keys.\n"
    assert run("list", "--json").json == []
    run("create", "web-site", "--out", str(out))
    (pair,) = simulated.key_pairs.values()

    assert run("list", "--json").json == [{"arn": pair.arn, "name": "web-site"}]
    assert pair.arn in run("list").out


def test_a_key_is_deleted_and_one_that_is_gone_is_no_error(run, out, simulated):
    run("create", "k", "--out", str(out))
    (arn,) = simulated.key_pairs
    for _ in range(2):
        assert run("delete", arn).out == f"deleted {arn}\n"
    assert run("delete", arn, "--json").json == {"arn": arn}
    assert simulated.key_pairs == {}


def test_what_is_no_arn_of_a_key_is_refused_unsent(run, simulated):
    simulated.requests.clear()
    done = run("delete", "arn:aws:ivs:us-west-2:123456789012:channel/AbCdEf123456")

    assert done.code == 4
    assert list(simulated.requests) == []


def test_settings_that_are_wrong_are_told_and_leave_no_file(run, out, monkeypatch):
    monkeypatch.delenv("AWS_IVS_SECRET_ACCESS_KEY")
    done = run("create", "k", "--out", str(out))

    assert (done.code, out.exists()) == (2, False)
    assert "AWS_IVS_SECRET_ACCESS_KEY" in done.err


def test_the_module_is_cheap_to_import():
    code = (
        "import sys, headend_ivs.commands; "
        "print([one for one in ('boto3', 'cryptography', 'jwt', 'headend.platform') "
        "if one in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert (done.stdout.strip(), commands.__name__) == ("[]", "headend_ivs.commands")
