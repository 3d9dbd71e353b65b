"""Tapes are played and recorded in one process, from any thread, and nothing gets past them."""

from __future__ import annotations

import gzip
import json
import logging
import subprocess
import sys
import textwrap
import threading
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import httpx
import pytest
import requests
import urllib3
from botocore.config import Config

from headend_contract.deck import NotRecordedError, play, record
from headend_contract.network import offline
from headend_contract.placeholders import placeholder
from headend_contract.tape import LIVE, Interaction, Request, Response, Tape

THREADS = 12
CALLS = 48


def answered(
    method: str = "GET",
    url: str = "http://simulator.example/a",
    *,
    sent: object = None,
    answer: object = None,
    status: int = 200,
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),),
) -> Interaction:
    return Interaction(
        Request(method, url, (), b"" if sent is None else json.dumps(sent).encode()),
        Response(status, "OK", headers, json.dumps(answer or {"from": "the tape"}).encode()),
    )


def ivs(url: str) -> Any:
    return boto3.Session().client(
        "ivs",
        region_name="us-west-2",
        endpoint_url=url,
        aws_access_key_id="an-id",
        aws_secret_access_key="a-key",
        config=Config(retries={"total_max_attempts": 1}, max_pool_connections=THREADS),
    )


CLIENTS: dict[str, Callable[[str], object]] = {
    "httpx": lambda url: httpx.get(url, trust_env=False).json(),
    "urllib3": lambda url: urllib3.PoolManager().request("GET", url).json(),
    "requests": lambda url: requests.get(url, timeout=5).json(),
    "urllib": lambda url: json.loads(urllib.request.urlopen(url).read()),
}


@pytest.mark.parametrize("get", CLIENTS.values(), ids=CLIENTS)
class TestEveryClient:
    def test_is_answered_from_the_tape(
        self, get: Callable[[str], object], tape_of: Callable[..., Tape]
    ) -> None:
        tape = tape_of(answered(answer={"n": 1}), answered(answer={"n": 2}))
        with offline() as block, play(tape) as deck:
            found = [get("http://simulator.example/a") for _ in range(2)]

        assert found == [{"n": 1}, {"n": 2}]
        assert (deck.missed, deck.unplayed, block.escapes) == ((), (), ())
        assert [one.status for one in deck.sent] == [200, 200]

    def test_is_refused_what_is_not_on_it_and_that_is_counted(
        self, get: Callable[[str], object], tape_of: Callable[..., Tape], counting
    ) -> None:
        with (
            play(tape_of(answered())) as deck,
            pytest.raises(Exception, match="recording has no answer"),
        ):
            get(f"{counting.url}/other")

        assert [one.url for one in deck.missed] == [f"{counting.url}/other"]
        assert len(deck.unplayed) == 1
        assert counting.answered == 0

    def test_is_recorded(self, get: Callable[[str], object], counting) -> None:
        with record() as deck:
            assert get(f"{counting.url}/a?b=c") == {"from": "the server"}

        (found,) = deck.recorded
        assert (found.request.method, found.request.url) == ("GET", f"{counting.url}/a?b=c")
        assert json.loads(found.response.body) == {"from": "the server"}
        assert found.response.status == 200

    def test_is_left_alone_afterwards(
        self, get: Callable[[str], object], tape_of: Callable[..., Tape], counting
    ) -> None:
        with play(tape_of(answered())):
            pass
        with record():
            pass

        assert get(counting.url) == {"from": "the server"}
        assert counting.answered == 1


class TestBoto3:
    def test_what_it_sends_is_recorded_as_text_and_played(
        self, tape_of: Callable[..., Tape], counting
    ) -> None:
        with record() as deck:
            ivs(counting.url).list_channels(maxResults=3)
        (found,) = deck.recorded
        headers = {name.lower(): value for name, value in found.request.headers}

        assert "Credential=an-id/" in headers["authorization"]
        assert json.loads(found.request.body) == {"maxResults": 3}
        assert "!!binary" not in tape_of(found).text()

        answer = Response(200, "OK", (), b'{"channels": []}')
        tape = tape_of(Interaction(found.request, answer))
        with offline(), play(tape) as again:
            assert ivs(counting.url).list_channels(maxResults=3)["channels"] == []
        assert (again.missed, again.unplayed) == ((), ())
        assert counting.answered == 1

    def test_an_error_of_the_platform_is_the_same_error(self, tape_of: Callable[..., Tape]) -> None:
        tape = tape_of(
            answered(
                "POST",
                "http://simulator.example/GetStream",
                sent={"channelArn": "arn:aws:ivs:us-west-2:111111111111:channel/a"},
                answer={"message": "not now"},
                status=404,
                headers=(("x-amzn-errortype", "ChannelNotBroadcasting"),),
            )
        )
        client = ivs("http://simulator.example")
        with (
            offline(),
            play(tape),
            pytest.raises(client.exceptions.ChannelNotBroadcasting, match="not now"),
        ):
            client.get_stream(channelArn="arn:aws:ivs:us-west-2:111111111111:channel/a")


class TestThreads:
    """https://github.com/kevin1024/vcrpy/issues/849: by itself vcrpy leaks here."""

    def test_nothing_reaches_a_server_from_any_thread(
        self, tape_of: Callable[..., Tape], counting
    ) -> None:
        tape = tape_of(
            *(
                answered("POST", f"{counting.url}/ListChannels", sent={}, answer={"channels": []})
                for _ in range(CALLS)
            ),
            *(answered(url=f"{counting.url}/a") for _ in range(CALLS)),
        )
        shared = ivs(counting.url)
        local = threading.local()

        def call(number: int) -> object:
            if number % 3 == 0:
                return CLIENTS["httpx"](f"{counting.url}/a")
            if number % 3 == 1:
                return shared.list_channels()["channels"]
            if not hasattr(local, "client"):
                local.client = ivs(counting.url)
            return local.client.list_channels()["channels"]

        # No block: what gets past the tape would be counted by the server.
        with play(tape) as deck, ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(call, range(CALLS)))

        assert counting.answered == 0
        assert deck.missed == ()
        assert len(deck.sent) == CALLS
        assert [one for one in found if one not in ([], {"from": "the tape"})] == []

    def test_nor_when_the_tape_has_too_little(self, tape_of: Callable[..., Tape], counting) -> None:
        tape = tape_of(answered("POST", f"{counting.url}/ListChannels", sent={}))
        client = ivs(counting.url)

        def call(number: int) -> str:
            try:
                if number % 2:
                    CLIENTS["httpx"](f"{counting.url}/a")
                else:
                    client.list_channels()
            except Exception as error:  # noqa: BLE001  # each client has its own
                return type(error).__name__
            return "answered"

        with play(tape) as deck, ThreadPoolExecutor(THREADS) as pool:
            found = list(pool.map(call, range(CALLS)))

        assert counting.answered == 0
        assert found.count("answered") == 1
        assert len(deck.missed) == CALLS - 1

    def test_each_interaction_is_given_to_one_request(self, tape_of: Callable[..., Tape]) -> None:
        tape = tape_of(*(answered(answer={"n": number}) for number in range(CALLS)))
        with offline(), play(tape), ThreadPoolExecutor(THREADS) as pool:
            found = list(
                pool.map(lambda _: CLIENTS["urllib3"]("http://simulator.example/a"), range(CALLS))
            )

        assert sorted(one["n"] for one in found) == list(range(CALLS))

    def test_all_that_threads_send_is_recorded(self, counting) -> None:
        client = ivs(counting.url)
        with record() as deck, ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(lambda _: client.list_channels(), range(CALLS)))

        assert len(deck.recorded) == len(deck.sent) == counting.answered == CALLS


class TestMatching:
    @pytest.mark.parametrize(
        ("stored", "sent"),
        [
            ({"url": "http://a.example/x"}, {"url": "http://a.example:80/x"}),
            ({"url": "http://a.example/x?b=1&a=2"}, {"url": "http://a.example/x?a=2&b=1"}),
            ({"url": "http://a.example/%7Ex"}, {"url": "http://a.example/~x"}),
            ({"url": "https://a.example/x"}, {"url": "http://a.example/x"}),
            ({"content": b'{"a": 1, "b": 2}'}, {"content": b'{"b":2,"a":1}'}),
        ],
    )
    def test_what_means_the_same_matches(
        self, stored: dict[str, Any], sent: dict[str, Any], tape_of: Callable[..., Tape]
    ) -> None:
        assert self.matches(stored, sent, tape_of)

    @pytest.mark.parametrize(
        ("stored", "sent"),
        [
            ({"method": "POST"}, {"method": "PUT"}),
            ({"url": "http://a.example/x"}, {"url": "http://b.example/x"}),
            ({"url": "http://a.example/x"}, {"url": "http://a.example:81/x"}),
            ({"url": "http://a.example/x"}, {"url": "http://a.example/y"}),
            ({"url": "http://a.example/x?a=1"}, {"url": "http://a.example/x?a=2"}),
            ({"url": "http://a.example/x"}, {"url": "http://a.example/x?a="}),
            ({"content": b'{"a": 1}'}, {"content": b'{"a": 2}'}),
            ({"content": b'{"a": 1}'}, {"content": b'{"a": true}'}),
            ({"content": b'{"a": 1}'}, {"content": b'{"a": 1, "b": null}'}),
            ({"content": b'{"a": [1, 2]}'}, {"content": b'{"a": [2, 1]}'}),
            ({"content": b"\xff\x00"}, {"content": b"\xff\x01"}),
            ({"content": b""}, {"content": b"{}"}),
        ],
    )
    def test_what_means_something_else_does_not(
        self, stored: dict[str, Any], sent: dict[str, Any], tape_of: Callable[..., Tape]
    ) -> None:
        assert not self.matches(stored, sent, tape_of)

    def test_times_match_in_tapes_of_the_platform_itself_only(
        self, tape_of: Callable[..., Tape]
    ) -> None:
        stored = {"content": b'{"from": "2026-11-22T10:00:00Z", "to": 1795341600}'}
        sent = {"content": b'{"from": "2026-11-23T11:00:00Z", "to": 1795431600.5}'}

        assert self.matches(stored, sent, tape_of, provenance=LIVE)
        assert not self.matches(stored, sent, tape_of)

    @pytest.mark.parametrize(
        ("stored", "sent", "says"),
        [
            (b'{"a": {"b": 1, "c": 2}}', b'{"a": {"b": 3, "c": 2}}', "a.b of the body"),
            (b'{"a": 1}', b'{"b": 1}', "a of the body, b of the body"),
            (b'{"a": 1}', b"[1]", "the body"),
        ],
    )
    def test_what_has_no_answer_says_in_which_fields_it_differs(
        self, stored: bytes, sent: bytes, says: str, tape_of: Callable[..., Tape]
    ) -> None:
        tape = tape_of(
            *(
                Interaction(Request("POST", url, (), stored), Response(200, "OK"))
                for url in ("http://a.example/x?page=1", "http://a.example/y?page=1")
            )
        )
        with offline(), play(tape), httpx.Client(trust_env=False) as client:
            with pytest.raises(NotRecordedError) as body_differs:
                client.post("http://a.example/x?page=1", content=sent)
            with pytest.raises(NotRecordedError) as query_differs:
                client.post("http://a.example/x?page=2", content=stored)
            with pytest.raises(NotRecordedError) as nothing_like_it:
                client.post("http://a.example/z?page=1", content=stored)

        differs = "; it differs from the recorded one in "
        assert str(body_differs.value).endswith(f" POST /x{differs}{says}")
        assert str(query_differs.value).endswith(f" POST /x{differs}page of the query")
        assert str(nothing_like_it.value).endswith(" POST /z")

    @staticmethod
    def matches(
        stored: dict[str, Any], sent: dict[str, Any], tape_of: Callable[..., Tape], **label: str
    ) -> bool:
        usual = {"method": "POST", "url": "http://a.example/x", "content": b""}
        kept = {**usual, **stored}
        tape = tape_of(
            Interaction(
                Request(kept["method"], kept["url"], (), kept["content"]), Response(200, "OK")
            ),
            **label,
        )
        with offline(), play(tape) as deck, httpx.Client(trust_env=False) as client:
            try:
                client.request(**{**usual, **sent})
            except NotRecordedError:
                assert len(deck.missed) == 1
                return False
        return True


class TestSecretsThatACheckMakesUp:
    KEY = "elsewhere-5f2b7c9d1e"

    def tape(self, tape_of: Callable[..., Tape]) -> Tape:
        stand_in = placeholder(self.KEY, 1)
        url = "http://simulator.example/targets"
        return tape_of(
            answered("POST", url, sent={"streamKey": stand_in}, answer={"streamKey": stand_in}),
            answered("POST", url, sent={"streamKey": stand_in, "again": True}),
        )

    def send(self, client: httpx.Client, key: str, **more: object) -> dict[str, object]:
        answer = client.post("http://simulator.example/targets", json={"streamKey": key, **more})
        return answer.json()  # type: ignore[no-any-return]  # an object, as the tape has it

    def test_meet_their_placeholder_and_come_back(self, tape_of: Callable[..., Tape]) -> None:
        with offline(), play(self.tape(tape_of)) as deck, httpx.Client(trust_env=False) as client:
            assert self.send(client, self.KEY) == {"streamKey": self.KEY}
            self.send(client, self.KEY, again=True)

        assert (deck.missed, deck.unplayed) == ((), ())

    def test_are_the_same_secret_all_along(self, tape_of: Callable[..., Tape]) -> None:
        with offline(), play(self.tape(tape_of)), httpx.Client(trust_env=False) as client:
            self.send(client, self.KEY)
            with pytest.raises(NotRecordedError):
                self.send(client, "elsewhere-0a1b2c3d4e", again=True)

    def test_one_of_another_shape_is_another_request(self, tape_of: Callable[..., Tape]) -> None:
        with (
            offline(),
            play(self.tape(tape_of)),
            httpx.Client(trust_env=False) as client,
            pytest.raises(NotRecordedError),
        ):
            self.send(client, "short")

    def test_a_placeholder_of_another_secret_is_no_match(
        self, tape_of: Callable[..., Tape]
    ) -> None:
        with (
            offline(),
            play(self.tape(tape_of)),
            httpx.Client(trust_env=False) as client,
            pytest.raises(NotRecordedError),
        ):
            self.send(client, placeholder(self.KEY, 2))


class TestRecording:
    @pytest.fixture
    def moved(self) -> Iterator[str]:
        """A server that redirects once, compresses, and repeats a header."""

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                if self.path == "/old":
                    self.send_response(302)
                    self.send_header("Location", "/new")
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                    return
                content = gzip.compress(b'{"n": 1}')
                self.send_response(200)
                self.send_header("Content-Encoding", "gzip")
                self.send_header("Link", "<a>")
                self.send_header("Link", "<b>")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            thread = threading.Thread(target=lambda: server.serve_forever(0.01), daemon=True)
            thread.start()
            yield f"http://127.0.0.1:{server.server_port}"
            server.shutdown()
            thread.join()

    @pytest.mark.parametrize("name", ["urllib3", "requests"])
    def test_a_redirect_that_the_client_follows_is_played_as_it_was(
        self, name: str, moved: str, tape_of: Callable[..., Tape]
    ) -> None:
        with record() as deck:
            assert CLIENTS[name](f"{moved}/old") == {"n": 1}
        tape = tape_of(*deck.recorded)
        with offline(), play(tape) as again:
            assert CLIENTS[name](f"{moved}/old") == {"n": 1}

        assert (again.missed, again.unplayed) == ((), ())

    def test_repeated_headers_are_all_kept(self, moved: str) -> None:
        for name in ("httpx", "urllib3"):
            with record() as deck:
                CLIENTS[name](f"{moved}/new")
            (found,) = deck.recorded
            links = [value for name, value in found.response.headers if name.lower() == "link"]
            assert links == ["<a>", "<b>"]

    def test_a_request_without_an_answer_is_seen(self) -> None:
        with record() as deck, pytest.raises(httpx.ConnectError):
            httpx.get("http://127.0.0.1:1/", trust_env=False)

        assert [one.status for one in deck.sent] == [None]
        assert deck.recorded == ()

    def test_after_its_end_requests_pass_unseen(self, counting) -> None:
        with record() as deck:
            deck.stop()
            CLIENTS["httpx"](counting.url)
            CLIENTS["urllib3"](counting.url)

        assert (deck.sent, deck.recorded) == ((), ())
        assert counting.answered == 2

    def test_nothing_of_it_is_logged(
        self, counting, caplog: pytest.LogCaptureFixture, tape_of: Callable[..., Tape]
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with record():
            CLIENTS["urllib"](f"{counting.url}/a?token=secret")
        with play(tape_of(answered())):
            CLIENTS["urllib"]("http://simulator.example/a")

        assert [one for one in caplog.records if one.name.startswith("vcr")] == []


def test_a_tape_is_played_where_there_is_no_network_interface_at_all(
    tape_of: Callable[..., Tape], tmp_path: Path
) -> None:
    """In a network namespace of its own, where not even loopback is up (unshare(1))."""
    tape = tmp_path / "tape.yaml"
    tape.write_text(
        tape_of(
            answered(),
            answered("POST", "http://simulator.example/ListChannels", sent={}),
        ).text()
    )
    script = textwrap.dedent(
        """
        import pathlib, sys
        import boto3, httpx
        from headend_contract.deck import play
        from headend_contract.network import offline
        from headend_contract.tape import Tape

        with offline() as block, play(Tape.read(pathlib.Path(sys.argv[1]))) as deck:
            assert httpx.get("http://simulator.example/a", trust_env=False).status_code == 200
            boto3.client(
                "ivs", region_name="us-west-2", endpoint_url="http://simulator.example",
                aws_access_key_id="an-id", aws_secret_access_key="a-key",
            ).list_channels()
        print(len(deck.sent), len(deck.missed), len(deck.unplayed), len(block.escapes))
        """
    )
    if subprocess.run(["unshare", "-rn", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this machine gives nobody a network namespace")
    done = subprocess.run(
        ["unshare", "-rn", sys.executable, "-c", script, str(tape)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("2 0 0 0\n", "")
