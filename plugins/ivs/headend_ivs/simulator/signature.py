"""AWS Signature Version 4 as the receiving side computes it.

Written from https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
with the standard library alone, so that botocore's signer is a second opinion on it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote, unquote_plus

from attrs import frozen

ALGORITHM: Final = "AWS4-HMAC-SHA256"
TIME_FORMAT: Final = "%Y%m%dT%H%M%SZ"

_AUTHORIZATION: Final = re.compile(
    rf"{ALGORITHM} +Credential=(?P<key>[^/, ]+)/(?P<date>\d{{8}})/(?P<region>[a-z0-9-]+)/"
    r"(?P<service>[a-z0-9-]+)/aws4_request, *SignedHeaders=(?P<headers>[a-z0-9;-]+), *"
    r"Signature=(?P<signature>[0-9a-f]{64})"
)


@frozen
class HttpRequest:
    """A request as it came.

    Attributes:
        method: e.g. ``POST``.
        path: as it was sent, with its per cent signs.
        query: what follows the question mark.
        headers: by their names in small letters.
        body: the bytes.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@frozen
class Signature:
    """What the header ``Authorization`` says.

    Attributes:
        access_key_id: whose secret signed.
        date: the day for which the signing key was made, ``YYYYMMDD``.
        region: the region that the request is for.
        service: the signing name of the service that the request is for.
        signed_headers: the headers that it covers.
        value: the signature itself.
    """

    access_key_id: str
    date: str
    region: str
    service: str
    signed_headers: tuple[str, ...]
    value: str

    @classmethod
    def of(cls, request: HttpRequest) -> Signature | None:
        """Read the signature of a request; `None`: it has none that can be read."""
        found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
        if found is None:
            return None
        return cls(
            access_key_id=found["key"],
            date=found["date"],
            region=found["region"],
            service=found["service"],
            signed_headers=tuple(found["headers"].split(";")),
            value=found["signature"],
        )

    def is_right(self, request: HttpRequest, secret: str) -> bool:
        """Tell whether the owner of a secret signed exactly this request."""
        return hmac.compare_digest(self.value, self._expected(request, secret))

    def covers(self, request: HttpRequest) -> bool:
        """Tell whether it covers what it must: the host and all of Amazon's headers."""
        needed = {name for name in request.headers if name.startswith("x-amz-")} | {"host"}
        return needed <= set(self.signed_headers)

    def _expected(self, request: HttpRequest, secret: str) -> str:
        scope = f"{self.date}/{self.region}/{self.service}/aws4_request"
        text = "\n".join(
            (
                ALGORITHM,
                request.headers.get("x-amz-date", ""),
                scope,
                hashlib.sha256(self._canonical(request).encode()).hexdigest(),
            )
        )
        key = f"AWS4{secret}".encode()
        for part in (*scope.split("/"), text):
            key = hmac.digest(key, part.encode(), "sha256")
        return key.hex()

    def _canonical(self, request: HttpRequest) -> str:
        headers = (
            f"{name}:{' '.join(request.headers.get(name, '').split())}\n"
            for name in self.signed_headers
        )
        return "\n".join(
            (
                request.method,
                # Every service but S3 encodes the path, which is encoded already, once more.
                quote(request.path, safe="/~") or "/",
                _canonical_query(request.query),
                "".join(headers),
                ";".join(self.signed_headers),
                hashlib.sha256(request.body).hexdigest(),
            )
        )


def _canonical_query(query: str) -> str:
    pairs = (one.partition("=") for one in query.split("&") if one)
    encoded = sorted((_encoded(name), _encoded(value)) for name, _, value in pairs)
    return "&".join(f"{name}={value}" for name, value in encoded)


def _encoded(text: str) -> str:
    return quote(unquote_plus(text), safe="~")
