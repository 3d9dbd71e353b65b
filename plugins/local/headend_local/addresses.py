"""The addresses that the server gives to others."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from attrs import frozen

if TYPE_CHECKING:
    from starlette.requests import Request

_HOST: Final = re.compile(r"[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]")
_ANY: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound


@frozen(kw_only=True)
class Addresses:
    """Where the server listens, and how that is told to others.

    A server cannot know by which name it is reached, but each request says by which name it came.
    So the addresses in an answer are built from the request's ``Host``: a control client that uses
    a name other machines know gets addresses that other machines can use.

    Attributes:
        host: the address listened on.
        rtmp_port: TCP port.
        http_port: TCP port.
    """

    host: str
    rtmp_port: int
    http_port: int

    @property
    def own_host(self) -> str:
        """The host by which this machine reaches the server, in brackets if it is IPv6."""
        host = _ANY.get(self.host, self.host)
        return f"[{host}]" if ":" in host else host

    @property
    def own_http_url(self) -> str:
        """The HTTP address for programs of this machine."""
        return f"http://{self.own_host}:{self.http_port}"

    @property
    def own_rtmp_url(self) -> str:
        """The RTMP server address for encoders of this machine."""
        return f"rtmp://{self.own_host}:{self.rtmp_port}/live"

    def http_url(self, request: Request) -> str:
        """Return the HTTP address by which this request came, without a slash at the end."""
        host, port = self._host_and_port(request)
        return f"{request.scope['scheme']}://{host}{port}"

    def rtmp_url(self, request: Request) -> str:
        """Return the RTMP server address on the host by which this request came."""
        return f"rtmp://{self._host_and_port(request)[0]}:{self.rtmp_port}/live"

    def _host_and_port(self, request: Request) -> tuple[str, str]:
        header = request.headers.get("host", "")
        host, _, port = header.rpartition(":") if not header.endswith("]") else (header, "", "")
        if not host:
            host, port = port, ""
        if not _HOST.fullmatch(host) or not re.fullmatch("[0-9]*", port):
            return self.own_host, f":{self.http_port}"
        return host, f":{port}" if port else ""
