"""Who may know whom: arrows point one way, and core names no provider and no SDK."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

import headend

CORE = Path(str(headend.__file__)).parent
ROOT = CORE.parent.parent
SOURCES = sorted(CORE.rglob("*.py"))

# Names of providers, of their SDKs, and of HTTP libraries that are not Python's own.
FOREIGN = re.compile(
    r"""
    cloudflare | boto | aiohttp | httpx | urllib3 | niquests | pycurl
    | (?<![a-z]) (?: aws | ivs | amazon )
    | (?<![a-z]) mux [ ._-]? (?: com | python | video | inc ) (?![a-z])
    """,
    re.IGNORECASE | re.VERBOSE,
)
# These are words of English or of the field as well; what they may not be is a library.
LIBRARIES = re.compile(
    r"^\s*(?:import|from)\s+(?:requests|mux)\b|\brequests\.\w+\(|\bMux\b", re.MULTILINE
)
ALLOWED = {("settings.py", '"cloudflare"')}
"""The one place: the default of ``STREAMING_PLATFORM``, which the first users rely on."""


def foreign_words(source: str) -> list[str]:
    """Return the comments, strings and names of a source that name what core must not know."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    words = [token.string for token in tokens if FOREIGN.search(token.string)]
    return [*words, *LIBRARIES.findall(source)]


def test_core_names_no_provider_no_sdk_and_no_http_library() -> None:
    found = [
        (str(path.relative_to(CORE)), word)
        for path in SOURCES
        for word in foreign_words(path.read_text(encoding="utf-8"))
    ]

    assert found == sorted(ALLOWED)


def test_the_one_allowed_name_is_the_default_of_streaming_platform() -> None:
    lines = (CORE / "settings.py").read_text(encoding="utf-8").splitlines()
    (line,) = [line for line in lines if '"cloudflare"' in line]

    assert line == 'DEFAULT_PROVIDER: Final = "cloudflare"'


@pytest.mark.parametrize(
    "source",
    [
        "import httpx",
        "from requests import get",
        "import requests",
        "answer = requests.get(url)",
        "name = 'aws-ivs'",
        "AWS_REGION = 1",
        "# as Cloudflare does",
        "import_module('boto' + '3')",
        "class IvsProvider: pass",
        "'''Mux calls it an asset.'''",
        "url = 'https://api.mux.com'",
        "import urllib3",
    ],
)
def test_what_core_must_not_know_would_be_seen(source: str) -> None:
    assert foreign_words(source) != []


@pytest.mark.parametrize(
    "source",
    [
        "import urllib.request",
        "# too many requests for now",
        "container.mux(packet)  # frees the packet",
        "class CreateRequest: pass",
        "laws = 'jigsaws and lives'",
    ],
)
def test_words_of_the_language_are_no_names(source: str) -> None:
    assert foreign_words(source) == []


@pytest.mark.skipif(
    not (ROOT / "pyproject.toml").is_file(), reason="core is installed without the workspace"
)
def test_the_layers_hold() -> None:
    """The contracts stand in the workspace's pyproject.toml, section importlinter."""
    command = Path(sys.executable).with_name("lint-imports")
    found = str(command) if command.is_file() else shutil.which("lint-imports")
    if found is None:
        pytest.skip("import-linter is not installed")
    done = subprocess.run(
        [found, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=110, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 broken" in done.stdout
    assert "core" in done.stdout
