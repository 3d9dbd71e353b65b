"""Plugins that watch the requests: installed ones, and those that a host gives."""

from __future__ import annotations

import logging
import re
from inspect import getdoc
from typing import TYPE_CHECKING

import pytest

from headend import hookspecs, observers
from headend.calls import AttemptEvent, WaitEvent
from headend.errors import PluginError
from headend.observers import load_observers
from headend.plugin import hookimpl

if TYPE_CHECKING:
    from tests.conftest import Installer

ATTEMPT = AttemptEvent(
    provider="acme", operation="ask", attempt=1, waited=0.0, duration=0.5, outcome="ok"
)
WAIT = WaitEvent(provider="acme", operation="ask", attempt=2, seconds=9.0, why="backoff")


@pytest.fixture(autouse=True)
def _nothing_was_complained_about(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observers, "_complained", set())


class Both:
    def __init__(self) -> None:
        self.seen: list[object] = []

    @hookimpl
    def headend_attempt(self, event: AttemptEvent) -> None:
        self.seen.append(event)

    @hookimpl
    def headend_wait(self, event: WaitEvent) -> None:
        self.seen.append(event)


def put_in(install: Installer, name: str, source: str) -> None:
    module = f"watch_{name}"
    install(f"watch-{name}", modules={f"{module}.py": source}, observers={name: module})


@pytest.mark.parametrize(("hook", "event"), [("headend_attempt", ATTEMPT), ("headend_wait", WAIT)])
def test_the_plugin_in_each_hooks_description_works(
    install: Installer, capsys: pytest.CaptureFixture[str], hook: str, event: object
) -> None:
    text = getdoc(getattr(hookspecs, hook)) or ""
    source, metadata = re.findall(r"::\n\n((?:    .*\n|\n)+)", text)
    assert '[project.entry-points."headend.observers"]\n    acme-print = "acme_print"' in metadata
    code = "\n".join(line[4:] for line in source.splitlines())
    install("acme-print", modules={"acme_print.py": code}, observers={"acme-print": "acme_print"})
    observer = load_observers()
    assert observer is not None
    observer.attempt(ATTEMPT)
    observer.wait(WAIT)

    assert capsys.readouterr().out.split()[:2] in (["acme", "ask"], ["ask", "waits"])


def test_without_observers_there_is_none() -> None:
    assert load_observers() is None


def test_all_that_are_installed_or_given_hear_of_it(install: Installer) -> None:
    put_in(
        install,
        "one",
        "from headend.plugin import hookimpl\nseen = []\n"
        "@hookimpl\ndef headend_attempt(event):\n    seen.append(event)\n",
    )
    given = Both()
    observer = load_observers([given])
    assert observer is not None
    observer.attempt(ATTEMPT)
    observer.wait(WAIT)
    import watch_one

    assert watch_one.seen == [ATTEMPT]
    assert given.seen == [ATTEMPT, WAIT]


BROKEN = {
    "imports": "import no_such_module",
    "exits": "raise SystemExit(3)",
    "mistyped": "from headend.plugin import hookimpl\n@hookimpl\ndef headend_atempt(event): pass",
    "idle": "",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_is_logged_once_and_the_others_work(
    install: Installer, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    put_in(install, name, BROKEN[name])
    given = Both()
    for _ in range(2):
        observer = load_observers([given])
        assert observer is not None
        observer.attempt(ATTEMPT)
    (record,) = caplog.records

    assert given.seen == [ATTEMPT, ATTEMPT]
    assert f"the observer {name} cannot be used" in record.getMessage()
    assert f"change watch-{name}, or name it in HEADEND_DISABLE_PLUGINS" in record.getMessage()


def test_one_that_fails_later_is_logged_once_and_the_others_work(
    install: Installer, caplog: pytest.LogCaptureFixture
) -> None:
    put_in(
        install,
        "late",
        "from headend.plugin import hookimpl\n"
        "@hookimpl\ndef headend_attempt(event):\n    raise ZeroDivisionError\n",
    )
    given = Both()
    observer = load_observers([given])
    assert observer is not None
    observer.attempt(ATTEMPT)
    observer.attempt(ATTEMPT)

    assert given.seen == [ATTEMPT, ATTEMPT]
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.parametrize("disabled", [{"imports"}, {"*"}])
def test_what_is_turned_off_is_not_even_imported(
    install: Installer, caplog: pytest.LogCaptureFixture, disabled: set[str]
) -> None:
    put_in(install, "imports", BROKEN["imports"])

    assert load_observers(disabled=disabled) is None
    assert caplog.records == []


class Mistyped:
    @hookimpl
    def headend_atempt(self, event: object) -> None: ...


@pytest.mark.parametrize("plugin", [object(), Mistyped()])
def test_a_host_is_told_at_once_that_what_it_gives_is_no_observer(plugin: object) -> None:
    with pytest.raises(PluginError, match=f"{type(plugin).__name__} cannot observe"):
        load_observers([plugin])
