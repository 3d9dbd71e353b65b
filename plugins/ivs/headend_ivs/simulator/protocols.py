"""How each service writes requests, answers and errors on the wire.

IVS speaks rest-json, CloudWatch json with codes of its older protocol in a header, STS query.
https://smithy.io/2.0/aws/protocols/index.html describes all three.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast
from urllib.parse import parse_qsl, unquote
from xml.etree.ElementTree import Element, SubElement, tostring

from attrs import frozen
from botocore.model import ListShape, StructureShape

from headend_ivs.simulator.identity import AuthenticationFault
from headend_ivs.simulator.model import Problem

if TYPE_CHECKING:
    from collections.abc import Callable

    from botocore.model import Shape

    from headend_ivs.simulator.model import Model
    from headend_ivs.simulator.signature import HttpRequest

Json = dict[str, object]

_JSON: Final = "application/json"


_JSON_FAULTS: Final[Mapping[AuthenticationFault, tuple[str, int]]] = {
    AuthenticationFault.MISSING: ("MissingAuthenticationTokenException", 403),
    AuthenticationFault.INCOMPLETE: ("IncompleteSignature", 403),
    AuthenticationFault.UNKNOWN_KEY: ("UnrecognizedClientException", 403),
    AuthenticationFault.BAD_TOKEN: ("UnrecognizedClientException", 403),
    AuthenticationFault.EXPIRED_TOKEN: ("ExpiredTokenException", 403),
    AuthenticationFault.BAD_SIGNATURE: ("InvalidSignatureException", 403),
    AuthenticationFault.SKEWED: ("InvalidSignatureException", 403),
    AuthenticationFault.BAD_SCOPE: ("InvalidSignatureException", 403),
}
"""Sources: beside `headend_ivs.simulator.model.COMMON_ERRORS`."""

_QUERY_FAULTS: Final[Mapping[AuthenticationFault, tuple[str, int]]] = {
    AuthenticationFault.MISSING: ("MissingAuthenticationToken", 403),
    AuthenticationFault.INCOMPLETE: ("IncompleteSignature", 400),
    AuthenticationFault.UNKNOWN_KEY: ("InvalidClientTokenId", 403),
    AuthenticationFault.BAD_TOKEN: ("InvalidClientTokenId", 403),
    AuthenticationFault.EXPIRED_TOKEN: ("ExpiredToken", 403),
    AuthenticationFault.BAD_SIGNATURE: ("SignatureDoesNotMatch", 403),
    AuthenticationFault.SKEWED: ("SignatureDoesNotMatch", 403),
    AuthenticationFault.BAD_SCOPE: ("SignatureDoesNotMatch", 403),
}
"""Sources: at the same place."""

_OLDER_CODES: Final[Mapping[str, str]] = {
    "AccessDeniedException": "AccessDenied",
    "ExpiredTokenException": "ExpiredToken",
    "InvalidSignatureException": "SignatureDoesNotMatch",
    "MissingAuthenticationTokenException": "MissingAuthenticationToken",
    "ThrottlingException": "Throttling",
    "UnknownOperationException": "InvalidAction",
    "UnrecognizedClientException": "InvalidClientTokenId",
}
"""What CloudWatch says for its codes in the protocol query, as users report: AccessDenied and
InvalidClientTokenId, https://github.com/grafana/grafana/issues/6327; the others as STS has them."""


@frozen
class Answer:
    """An answer as it is written.

    Attributes:
        status: the HTTP status.
        headers: those that the protocol needs.
        body: the bytes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes


@frozen
class Asked:
    """What a request asks for.

    Attributes:
        operation: its name, or `None` where the service has no such operation.
        parameters: structured as the model says, the values as on the wire.
        problems: what could not even be read, by place.
    """

    operation: str | None
    parameters: Mapping[str, object]
    problems: Sequence[Problem] = ()


class WireProtocol(Protocol):
    """The way in which one service reads and writes."""

    @property
    def model(self) -> Model:
        """The service's model."""
        ...

    @property
    def invalid(self) -> str:
        """The code of a request that breaks the model."""
        ...

    @property
    def denied(self) -> str:
        """The code of a request that a policy forbids."""
        ...

    @property
    def unknown(self) -> tuple[str, int]:
        """The code and status of an operation that does not exist."""
        ...

    @property
    def faults(self) -> Mapping[AuthenticationFault, tuple[str, int]]:
        """The codes and statuses of a sender that is not believed."""
        ...

    def read(self, request: HttpRequest) -> Asked:
        """Read a request."""
        ...

    def write(
        self, operation: str, status: int, members: Json | None, request_id: str, /
    ) -> Answer:
        """Write an answer."""
        ...

    def write_error(self, status: int, code: str, members: Json, request_id: str, /) -> Answer:
        """Write an error; `members` hold the text."""
        ...


class RestJson:
    """Operations have paths, and parameters are in path, query and body."""

    invalid = "ValidationException"
    denied = "AccessDeniedException"
    unknown = ("UnknownOperationException", 404)
    faults = _JSON_FAULTS

    def __init__(self, model: Model) -> None:
        self.model = model
        self._routes = [
            (str(http["method"]), str(http["requestUri"]).split("/"), name)
            for name in sorted(model.operations)
            for http in [model.operation(name).http]
        ]

    def read(self, request: HttpRequest) -> Asked:
        """Find the operation by method and path, and put its parameters together."""
        steps = request.path.split("/")
        for method, pattern, name in self._routes:
            if method == request.method and len(pattern) == len(steps):
                labels = _labels(pattern, steps)
                if labels is not None:
                    return self._parameters(name, labels, request)
        return Asked(None, {})

    def _parameters(self, name: str, labels: Json, request: HttpRequest) -> Asked:
        shape = self.model.operation(name).input_shape
        found, problems = dict(labels), []
        lists = {
            str(member.serialization.get("name", own))
            for own, member in ({} if shape is None else shape.members).items()
            if member.serialization.get("location") == "querystring"
            and isinstance(member, ListShape)
        }
        for key, value in parse_qsl(request.query, keep_blank_values=True):
            if key in lists:
                cast("list[str]", found.setdefault(key, [])).append(value)
            else:
                found[key] = value
        if request.body:
            kind = request.headers.get("content-type", "").partition(";")[0].strip()
            if kind != _JSON:
                problems.append(Problem("Content-Type", f"is not {_JSON}"))
            body = _object(request.body)
            if body is None:
                problems.append(Problem("body", "is not a JSON object"))
            found |= body or {}
        return Asked(name, found, problems)

    def write(self, _operation: str, status: int, members: Json | None, request_id: str) -> Answer:
        """Write a JSON body, or none."""
        headers = {"x-amzn-RequestId": request_id}
        if members is None:
            return Answer(status, headers, b"")
        return Answer(status, headers | {"Content-Type": _JSON}, json.dumps(members).encode())

    def write_error(self, status: int, code: str, members: Json, request_id: str) -> Answer:
        """Write the code into a header and the text into the body."""
        headers = {
            "x-amzn-RequestId": request_id,
            "x-amzn-ErrorType": code,
            "Content-Type": _JSON,
        }
        return Answer(status, headers, json.dumps(members).encode())


class JsonWithQueryCodes:
    """All is a POST to ``/``; a header names the operation.

    A header of an error has the code of the service's older protocol, query, which botocore
    prefers: https://smithy.io/2.0/aws/protocols/aws-query-protocol.html.
    """

    invalid = "ValidationError"
    denied = "AccessDeniedException"
    unknown = ("UnknownOperationException", 404)
    faults = _JSON_FAULTS

    def __init__(self, model: Model, target: str, *, gives_older: Callable[[], bool]) -> None:
        self.model = model
        self._target = target
        self._gives_older = gives_older

    def read(self, request: HttpRequest) -> Asked:
        """Read the operation from the header and the parameters from the body."""
        service, _, name = request.headers.get("x-amz-target", "").partition(".")
        if service != self._target or name not in self.model.operations:
            return Asked(None, {})
        body = _object(request.body)
        if body is None:
            return Asked(name, {}, [Problem("body", "is not a JSON object")])
        return Asked(name, body)

    def write(self, _operation: str, status: int, members: Json | None, request_id: str) -> Answer:
        """Write a JSON body."""
        return Answer(status, self._headers(request_id), json.dumps(members or {}).encode())

    def write_error(self, status: int, code: str, members: Json, request_id: str) -> Answer:
        """Write the code into header and body."""
        headers = self._headers(request_id)
        if self._gives_older():
            headers["x-amzn-query-error"] = f"{_OLDER_CODES.get(code, code)};Sender"
        kind = f"com.amazon.coral.service#{code}"
        return Answer(status, headers, json.dumps({"__type": kind, **members}).encode())

    def _headers(self, request_id: str) -> dict[str, str]:
        return {"x-amzn-RequestId": request_id, "Content-Type": "application/x-amz-json-1.0"}


class Query:
    """All is a form that is posted to ``/``, and answers are XML."""

    invalid = "ValidationError"
    denied = "AccessDenied"
    unknown = ("InvalidAction", 400)
    faults = _QUERY_FAULTS

    def __init__(self, model: Model, namespace: str) -> None:
        self.model = model
        self._namespace = namespace

    def read(self, request: HttpRequest) -> Asked:
        """Read the operation and the parameters from the form."""
        form = dict(parse_qsl(request.body.decode("utf-8", "replace"), keep_blank_values=True))
        name = form.pop("Action", "")
        form.pop("Version", None)
        if name not in self.model.operations:
            return Asked(None, {})
        tree: Json = {}
        for key, value in form.items():
            _plant(tree, key.split("."), value)
        shape = self.model.operation(name).input_shape
        return Asked(name, cast("Json", _typed(shape, tree)) if shape is not None else tree)

    def write(self, operation: str, status: int, members: Json | None, request_id: str) -> Answer:
        """Write XML with the operation's result."""
        root = Element(f"{operation}Response", xmlns=self._namespace)
        _grow(SubElement(root, f"{operation}Result"), members or {})
        SubElement(SubElement(root, "ResponseMetadata"), "RequestId").text = request_id
        return Answer(status, self._headers(request_id), tostring(root))

    def write_error(self, status: int, code: str, members: Json, request_id: str) -> Answer:
        """Write XML with code and text."""
        root = Element("ErrorResponse", xmlns=self._namespace)
        error = SubElement(root, "Error")
        SubElement(error, "Type").text = "Sender"
        SubElement(error, "Code").text = code
        SubElement(error, "Message").text = str(next(iter(members.values()), ""))
        SubElement(root, "RequestId").text = request_id
        return Answer(status, self._headers(request_id), tostring(root))

    def _headers(self, request_id: str) -> dict[str, str]:
        return {"x-amzn-RequestId": request_id, "Content-Type": "text/xml"}


def _labels(pattern: Sequence[str], steps: Sequence[str]) -> Json | None:
    """Return what a path has in the places of a pattern's labels; `None`: it does not fit."""
    labels: Json = {}
    for wanted, step in zip(pattern, steps, strict=True):
        if wanted.startswith("{"):
            labels[wanted.strip("{}")] = unquote(step)
        elif wanted != step:
            return None
    return labels


def _object(raw: bytes) -> Json | None:
    try:
        data: object = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def _plant(tree: Json, path: Sequence[str], value: str) -> None:
    for step in path[:-1]:
        branch = tree.setdefault(step, {})
        if not isinstance(branch, dict):
            return
        tree = branch
    tree[path[-1]] = value


def _typed(shape: Shape, value: object) -> object:
    """Give the texts of a form the types that the model says, where they can have them."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {
            key: _typed(shape.members[key], one) if key in shape.members else one
            for key, one in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, dict):
        members = value.get("member", {})
        each = members.values() if isinstance(members, dict) else [members]
        return [_typed(shape.member, one) for one in each]
    if shape.type_name in {"integer", "long"} and isinstance(value, str):
        return int(value) if value.lstrip("-").isdecimal() else value
    if shape.type_name == "boolean" and value in {"true", "false"}:
        return value == "true"
    return value


def _grow(parent: Element, members: Mapping[str, object]) -> None:
    for name, value in members.items():
        child = SubElement(parent, name)
        if isinstance(value, dict):
            _grow(child, value)
        else:
            child.text = str(value)
