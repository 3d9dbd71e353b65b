"""What these tests share: providers of third parties in distributions, pytest, and the command."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

from headend_contract.reference.opening import install_reference

HOOK = """
from attrs import evolve

from headend.plugin import hookimpl
from headend_contract import reference


@hookimpl
def headend_providers():
    for good in reference.headend_providers():
        yield evolve(good, name={name!r}, factory="headend_{name}.provider:TheProvider")
"""

GOOD = """
from headend_contract.reference.provider import ReferenceProvider


class TheProvider(ReferenceProvider):
    pass
"""

FORGETFUL = """
from headend_contract.reference.provider import ReferenceProvider


class TheProvider(ReferenceProvider):
    def list_live_streams(self):
        return iter(())
"""


@attrs.frozen
class Ran:
    """What a program did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        """The one JSON value on stdout; anything else there is an error."""
        return json.loads(self.out)


class ThirdParty:
    """A folder on the path, with distributions of providers."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages: set[str] = set()

    def install(self, name: str, provider: str) -> Path:
        """Install ``headend-NAME`` with a provider of that source, and return its package."""
        package = self.folder / f"headend_{name}"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(HOOK.format(name=name), encoding="utf-8")
        (package / "provider.py").write_text(provider, encoding="utf-8")
        (package / "py.typed").touch()
        info = self.folder / f"headend_{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: headend-{name}\nVersion: 1.0\n"
            "Requires-Dist: headend>=0.1,<0.2\n",
            encoding="utf-8",
        )
        (info / "entry_points.txt").write_text(
            f"[headend]\n{name} = headend_{name}\n", encoding="utf-8"
        )
        self.packages.add(package.name)
        importlib.invalidate_caches()
        return package


@pytest.fixture
def third_party(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ThirdParty]:
    """Install distributions for this process and for those that it starts."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
    monkeypatch.setenv("PYTHONPATH", path)
    made = ThirdParty(folder)
    yield made
    for name in list(sys.modules):
        if name.partition(".")[0] in made.packages:
            del sys.modules[name]


@pytest.fixture
def acme(third_party: ThirdParty) -> Path:
    """Install the good provider acme; give its package."""
    return third_party.install("acme", GOOD)


@pytest.fixture
def reference(third_party: ThirdParty) -> None:
    """Install the reference provider."""
    install_reference(third_party.folder)


@pytest.fixture
def forgetful(third_party: ThirdParty) -> Path:
    """Install a provider that never lists anything; give its package."""
    return third_party.install("forgetful", FORGETFUL)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project in which every warning is an error."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n", encoding="utf-8")
    return folder


@pytest.fixture
def python(project: Path) -> Callable[..., Ran]:
    """Run a new interpreter in the project."""

    def run(*arguments: str) -> Ran:
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=project,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def run_pytest(python: Callable[..., Ran]) -> Callable[..., Ran]:
    """Run pytest in the project."""

    def run(*arguments: str) -> Ran:
        return python("-m", "pytest", "-p", "no:cacheprovider", *arguments)

    return run


@pytest.fixture
def headend(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Ran]:
    """Run the command ``headend`` with arguments, in this process."""
    from headend.cli.main import main

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["headend", *arguments])
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        code = stop.value.code
        return Ran(code if isinstance(code, int) else 1, captured.out, captured.err)

    return run
