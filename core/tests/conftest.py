"""What the tests of core share: a clock, plugins in real distributions, the command line.

A test gets a plugin by having its distribution installed: a package and its metadata in a folder
on ``sys.path``, where `importlib.metadata` finds it as it finds any other.
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import attrs
import pytest

from headend.calls import Calls
from headend.ledger import DeferredLedger, MemoryLedger
from headend.platform import StreamingPlatform
from headend.provider import ProviderContext

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import ModuleType

    from headend_acme.provider import AcmeProvider

PLUGINS = Path(__file__).parent / "plugins"
START = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


class FakeClock:
    """Time that passes only when someone sleeps; then whatever is due happens."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.naps: list[float] = []
        self._due: list[tuple[float, Callable[[], object]]] = []

    def at(self, seconds: float, happens: Callable[[], object]) -> None:
        """Have something happen while a sleep reaches or passes that moment."""
        self._due.append((seconds, happens))

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        self.seconds += seconds
        due = [happens for moment, happens in self._due if moment <= self.seconds]
        self._due = [(moment, one) for moment, one in self._due if moment > self.seconds]
        for happens in due:
            happens()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


class Installer:
    """Installs distributions into one folder, as far as discovery can see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.packages: set[str] = set()

    def __call__(
        self,
        distribution: str,
        *,
        modules: Mapping[str, str] | None = None,
        providers: Mapping[str, str] | None = None,
        commands: Mapping[str, str] | None = None,
        observers: Mapping[str, str] | None = None,
        version: str = "1.0",
        requires: Sequence[str] = (),
    ) -> None:
        """Install one.

        Args:
            distribution: its name.
            modules: source by path, such as ``{"acme/__init__.py": "…"}``.
            providers: its entry points in the group ``headend``.
            commands: its entry points in the group ``headend.commands``.
            observers: its entry points in the group ``headend.observers``.
            version: its version.
            requires: its requirements, as in ``Requires-Dist``.
        """
        for path, source in (modules or {}).items():
            self._file(path, source)
            self.packages.add(path.partition("/")[0].removesuffix(".py"))
        info = f"{distribution.replace('-', '_')}-{version}.dist-info"
        fields = ["Metadata-Version: 2.1", f"Name: {distribution}", f"Version: {version}"]
        fields += [f"Requires-Dist: {one}" for one in requires]
        self._file(f"{info}/METADATA", "".join(f"{one}\n" for one in fields))
        groups = {
            "headend": providers or {},
            "headend.commands": commands or {},
            "headend.observers": observers or {},
        }
        self._file(
            f"{info}/entry_points.txt",
            "".join(
                f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
                for group, points in groups.items()
            ),
        )
        importlib.invalidate_caches()

    def provider(self, name: str, source: str, **more: object) -> None:
        """Install ``headend-NAME``, whose module ``headend_NAME`` has this source."""
        module = f"headend_{name.replace('-', '_')}"
        self(
            f"headend-{name}",
            modules={f"{module}.py": source},
            providers={name: module},
            **more,  # type: ignore[arg-type]  # the keyword arguments above
        )

    def copy(self, package: str) -> None:
        """Add a package that lies beside these tests."""
        shutil.copytree(
            PLUGINS / package,
            self.folder / package,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
        self.packages.add(package)

    def _file(self, path: str, text: str) -> None:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    """Install distributions that are gone after the test, modules and all."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    installer = Installer(folder)
    yield installer
    for name in list(sys.modules):
        if name.partition(".")[0] in installer.packages:
            del sys.modules[name]


@pytest.fixture
def acme(install: Installer) -> Iterator[ModuleType]:
    """Install headend-acme, with the providers acme and plain; give its module ``provider``."""
    install.copy("headend_acme")
    install(
        "headend-acme",
        version="2.1",
        providers={"acme": "headend_acme", "plain": "headend_acme"},
        requires=["headend>=0.1,<99"],
    )
    module = importlib.import_module("headend_acme.provider")
    yield module
    module.made.clear()


@pytest.fixture
def acme_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Set the two variables that acme needs."""
    monkeypatch.setenv("ACME_ACCOUNT", "4711")
    monkeypatch.setenv("ACME_API_TOKEN", "t0ken-of-acme")


class Opened:
    """Providers of headend-acme, opened with a fake clock."""

    def __init__(self, module: ModuleType, clock: FakeClock, folder: Path) -> None:
        self._module = module
        self._clock = clock
        self._folder = folder

    def __call__(
        self,
        name: str = "acme",
        *,
        ledger: DeferredLedger | None = None,
        **more: object,
    ) -> tuple[StreamingPlatform, AcmeProvider]:
        """Return the platform, and the provider in it.

        Args:
            name: the provider.
            ledger: one in memory where none is given.
            **more: what else `StreamingPlatform` is to get.
        """
        package = importlib.import_module("headend_acme")
        spec = next(spec for spec in package.headend_providers() if spec.name == name)
        settings = importlib.import_module("headend_acme.settings")
        calls = Calls(clock=self._clock, provider=name)
        context = ProviderContext(
            calls=calls,
            clock=self._clock,
            random=Random(1),
            data_dir=self._folder,
        )
        kind = getattr(self._module, spec.factory.partition(":")[2])
        provider = kind(None, context)
        platform = StreamingPlatform(
            spec=spec,
            provider=provider,
            options_class=settings.AcmeOptions if spec.options else None,
            calls=calls,
            ledger=ledger or DeferredLedger(lambda: MemoryLedger(id="test")),
            clock=self._clock,
            random=Random(1),
            **more,  # type: ignore[arg-type]  # as the tests say
        )
        return platform, provider


@pytest.fixture
def opened(acme: ModuleType, clock: FakeClock, tmp_path: Path) -> Opened:
    return Opened(acme, clock, tmp_path)


@attrs.frozen
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> object:
        """The one JSON value on stdout; anything else there is an error."""
        return json.loads(self.out)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Ran]:
    """Run ``headend`` with arguments, in this process."""
    from headend.cli.main import main

    def run(*arguments: str) -> Ran:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["headend", *arguments])
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return run


@pytest.fixture
def python() -> Callable[..., Ran]:
    """Run Python code in a new interpreter."""

    def run(code: str, *arguments: str, path: Path | None = None) -> Ran:
        environment = dict(os.environ) | ({} if path is None else {"PYTHONPATH": str(path)})
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
