"""The package's door: late, complete, and clear about what is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import headend.push


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.parametrize("name", headend.push.__all__)
def test_every_exported_name_is_there(name: str) -> None:
    assert getattr(headend.push, name).__module__.startswith("headend.push.")
    assert name in dir(headend.push)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="rehearsal"):
        _ = headend.push.rehearsal


def test_importing_the_package_imports_no_media_library() -> None:
    code = "import sys, headend.push; print('av' in sys.modules, 'attrs' in sys.modules)"
    assert run(code).split()[0] == "False"


def test_numpy_is_not_needed() -> None:
    code = """
import sys
sys.modules["numpy"] = None
from headend.presets import preset
from headend.push import PatternSource, encode
print(len(list(encode(PatternSource(frame_count=2), preset("480p")))) > 4)
"""
    assert run(code).strip() == "True"


@pytest.mark.parametrize("name", ["PatternSource", "FileSource", "HlsViewer", "Encoder"])
def test_without_pyav_each_use_says_what_to_install(name: str) -> None:
    code = f"""
import sys
sys.modules["av"] = None
import headend.push
try:
    headend.push.{name}
except headend.push.MediaExtraMissingError as error:
    print(error)
"""
    assert 'pip install "headend[media]"' in run(code)


def test_without_pyav_the_frame_counter_can_be_read_and_tags_be_sent() -> None:
    code = """
import sys
sys.modules["av"] = None
from headend.push import push, read_frame_counter
print(read_frame_counter(bytes(64 * 32), 64, 32))
"""
    assert run(code).strip() == "None"
