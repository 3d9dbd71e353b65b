"""The machine-readable frame number."""

from __future__ import annotations

import base64
import inspect
import io
import re
import shutil
import subprocess
import textwrap
from typing import TYPE_CHECKING

import av
import pytest
from hypothesis import given, strategies as st

from headend.presets import PRESETS
from headend.push import barcode
from headend.push.barcode import COUNTER_MODULUS, draw_barcode, read_frame_counter

if TYPE_CHECKING:
    from pathlib import Path

COUNTERS = st.integers(0, COUNTER_MODULUS - 1)
SIDES = st.integers(64, 400)


def drawn(width: int, height: int, number: int, stride: int | None = None) -> bytearray:
    stride = stride or width
    luma = bytearray(b"\x80") * (stride * height)
    draw_barcode(memoryview(luma), width, height, stride, number)
    return luma


@given(COUNTERS, SIDES, SIDES, st.integers(0, 40))
def test_every_number_is_read_back_at_every_size(
    number: int, width: int, height: int, padding: int
) -> None:
    stride = width + padding
    luma = drawn(width, height, number, stride)
    assert read_frame_counter(luma, width, height, stride) == number


@given(st.integers(0, 2**40))
def test_numbers_go_round_at_two_to_the_24(number: int) -> None:
    assert read_frame_counter(drawn(64, 32, number), 64, 32) == number % COUNTER_MODULUS


@given(COUNTERS, st.integers(0, 100), st.floats(0.35, 1.0))
def test_brightness_and_contrast_do_not_matter(number: int, lift: int, contrast: float) -> None:
    change = bytes(min(255, int(lift + value * contrast)) for value in range(256))
    luma = drawn(160, 90, number).translate(change)
    if change[235] - change[16] >= 64:
        assert read_frame_counter(luma, 160, 90) == number


@given(COUNTERS, st.sampled_from([2, 3, 4]))
def test_shrinking_the_picture_does_not_matter(number: int, factor: int) -> None:
    luma = drawn(640, 360, number)
    small = b"".join(
        luma[line * 640 : (line + 1) * 640][::factor] for line in range(0, 360, factor)
    )
    width = len(range(0, 640, factor))
    assert read_frame_counter(small, width, len(small) // width) == number


@given(st.binary(min_size=64 * 32, max_size=64 * 32))
def test_noise_is_no_frame_number(noise: bytes) -> None:
    assert read_frame_counter(noise, 64, 32) is None


@pytest.mark.parametrize("value", [0, 16, 128, 235, 255])
def test_a_plain_picture_is_no_frame_number(value: int) -> None:
    assert read_frame_counter(bytes([value]) * (320 * 180), 320, 180) is None


@given(COUNTERS, st.integers(0, 31))
def test_one_flipped_bit_is_noticed(number: int, cell: int) -> None:
    luma = drawn(320, 160, number)
    for line in range(20):
        start = line * 320 + cell * 10
        luma[start : start + 10] = bytes(251 - value for value in luma[start : start + 10])
    assert read_frame_counter(luma, 320, 160) is None


@given(COUNTERS, COUNTERS)
def test_two_frames_blended_are_not_read_as_a_third(first: int, second: int) -> None:
    blend = bytes(
        (one + other) // 2
        for one, other in zip(drawn(64, 32, first), drawn(64, 32, second), strict=True)
    )
    assert read_frame_counter(blend, 64, 32) == (first if first == second else None)


@pytest.mark.parametrize(("width", "height"), [(0, 0), (31, 180), (320, 15), (320, 180)])
def test_too_small_or_incomplete_a_picture_is_no_frame_number(width: int, height: int) -> None:
    assert read_frame_counter(b"\x10\xeb" * 100, width, height) is None


@pytest.mark.browser
def test_the_javascript_in_the_documentation_reads_it_from_a_canvas(
    tmp_path: Path, pattern_tags, as_flv
) -> None:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        pytest.skip("there is no headless Chromium")
    documentation = inspect.getdoc(barcode) or ""
    script = textwrap.dedent(documentation.partition("like this::\n\n")[2])
    with av.open(io.BytesIO(as_flv(pattern_tags(PRESETS["480p"], 45)))) as container:
        frames = list(container.decode(video=0))
    pictures = []
    for frame in (frames[1], frames[44]):
        encoder = av.CodecContext.create("png", "w")
        encoder.width, encoder.height, encoder.pix_fmt = frame.width, frame.height, "rgb24"
        encoder.time_base = frames[0].time_base
        packets = [*encoder.encode(frame.reformat(format="rgb24")), *encoder.encode(None)]
        data = base64.b64encode(b"".join(bytes(packet) for packet in packets)).decode()
        pictures.append(f"data:image/png;base64,{data}")
    images = "".join(f'<img src="{picture}">' for picture in pictures)
    page = tmp_path / "page.html"
    page.write_text(
        f"""<!doctype html>{images}<canvas></canvas><p></p><script>{script}
        addEventListener("load", () => {{
          const found = [...document.querySelectorAll("img, canvas")].map(readFrameCounter);
          document.body.textContent = "found " + JSON.stringify(found);
        }});</script>"""
    )
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--timeout=20000"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found = re.search(r"found (\[.*?\])", done.stdout)
    assert found is not None, done.stderr
    assert found[1] == "[1,44,null]"
