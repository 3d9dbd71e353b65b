"""The provider that docs/writing-a-provider.md spells out works as it stands there."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import headend

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Installer, Ran

    Run = Callable[..., Ran]

GUIDE = Path(__file__).parents[2] / "docs" / "writing-a-provider.md"


@pytest.fixture
def acme(install: Installer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Install the guide's distribution, file by file."""
    text = GUIDE.read_text(encoding="utf-8")
    (project,) = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    description, settings, provider = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    table = tomllib.loads(project)["project"]
    install(
        table["name"],
        version=table["version"],
        requires=table["dependencies"],
        providers=table["entry-points"]["headend"],
        modules={
            "headend_acme/__init__.py": description,
            "headend_acme/settings.py": settings,
            "headend_acme/provider.py": provider,
        },
    )
    monkeypatch.setenv("STREAMING_PLATFORM", "acme")


@pytest.mark.usefixtures("acme")
def test_the_guides_provider_does_what_a_host_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACME_API_TOKEN", "any")
    with headend.open() as platform:
        made = platform.create_live_stream(42, name="Opening", metadata={"a": "b"})
        shown = platform.get_live_stream(made.stream_id)
        assert (shown.channel_id, shown.name, shown.metadata) == ("42", "Opening", {"a": "b"})
        assert [one.stream_id for one in platform.list_live_streams()] == [made.stream_id]
        assert platform.rotate_stream_key(made.stream_id).stream_key != made.stream_key
        assert platform.get_analytics(made.stream_id).viewer_count is None
        assert platform.end_live_stream(made.stream_id).outcome is headend.EndOutcome.ENDED
        with pytest.raises(headend.StreamNotFoundError):
            platform.get_live_stream(made.stream_id)
        with pytest.raises(headend.UnsupportedError):
            platform.list_recordings(made.stream_id)


@pytest.mark.usefixtures("acme")
def test_the_guides_commands_work(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "ACME_API_TOKEN: is missing" in run("check").err
    monkeypatch.setenv("ACME_API_TOKEN", "any")

    assert "Acme Live" in run("providers").out
    assert run("check").code == 0
    assert "acme-1" in run("create", "42", "--show-key").out
