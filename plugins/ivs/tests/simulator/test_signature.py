"""The simulated platform computes signatures by itself, and agrees with Amazon's examples."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from attrs import evolve
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given, settings, strategies as st

from headend_ivs.simulator.signature import HttpRequest, Signature

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

PUBLISHED = HttpRequest(
    method="GET",
    path="/",
    query="Action=ListUsers&Version=2010-05-08",
    headers={
        "host": "iam.amazonaws.com",
        "content-type": "application/x-www-form-urlencoded; charset=utf-8",
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 "
        "Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7",
    },
    body=b"",
)
"""From the examples of Signature Version 4 in Amazon's General Reference."""


def test_the_published_example_is_right():
    signature = Signature.of(PUBLISHED)

    assert signature is not None
    assert signature.is_right(PUBLISHED, SECRET)
    assert signature.covers(PUBLISHED)
    assert (signature.region, signature.service) == ("us-east-1", "iam")


@pytest.mark.parametrize(
    "authorization",
    [
        "",
        "Bearer x",
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request",
        "AWS4-HMAC-SHA256 Credential=a, SignedHeaders=host, Signature=" + "0" * 64,
        "AWS4-HMAC-SHA256 Credential=a/20150830/r/s/aws4_request, SignedHeaders=host, Signature=0",
    ],
)
def test_a_header_that_is_no_signature_is_none(authorization):
    headers = {**PUBLISHED.headers, "authorization": authorization}

    assert Signature.of(evolve(PUBLISHED, headers=headers)) is None


def test_a_signature_covers_the_host_and_all_of_amazons_headers():
    more = evolve(PUBLISHED, headers={**PUBLISHED.headers, "x-amz-security-token": "t"})
    signature = Signature.of(more)

    assert signature is not None
    assert not signature.covers(more)


def signed(method: str, path: str, query: str, body: bytes, token: str | None) -> HttpRequest:
    """Return a request as botocore signs it."""
    url = f"http://127.0.0.1:5000{path}" + (f"?{query}" if query else "")
    request = AWSRequest(method, url, headers={"Content-Type": "a/b;  c"}, data=body)
    SigV4Auth(Credentials("AKID", SECRET, token), "ivs", "eu-west-1").add_auth(request)
    headers = {name.lower(): str(value) for name, value in request.headers.items()}
    return HttpRequest(method, path, query, {"host": "127.0.0.1:5000", **headers}, body)


TEXTS = st.text(max_size=12)
QUERIES = st.lists(st.tuples(TEXTS.filter(bool), TEXTS), max_size=3).map(
    lambda pairs: "&".join(f"{quote(name, safe='')}={quote(text, safe='')}" for name, text in pairs)
)


@settings(max_examples=100, deadline=None)
@given(
    method=st.sampled_from(["GET", "POST", "DELETE"]),
    path=st.lists(TEXTS.filter(lambda text: text not in {"", ".", ".."}), max_size=3).map(
        lambda steps: "/" + "/".join(quote(one, safe="") for one in steps)
    ),
    query=QUERIES,
    body=st.binary(max_size=20),
    token=st.none() | st.just("session-token"),
)
def test_what_botocore_signs_is_right_and_nothing_else(method, path, query, body, token):
    request = signed(method, path, query, body, token)
    signature = Signature.of(request)

    assert signature is not None
    assert signature.covers(request)
    assert signature.is_right(request, SECRET)
    assert not signature.is_right(request, SECRET + "x")
    for other in (
        evolve(request, method="PUT"),
        evolve(request, path=request.path + "x"),
        evolve(request, query=request.query + "&x=1"),
        evolve(request, body=request.body + b"x"),
        evolve(request, headers={**request.headers, "content-type": "x/y"}),
        evolve(request, headers={**request.headers, "x-amz-date": "20150830T123600Z"}),
    ):
        assert not signature.is_right(other, SECRET)
