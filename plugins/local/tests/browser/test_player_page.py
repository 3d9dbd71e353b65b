"""The player page in a real browser: it plays what an encoder pushes and says what is going on.

A headless Chromium opens the page of a running server while the test picture is pushed by RTMP.
The frame counter is read back from the picture that the browser shows, so what is asserted is what
a viewer sees.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest

from headend.presets import PRESETS
from headend.push import PatternSource, Push, read_frame_counter
from headend.rtmp import PublishConnection
from headend.secret import Secret

pytest.importorskip("selenium", reason="the browser tests need selenium")

from selenium import webdriver

pytestmark = pytest.mark.browser

PRESET = PRESETS["480p"]
SCREENSHOT = Path(__file__).parents[4] / "docs" / "images" / "player-page.png"

# The top of the picture as one byte of brightness per pixel, with what else is told at that moment.
LOOK = """
const video = document.getElementById("video");
if (video.readyState < HTMLMediaElement.HAVE_CURRENT_DATA) return null;
const canvas = window.canvas ??= Object.assign(document.createElement("canvas"), {
  width: arguments[0], height: arguments[1],
});
const context = canvas.getContext("2d", { willReadFrequently: true });
context.drawImage(video, 0, 0, canvas.width, canvas.height);
const { data } = context.getImageData(0, 0, canvas.width, Math.ceil(canvas.height / 8));
let luma = "";
for (let green = 1; green < data.length; green += 4) luma += String.fromCharCode(data[green]);
return [btoa(luma), video.currentTime];
"""
WIDTH, HEIGHT = 320, 180


class Server(Protocol):
    http_url: str
    rtmp_url: str

    def control(
        self, method: str, path: str, json: object = None, status: int = 200
    ) -> dict[str, object]: ...


@dataclass(frozen=True)
class Look:
    """What the video shows at one moment.

    Attributes:
        counter: the number of the frame.
        time: the playhead in seconds.
        sent: how many frames the encoder had sent.
    """

    counter: int
    time: float
    sent: int

    @property
    def latency(self) -> float:
        """Seconds from the encoder to the picture; the frame's own duration is not counted."""
        return (self.sent - 1 - self.counter) / PRESET.frame_rate


class Page:
    """The player page as its viewer sees it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def text(self, element: str) -> str:
        return str(self.driver.find_element("id", element).get_property("textContent"))

    def words(self) -> str:
        return f"{self.text('headline')}. {self.text('detail')}".strip()

    def wait_for_words(self, start: str, within: float = 10.0) -> str:
        wait_until(
            lambda: self.words().startswith(start),
            within,
            lambda: f"{start!r}, not {self.words()!r}",
        )
        return self.words()

    def video(self, name: str) -> object:
        return self.driver.execute_script(
            "return document.getElementById('video')[arguments[0]]", name
        )

    def log(self, kind: str) -> list[dict[str, str]]:
        entries: list[dict[str, str]] = self.driver.get_log(kind)  # type: ignore[no-untyped-call]  # selenium's own gap
        return entries

    def look(self, push: Push) -> Look | None:
        """Read the frame counter off the picture; None where there is no picture."""
        found = self.driver.execute_script(LOOK, WIDTH, HEIGHT)
        sent = push.stats.video_frames - 1  # without the codec's configuration
        if found is None:
            return None
        luma, playhead = found
        counter = read_frame_counter(base64.b64decode(luma), WIDTH, HEIGHT)
        return None if counter is None else Look(counter, playhead, sent)

    def watch(self, push: Push, seconds: float) -> list[Look]:
        """Look at the picture several times a second."""
        pause = threading.Event()
        end = time.monotonic() + seconds
        looks = []
        while time.monotonic() < end:
            look = self.look(push)
            if look is not None:
                looks.append(look)
            pause.wait(0.1)
        return looks


def wait_until(check: Callable[[], bool], within: float, what: Callable[[], str]) -> None:
    pause = threading.Event()
    deadline = time.monotonic() + within
    while not check():
        assert time.monotonic() < deadline, f"within {within} s: {what()}"
        pause.wait(0.1)


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    """A new browser that talks to nobody but the pages it is told to open."""
    names = ("chromium", "chromium-browser", "google-chrome")
    binary = next(filter(None, map(shutil.which, names)), None)
    chromedriver = shutil.which("chromedriver")
    if binary is None or chromedriver is None:
        pytest.skip("needs Chromium and chromedriver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--no-proxy-server",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--window-size=1180,900",
        f"--user-data-dir={tmp_path / 'profile'}",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    # With the path given, selenium looks for no driver and downloads none.
    service = webdriver.ChromeService(executable_path=chromedriver)
    driver = webdriver.Chrome(options=options, service=service)
    try:
        driver.set_page_load_timeout(10)
        driver.set_script_timeout(10)
        yield Page(driver)
    finally:
        driver.quit()


@dataclass
class Encoder:
    """Pushes the test picture to one live stream, and can be killed."""

    url: str
    key: Secret
    connection: PublishConnection | None = None

    def connect(self) -> PublishConnection:
        self.connection = PublishConnection.connect(self.url, self.key, timeout=5.0)
        return self.connection

    def start(self) -> Push:
        push = Push(PatternSource(), PRESET, self.connect)
        push.start()
        return push

    def kill(self, push: Push) -> None:
        """End the connection without a word, as a crash or a pulled plug does."""
        assert self.connection is not None
        self.connection._socket.shutdown(socket.SHUT_RDWR)
        push.join(5.0)
        assert not push.running


def assert_moves(looks: list[Look]) -> None:
    """The counter and the playhead move, always forward and in step with each other."""
    assert len(looks) >= 5
    counters = [look.counter for look in looks]
    assert counters == sorted(counters)
    shown = (looks[-1].counter - looks[0].counter) / PRESET.frame_rate
    played = looks[-1].time - looks[0].time
    assert shown > 0.5
    assert shown == pytest.approx(played, abs=0.2)


def test_the_page_plays_the_live_stream_through_a_reconnect_to_its_end(
    server: Server, page: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = {"channel_id": "player page", "name": "Bars & tone", "low_latency": True}
    made = server.control("POST", "/live-streams", wanted, status=201)
    encoder = Encoder(str(made["rtmp_push_url"]), Secret(str(made["stream_key"])))

    page.driver.get(str(made["player_url"]))
    page.driver.execute_script("window.notReloaded = true")
    assert page.driver.title == page.driver.find_element("tag name", "h1").text == "Bars & tone"

    said = page.wait_for_words("Nothing is being pushed")
    assert "as soon as an encoder pushes" in said
    wait_until(lambda: page.text("push-url") == made["rtmp_push_url"], 5, lambda: "how to push")
    assert str(made["stream_key"]) not in page.driver.page_source

    push = encoder.start()
    try:
        page.wait_for_words("Live", within=15)
        wait_until(lambda: page.look(push) is not None, 10, lambda: "a picture")
        looks = page.watch(push, 4)
        assert_moves(looks)
        assert page.words() == "Live."
        wait_until(lambda: page.text("viewers") == "1", 5, lambda: "one viewer")
        assert page.text("resolution") == f"{PRESET.width} \N{MULTIPLICATION SIGN} {PRESET.height}"
        assert re.fullmatch(r"\d\.\d s", page.text("latency"))
        with capsys.disabled():
            by_counter, by_page = looks[-1].latency, page.text("latency")
            print(
                f"\nthe page is {by_counter:.2f} s behind the encoder, by its own account {by_page}"
            )
        if os.environ.get("KEEP_SCREENSHOTS"):
            SCREENSHOT.parent.mkdir(exist_ok=True)
            page.driver.save_screenshot(str(SCREENSHOT))

        assert page.video("muted") is True
        page.driver.find_element("id", "unmute").click()
        assert page.video("muted") is False
        assert not page.driver.find_element("id", "unmute").is_displayed()

        encoder.kill(push)
        said = page.wait_for_words("Interrupted")
        assert "Waiting for the encoder to come back" in said

        push = encoder.start()
        page.wait_for_words("Live", within=15)
        wait_until(
            lambda: (look := page.look(push)) is not None and look.counter <= look.sent,
            10,
            lambda: "the new picture",
        )
        assert_moves(page.watch(push, 2))

        server.control("DELETE", f"/live-streams/{made['id']}")
        said = page.wait_for_words("Ended")
        assert "has ended" in said
        assert page.video("ended") is True
        assert page.driver.execute_script("return window.notReloaded") is True
    finally:
        push.stop(5.0)

    complaints = [entry for entry in page.log("browser") if entry["level"] != "INFO"]
    assert complaints == []
    assert origins_asked_by(str(made["player_url"]), page) == {server.http_url}


def origins_asked_by(page_url: str, page: Page) -> set[str]:
    """Return where a page has sent requests to; blob: and data: addresses stay within it."""
    events = [json.loads(entry["message"])["message"] for entry in page.log("performance")]
    requests = [
        event["params"] for event in events if event["method"] == "Network.requestWillBeSent"
    ]
    parts = [
        urlsplit(request["request"]["url"])
        for request in requests
        if request["documentURL"] == page_url
    ]
    return {
        f"{part.scheme}://{part.netloc}" for part in parts if part.scheme not in {"blob", "data"}
    }
