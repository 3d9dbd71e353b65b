"""Requests and answers, checked against the service model that botocore ships.

The model is Amazon's own description of an API: operations, members, types, required members,
lengths, ranges, patterns, allowed words, HTTP statuses and error codes.  The simulated platform
refuses with it what breaks the model, and notes every breach of either side; so neither the
provider nor the simulator is held to what its author believes.

A problem names the place and never shows a value, which may be a stream key.
"""

from __future__ import annotations

import itertools
import math
import re
import sys
import unicodedata
from collections.abc import Callable
from datetime import datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING, Final, Literal, cast

from attrs import frozen
from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import OperationModel

Side = Literal["request", "answer"]


@frozen
class Typo:
    """A place where the model contradicts the documentation, and what holds instead.

    Attributes:
        reason: the contradiction, and where it can be read.
        pattern: the pattern that holds, or `None`: the model's.
        words: words that are allowed beside the model's.
    """

    reason: str
    pattern: str | None = None
    words: tuple[str, ...] = ()


TYPOS: Final[Mapping[tuple[str, str], Typo]] = {
    ("ivs", "ResourceArn"): Typo(
        reason="The model's pattern allows one letter as the kind of a resource "
        "(`[a-z-]/`), and no kind has a name of one letter; the API reference's own example of "
        "ListTagsForResource is a channel's ARN "
        "(https://docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference/API_ListTagsForResource.html).",
        pattern="arn:aws:ivs:[a-z0-9-]+:[0-9]+:[a-z-]+/[a-zA-Z0-9-]+",
    ),
    ("ivs", "TranscodePreset"): Typo(
        reason="The words leave out the empty text, which is the preset of every BASIC and "
        "STANDARD channel by the documentation of the member itself "
        "(https://docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference/API_Channel.html).",
        words=("",),
    ),
}
"""By service and shape.  Each is tested to be needed still."""


_JSON_ERRORS: Final[Mapping[str, frozenset[int]]] = {
    "AccessDeniedException": frozenset({403}),
    "ExpiredTokenException": frozenset({403}),
    "IncompleteSignature": frozenset({403}),
    "InternalFailure": frozenset({500}),
    "InvalidSignatureException": frozenset({403}),
    "MissingAuthenticationTokenException": frozenset({403}),
    "ThrottlingException": frozenset({400}),
    "UnknownOperationException": frozenset({404}),
    "UnrecognizedClientException": frozenset({403}),
}

COMMON_ERRORS: Final[Mapping[str, Mapping[str, frozenset[int]]]] = {
    # Where an operation has no ThrottlingException of its own, its status is that of the others.
    "ivs": {**_JSON_ERRORS, "ThrottlingException": frozenset({400, 429})},
    "cloudwatch": {**_JSON_ERRORS, "ValidationError": frozenset({400})},
    "sts": {
        "AccessDenied": frozenset({403}),
        "ExpiredToken": frozenset({403}),
        "IncompleteSignature": frozenset({400}),
        "InvalidAction": frozenset({400}),
        "InvalidClientTokenId": frozenset({403}),
        "MissingAuthenticationToken": frozenset({403}),
        "SignatureDoesNotMatch": frozenset({403}),
        "ValidationError": frozenset({400}),
    },
}
"""Codes and statuses that any operation may answer, though the model names them nowhere.

Sources: the pages CommonErrors of the three API references,
https://docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference/CommonErrors.html,
https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CommonErrors.html and
https://docs.aws.amazon.com/STS/latest/APIReference/CommonErrors.html, which lack the codes for a
signature that is wrong or missing and give STS some that it does not answer; those are as users
report them: https://github.com/aws/aws-sdk-php/issues/1780 (InvalidSignatureException),
https://github.com/devsecops/bootcamp/issues/101 (SignatureDoesNotMatch),
https://github.com/aws/aws-sdk-java-v2/issues/1649 (ExpiredToken, 403) and
https://github.com/okta-awscli/okta-awscli/pull/145 (InvalidClientTokenId, 403).
"""


@frozen
class Problem:
    """What does not fit the model, and where: ``channel.tags.*`` and the like."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@frozen
class Violation:
    """A breach of the model that was seen in traffic.

    Attributes:
        service: ``ivs``, ``cloudwatch`` or ``sts``.
        operation: e.g. ``CreateChannel``.
        side: who is to blame: ``request``: the client; ``answer``: the simulator.
        problem: what does not fit.
    """

    service: str
    operation: str
    side: Side
    problem: Problem

    def __str__(self) -> str:
        return f"{self.service} {self.operation} ({self.side}) {self.problem}"


class Model:
    """The model of one service.

    Args:
        service: as botocore names it, e.g. ``ivs``.
    """

    def __init__(self, service: str) -> None:
        self.service = service
        self._model = ServiceModel(_loader().load_service_model(service, "service-2"), service)
        self._timestamps: Callable[[str | None], str] = (
            (lambda declared: declared or "unixtimestamp")
            if service != "sts"
            else (lambda declared: declared or "iso8601")
        )

    @cached_property
    def operations(self) -> frozenset[str]:
        """The names of all operations."""
        return frozenset(self._model.operation_names)

    @cached_property
    def regions(self) -> frozenset[str]:
        """Where the service is, in the partition ``aws``."""
        endpoints = _loader().load_data("endpoints")
        (partition,) = (one for one in endpoints["partitions"] if one["partition"] == "aws")
        return frozenset(partition["services"][self._model.endpoint_prefix]["endpoints"])

    def operation(self, name: str) -> OperationModel:
        """Return botocore's description of an operation."""
        return self._model.operation_model(name)

    def request(self, operation: str, parameters: Mapping[str, object]) -> list[Problem]:
        """Return what is wrong with the parameters of a request, structured as on the wire."""
        shape = self.operation(operation).input_shape
        return self._whole(shape, parameters)

    def answer(
        self, operation: str, status: int, members: Mapping[str, object] | None
    ) -> list[Problem]:
        """Return what is wrong with an answer that tells of success.

        Args:
            operation: what was asked.
            status: the HTTP status.
            members: the body, or `None` where there is none.
        """
        model = self.operation(operation)
        expected = self.status(operation)
        problems = []
        if status != expected:
            problems.append(Problem("status", f"is {status}, and the model says {expected}"))
        if model.output_shape is None:
            if members is not None:
                problems.append(Problem("body", "is there, and the model has none"))
            return problems
        if members is None:
            return [*problems, Problem("body", "is missing")]
        return problems + self._whole(model.output_shape, members)

    def refusal(
        self, operation: str | None, status: int, code: str, members: Mapping[str, object]
    ) -> list[Problem]:
        """Return what is wrong with an answer that tells of an error.

        Args:
            operation: what was asked, or `None` if that could not be told.
            status: the HTTP status.
            code: the error's code.
            members: what is said of it, without the code.
        """
        shape = None if operation is None else self._errors(operation).get(code)
        allowed = COMMON_ERRORS[self.service].get(code, frozenset())
        if shape is None and not allowed:
            return [Problem("code", f"{code} is no error of this operation")]
        if shape is not None:
            allowed |= {int(shape.metadata["error"]["httpStatusCode"])}
        problems = []
        if status not in allowed:
            words = " or ".join(str(one) for one in sorted(allowed))
            problems.append(Problem("status", f"is {status}, and {code} has {words}"))
        if shape is not None:
            # The protocol has a member of its own for the text, beside the model's.
            known = {name: value for name, value in members.items() if name != "message"}
            problems += self._whole(shape, known)
        return problems

    def status(self, operation: str) -> int:
        """Return the HTTP status of an operation that succeeds."""
        return int(self.operation(operation).http.get("responseCode", 200))

    def statuses(self, operation: str, code: str) -> frozenset[int]:
        """Return the HTTP statuses that an error of an operation can have; none: no such error."""
        modelled = self.modelled(operation, code)
        common = COMMON_ERRORS[self.service].get(code, frozenset())
        return common if modelled is None else common | {modelled}

    def modelled(self, operation: str, code: str) -> int | None:
        """Return the HTTP status that the model gives an error of an operation, if it has it."""
        shape = self._errors(operation).get(code)
        return None if shape is None else int(shape.metadata["error"]["httpStatusCode"])

    def _errors(self, operation: str) -> dict[str, StructureShape]:
        shapes = cast("list[StructureShape]", self.operation(operation).error_shapes)
        return {str(shape.metadata["error"].get("code", shape.name)): shape for shape in shapes}

    def _whole(self, shape: Shape | None, members: Mapping[str, object]) -> list[Problem]:
        if shape is None:
            return [Problem(name, "is not in the model") for name in members]
        return list(self._structure(cast("StructureShape", shape), members, ""))

    def _value(self, shape: Shape, value: object, where: str) -> Iterator[Problem]:
        check = _CHECKS.get(shape.type_name)
        if value is None:
            yield Problem(where, "is null, and a member is there or not")
        elif isinstance(shape, StructureShape):
            yield from self._structure(shape, value, where)
        elif isinstance(shape, ListShape):
            yield from self._list(shape, value, where)
        elif isinstance(shape, MapShape):
            yield from self._map(shape, value, where)
        elif isinstance(shape, StringShape):
            yield from self._string(shape, value, where)
        elif shape.type_name == "timestamp":
            wanted = self._timestamps(shape.serialization.get("timestampFormat"))
            yield from _timestamp(value, wanted, where)
        elif check is not None:
            yield from check(shape, value, where)
        else:
            yield Problem(where, f"is of a type that is not checked: {shape.type_name}")

    def _structure(self, shape: StructureShape, value: object, where: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(where or "body", _not("an object", value))
            return
        names = {
            str(member.serialization.get("name", name)): (name, member)
            for name, member in shape.members.items()
            if member.serialization.get("location") != "header"
        }
        for name in value:
            if name not in names:
                yield Problem(_join(where, str(name)), "is not in the model")
        for name, (own, member) in names.items():
            if name in value:
                yield from self._value(member, value[name], _join(where, name))
            elif own in shape.required_members:
                yield Problem(_join(where, name), "is missing")

    def _list(self, shape: ListShape, value: object, where: str) -> Iterator[Problem]:
        if not isinstance(value, list):
            yield Problem(where, _not("a list", value))
            return
        yield from _within(shape, len(value), "elements", where)
        for number, one in enumerate(value):
            yield from self._value(shape.member, one, f"{where}[{number}]")

    def _map(self, shape: MapShape, value: object, where: str) -> Iterator[Problem]:
        if not isinstance(value, dict):
            yield Problem(where, _not("an object", value))
            return
        yield from _within(shape, len(value), "elements", where)
        for key, one in value.items():
            yield from self._value(shape.key, key, f"{where} (a key)")
            yield from self._value(shape.value, one, f"{where}.*")

    def _string(self, shape: StringShape, value: object, where: str) -> Iterator[Problem]:
        if not isinstance(value, str):
            yield Problem(where, _not("a text", value))
            return
        yield from _within(shape, len(value), "characters", where)
        typo = TYPOS.get((self.service, shape.name), Typo(""))
        if shape.enum and value not in (*shape.enum, *typo.words):
            yield Problem(where, f"is none of {', '.join(shape.enum)}")
        pattern = typo.pattern or shape.metadata.get("pattern")
        if pattern is not None and _compiled(str(pattern)).fullmatch(value) is None:
            yield Problem(where, f"does not match {pattern}")


_Check = Callable[[Shape, object, str], "Iterator[Problem]"]


def _whole_number(bits: int) -> _Check:
    def check(shape: Shape, value: object, where: str) -> Iterator[Problem]:
        if not isinstance(value, int) or isinstance(value, bool):
            yield Problem(where, _not("a whole number", value))
        elif not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            yield Problem(where, f"does not fit in {bits} bits")
        else:
            yield from _within(shape, value, "", where)

    return check


def _number(shape: Shape, value: object, where: str) -> Iterator[Problem]:
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        yield Problem(where, _not("a number", value))
    else:
        yield from _within(shape, value, "", where)


def _boolean(_shape: Shape, value: object, where: str) -> Iterator[Problem]:
    if not isinstance(value, bool):
        yield Problem(where, _not("true or false", value))


def _timestamp(value: object, wanted: str, where: str) -> Iterator[Problem]:
    if wanted == "iso8601":
        if not isinstance(value, str) or not _is_iso(value):
            yield Problem(where, _not("a time in the form of ISO 8601 with its zone", value))
    elif not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        yield Problem(where, _not("a time in seconds since 1970", value))


_CHECKS: Final[Mapping[str, _Check]] = {
    "integer": _whole_number(32),
    "long": _whole_number(64),
    "float": _number,
    "double": _number,
    "boolean": _boolean,
}


def _is_iso(text: str) -> bool:
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _within(shape: Shape, size: float, unit: str, where: str) -> Iterator[Problem]:
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    counted = f" {unit}" if unit else ""
    if least is not None and size < least:
        yield Problem(where, f"is below the least, {least}{counted}")
    if most is not None and size > most:
        yield Problem(where, f"is above the most, {most}{counted}")


def _not(wanted: str, value: object) -> str:
    return f"is not {wanted} but of the type {type(value).__name__}"


def _join(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


@cache
def _loader() -> Loader:
    return Loader()


_CATEGORY: Final = re.compile(r"\\p\{([A-Z][a-z]?)\}")


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    r"""Compile a pattern of the model; Python has no ``\p{L}`` and the like."""
    return re.compile(_CATEGORY.sub(lambda found: _characters(found[1]), pattern))


def _characters(category: str) -> str:
    """Return the characters of a category of Unicode, as ranges of a pattern."""
    return "".join(
        f"\\U{first:08x}-\\U{last:08x}" for one, first, last in _runs() if one.startswith(category)
    )


@cache
def _runs() -> list[tuple[str, int, int]]:
    """Return the runs of characters of one category, in order: category, first, last."""
    found, first = [], 0
    categories = map(unicodedata.category, map(chr, range(sys.maxunicode + 1)))
    for category, group in itertools.groupby(categories):
        following = first + sum(1 for _ in group)
        found.append((category, first, following - 1))
        first = following
    return found
