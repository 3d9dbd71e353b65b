"""No secret stays in traffic, however it is written, and the rest stays as it was."""

from __future__ import annotations

import base64
import gzip
import json
import re
import string
import zlib
from collections.abc import Callable
from urllib.parse import quote, urlencode

import pytest
from hypothesis import assume, given, settings, strategies as st

from headend_contract.placeholders import is_placeholder
from headend_contract.scrub import HOST, Scrubber, ScrubError
from headend_contract.tape import Interaction, Request, Response

KEY = "sk_us-west-2_" + "AbCd1234EfGh_567890abcdEFGHIJ"
OTHER_KEY = "sk_us-west-2_" + "ZyXw9876VuTs_543210zyxwVUTSRQ"
TOKEN = "Tok" + "En0123456789abcdefABCDEF0123456789"

ALPHABET = string.ascii_letters + string.digits
SECRETS = st.one_of(
    st.text(ALPHABET, min_size=12, max_size=60),
    st.text("0123456789abcdef", min_size=16, max_size=64),
    st.text(ALPHABET + '-_.+/=&?%"\\ é', min_size=12, max_size=40).filter(
        lambda text: len(set(text)) > 4 and len(text.strip()) > 11
    ),
).filter(lambda text: not is_placeholder(text))


def exchange(
    answer: object = None,
    *,
    url: str = "https://api.acme.example/v1/inputs",
    sent: bytes = b"",
    sent_headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),),
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),),
    raw: bytes | None = None,
    method: str = "POST",
    status: int = 200,
) -> Interaction:
    body = raw if raw is not None else b"" if answer is None else json.dumps(answer).encode()
    return Interaction(
        Request(method, url, sent_headers, sent), Response(status, "OK", headers, body)
    )


def scrubbed(*traffic: Interaction, secrets: tuple[str, ...] = (), **more: object) -> str:
    return "\n".join(map(written, Scrubber(secrets, **more).interactions(traffic)))  # type: ignore[arg-type]  # as they are


def written(one: Interaction) -> str:
    return "\n".join(
        [
            one.request.method,
            one.request.url,
            repr(one.request.headers),
            one.request.body.decode("latin-1"),
            repr(one.response.headers),
            one.response.body.decode("latin-1"),
        ]
    )


class TestWhatASecretIs:
    @pytest.mark.parametrize(
        "answer",
        [
            {"streamKey": TOKEN},
            {"stream_key": TOKEN},
            {"rtmps": {"streamKey": TOKEN}},
            {"srt": {"passphrase": TOKEN}},
            {"streamKey": {"arn": "arn:x", "value": TOKEN}},
            {"keys": [{"secret": TOKEN}]},
            {"secretAccessKey": TOKEN},
            {"api-token": TOKEN},
            [{"webhookSecret": TOKEN}],
        ],
        ids=json.dumps,
    )
    def test_what_its_name_says(self, answer: object) -> None:
        assert TOKEN not in scrubbed(exchange(answer))

    @pytest.mark.parametrize(
        "answer",
        [
            {"nextToken": TOKEN},
            {"next_page_token": TOKEN},
            {"streamKeyArn": TOKEN},
            {"stream_key_id": TOKEN},
            {"tokenType": TOKEN},
            {"uid": TOKEN},
            {"Key": TOKEN, "Value": TOKEN},
            {"keyframe_interval": TOKEN},
        ],
        ids=json.dumps,
    )
    def test_but_not_places_in_a_list_ids_and_kinds(self, answer: object) -> None:
        assert TOKEN in scrubbed(exchange(answer))

    @pytest.mark.parametrize(
        "text",
        [
            "AKIA" + "IOSFODNN7EXAMPLE",
            "ASIA" + "IOSFODNN7EXAMPLE",
            KEY,
            "rk_" + "0123456789abcdef0123",
            "whsec_" + "a1b2c3d4e5f6a7b8c9d0",
            "eyJ" + "hbGciOiJFUzM4NCJ9.eyJhIjoxMjM0NTZ9.c2lnbmF0dXJlMTIz",
            "wJalrXUtnFEMI/K7MDENG/" + "bPxRfiCYEXAMPLEK3Y",
        ],
    )
    def test_what_its_shape_says(self, text: str) -> None:
        found = scrubbed(exchange({"note": f"take {text} and go"}))

        assert text not in found
        assert "take " in found
        assert " and go" in found

    def test_the_whole_address_of_a_whip_ingest(self) -> None:
        address = f"https://customer-a.example/{TOKEN.lower()}/webRTC/publish"
        found = scrubbed(exchange({"webRTC": {"url": address}}))

        assert TOKEN.lower() not in found
        assert re.search(r"https://customer-a\.example/redacted0+1/webRTC/publish", found)

    def test_what_the_provider_made_a_secret_of(self) -> None:
        assert TOKEN not in scrubbed(exchange({"whatever": f"x{TOKEN}y"}), secrets=(TOKEN,))

    def test_what_a_pattern_of_the_caller_says(self) -> None:
        found = scrubbed(
            exchange({"note": "badge 4711-0815"}), patterns=[re.compile(r"badge (\d{4}-\d{4})")]
        )

        assert "4711" not in found
        assert "badge " in found

    def test_the_account_in_names_of_aws(self) -> None:
        found = scrubbed(exchange({"arn": "arn:aws:ivs:us-west-2:987654321098:channel/AbC"}))

        assert '"arn:aws:ivs:us-west-2:111111111111:channel/AbC"' in found

    def test_an_element_of_xml(self) -> None:
        raw = f"<R><SessionToken>{TOKEN}</SessionToken><Arn>here</Arn></R>".encode()
        found = scrubbed(exchange(raw=raw, headers=(("Content-Type", "text/xml"),)))

        assert TOKEN not in found
        assert "<Arn>here</Arn>" in found

    def test_not_what_the_platform_names_things_by(self) -> None:
        """SRT has the id of the live stream where RTMP has a key."""
        scrubber = Scrubber([TOKEN])
        (found,) = scrubber.interactions([exchange({"uid": TOKEN, "srt": {"streamId": TOKEN}})])

        assert written(found).count(TOKEN) == 2
        assert scrubber.public == {TOKEN}

    def test_a_short_one_only_where_it_stands_alone(self) -> None:
        found = scrubbed(exchange({"pin": "4x7z", "word": "a4x7zb"}), secrets=("4x7z",))

        assert '"4x7z"' not in found
        assert "a4x7zb" in found


WRAPPINGS: dict[str, Callable[[str], Interaction]] = {
    "JSON": lambda secret: exchange({"a": [{"b": secret}]}),
    "a text in JSON": lambda secret: exchange({"a": f"before {secret} after"}),
    "a name in JSON": lambda secret: exchange({secret: 1}),
    "JSON in JSON": lambda secret: exchange({"a": json.dumps({"b": secret})}),
    "the path": lambda secret: exchange(url=f"https://a.example/v1/{quote(secret, safe='')}/x"),
    "the query": lambda secret: exchange(url=f"https://a.example/?{urlencode({'q': secret})}"),
    "the request": lambda secret: exchange(sent=json.dumps({"a": secret}).encode()),
    "a form": lambda secret: exchange(
        sent=urlencode({"a": secret}).encode(),
        sent_headers=(("Content-Type", "application/x-www-form-urlencoded"),),
    ),
    "base64": lambda secret: exchange({"a": base64.b64encode(f"k={secret}".encode()).decode()}),
    "base64 for URLs": lambda secret: exchange(
        {"a": base64.urlsafe_b64encode(json.dumps({"k": secret}).encode()).decode().rstrip("=")}
    ),
    "base64 of gzip": lambda secret: exchange(
        {"a": base64.b64encode(gzip.compress(secret.encode())).decode()}
    ),
    "a body in base64": lambda secret: exchange(
        raw=base64.b64encode(json.dumps({"a": secret}).encode()), headers=()
    ),
    "gzip": lambda secret: exchange(
        raw=gzip.compress(json.dumps({"a": secret}).encode()),
        headers=(("Content-Encoding", "gzip"), ("Content-Type", "application/json")),
    ),
    "gzip that no header tells": lambda secret: exchange(
        raw=gzip.compress(json.dumps({"a": secret}).encode()), headers=()
    ),
    "deflate": lambda secret: exchange(
        raw=zlib.compress(json.dumps({"a": secret}).encode()),
        headers=(("Content-Encoding", "deflate"),),
    ),
    "a header": lambda secret: exchange(headers=(("Location", f"/x/{quote(secret, safe='')}"),)),
    "a header that is dropped": lambda secret: exchange(headers=(("Set-Cookie", secret),)),
    "binary": lambda secret: exchange(raw=b"\xff\xfe" + secret.encode() + b"\x00", headers=()),
}


class TestWherever:
    @pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
    @settings(deadline=None, max_examples=25)
    @given(secret=SECRETS)
    def test_it_stands_it_is_gone(self, wrap: Callable[[str], Interaction], secret: str) -> None:
        assume(secret not in written(wrap("another")))
        (found,) = Scrubber([secret]).interactions([wrap(secret)])
        text = written(found)

        for form in {
            secret,
            quote(secret, safe=""),
            json.dumps(secret)[1:-1],
            base64.b64encode(secret.encode()).decode().rstrip("="),
            base64.b64encode(f"k={secret}".encode()).decode().rstrip("="),
        }:
            assert form not in text

    @pytest.mark.parametrize("wrap", WRAPPINGS.values(), ids=WRAPPINGS)
    def test_scrubbing_again_changes_nothing(self, wrap: Callable[[str], Interaction]) -> None:
        once = Scrubber([KEY]).interactions([wrap(KEY), exchange({"streamKey": OTHER_KEY})])

        assert Scrubber().interactions(once) == once


class TestPlaceholders:
    @settings(deadline=None, max_examples=25)
    @given(st.lists(SECRETS, min_size=2, max_size=6, unique=True))
    def test_distinct_secrets_stay_distinct_and_equal_ones_equal(self, secrets: list[str]) -> None:
        traffic = [exchange({"streamKey": one}) for one in (*secrets, *secrets)]
        found = [
            json.loads(one.response.body)["streamKey"]
            for one in Scrubber(secrets).interactions(traffic)
        ]

        assert len(set(found)) == len(secrets)
        assert found[: len(secrets)] == found[len(secrets) :]
        assert [len(one) for one in found[: len(secrets)]] == [len(one) for one in secrets]

    def test_they_are_numbered_as_they_come_whatever_order_is_given(self) -> None:
        traffic = [exchange({"streamKey": OTHER_KEY}), exchange({"streamKey": KEY})]
        one = Scrubber([KEY, OTHER_KEY]).interactions(traffic)
        other = Scrubber([OTHER_KEY, KEY]).interactions(traffic)

        assert one == other
        assert b"REDACTED0001" in one[0].response.body
        assert b"REDACTED0002" in one[1].response.body

    def test_a_token_of_a_list_is_the_same_in_answer_and_request(self) -> None:
        token = base64.b64encode(json.dumps({"after": TOKEN}).encode()).decode()
        answer, request = Scrubber([TOKEN]).interactions(
            [
                exchange({"nextToken": token}),
                exchange(sent=json.dumps({"nextToken": token}).encode()),
            ]
        )
        given_out = json.loads(answer.response.body)["nextToken"]

        assert given_out != token
        assert json.loads(request.request.body)["nextToken"] == given_out

    def test_a_secret_within_another_does_not_shorten_it(self) -> None:
        longer = f"{TOKEN}-and-more-of-it"
        found = scrubbed(exchange({"a": longer, "b": TOKEN}), secrets=(TOKEN, longer))

        assert TOKEN not in found
        assert "and-more-of-it" not in found

    def test_more_secrets_than_their_shape_has_room_for_are_refused(self) -> None:
        traffic = [exchange({"passphrase": one}) for one in map("z{}".format, "0123456789")]
        traffic += [exchange({"passphrase": one}) for one in map("y{}".format, "0123456789")]
        with pytest.raises(ScrubError, match="2 characters"):
            Scrubber().interactions(traffic)


class TestTheRest:
    def test_json_becomes_readable_and_means_the_same(self) -> None:
        answer = {"b": 1, "a": [1.5, None, "ü"], "big": 12345678901234567890}
        (found,) = Scrubber().interactions([exchange(answer)])

        assert json.loads(found.response.body) == answer
        assert b"\n  " in found.response.body
        assert list(json.loads(found.response.body)) == ["b", "a", "big"]

    def test_the_length_is_that_of_the_body(self) -> None:
        raw = gzip.compress(json.dumps({"streamKey": TOKEN}).encode())
        (found,) = Scrubber().interactions(
            [
                exchange(
                    raw=raw,
                    headers=(("content-length", str(len(raw))), ("Content-Encoding", "gzip")),
                )
            ]
        )

        assert found.response.headers == (("content-length", str(len(found.response.body))),)

    def test_the_length_that_an_answer_to_head_tells_stays(self) -> None:
        (found,) = Scrubber().interactions(
            [exchange(method="HEAD", headers=(("Content-Length", "123"),))]
        )

        assert found.response.headers == (("Content-Length", "123"),)

    def test_headers_that_tell_nothing_or_too_much_are_dropped(self) -> None:
        found = scrubbed(
            exchange(
                {},
                sent_headers=(
                    ("Authorization", f"Bearer {TOKEN}"),
                    ("X-Amz-Security-Token", TOKEN),
                    ("X-Amz-Date", "20261122T000000Z"),
                    ("User-Agent", "python"),
                    ("Content-Type", "application/json"),
                ),
                headers=(
                    ("Set-Cookie", TOKEN),
                    ("Date", "today"),
                    ("Retry-After", "3"),
                    ("x-amzn-errortype", "ConflictException"),
                ),
            )
        )

        assert TOKEN not in found
        for dropped in ("X-Amz-Date", "User-Agent", "Date", "Set-Cookie"):
            assert dropped not in found
        for kept in ("Content-Type", "Retry-After", "x-amzn-errortype"):
            assert kept in found

    def test_names_of_requests_are_numbered_anew(self) -> None:
        found = Scrubber().interactions(
            [exchange({}, headers=(("cf-ray", name),)) for name in ("8f1c-FRA", "8f2d-AMS")]
        )

        assert [one.response.headers for one in found] == [
            (("cf-ray", "request-0001"),),
            (("cf-ray", "request-0002"),),
        ]

    def test_the_ports_of_this_machine_get_names(self) -> None:
        found = scrubbed(
            exchange(
                {"playback": "http://127.0.0.1:41235/a.m3u8", "ingest": "rtmp://localhost:1999/x"},
                url="http://127.0.0.1:41235/v1",
            )
        )

        assert f"https://{HOST}/v1" in found
        assert f"https://{HOST}/a.m3u8" in found
        assert "rtmp://simulator-2.example/x" in found

    def test_what_cannot_be_opened_is_not_kept(self) -> None:
        for coding, raw in (("br", b"\x0b"), ("gzip", b"no gzip")):
            with pytest.raises(ScrubError, match=coding):
                Scrubber().interactions(
                    [exchange(raw=raw, headers=(("Content-Encoding", coding),))]
                )


class TestSettings:
    def test_secrets_get_placeholders_and_addresses_the_host_of_simulators(self) -> None:
        scrubber = Scrubber()
        found = scrubber.environment(
            {
                "ACME_URL": "http://127.0.0.1:4711/api",
                "ACME_API_TOKEN": TOKEN,
                "ACME_ACCOUNT": "main",
                "ACME_ACCOUNT_ID": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
                "ACME_PIN": "12ab34cd",
                "ACME_REGION": "us-west-2",
            },
            ["ACME_PIN"],
        )

        assert found["ACME_URL"] == f"https://{HOST}/api"
        assert found["ACME_ACCOUNT"] == "main"
        assert found["ACME_REGION"] == "us-west-2"
        for name in ("ACME_API_TOKEN", "ACME_ACCOUNT_ID", "ACME_PIN"):
            assert is_placeholder(found[name]), name

    def test_they_are_the_same_in_the_traffic(self) -> None:
        account = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
        scrubber = Scrubber()
        settings = scrubber.environment({"ACME_ACCOUNT_ID": account}, [])
        (found,) = Scrubber(known=scrubber.placeholders).interactions(
            [exchange({"in": account}, url=f"https://a.example/accounts/{account}/inputs")]
        )

        assert found.request.url == (
            f"https://a.example/accounts/{settings['ACME_ACCOUNT_ID']}/inputs"
        )
        assert json.loads(found.response.body) == {"in": settings["ACME_ACCOUNT_ID"]}
