"""Reading GraphQL queries: as much of https://spec.graphql.org/ as analytics are asked with.

Fields with aliases, arguments and variables are read; fragments, directives and mutations are not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from attrs import field, frozen

_TOKENS: Final = re.compile(
    r"""(?P<skip>[\s,\ufeff]+|\#[^\n\r]*)
      | (?P<name>[_A-Za-z][_0-9A-Za-z]*)
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
      | (?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<sign>[{}()\[\]:!=$])""",
    re.VERBOSE,
)
_CONSTANTS: Final[Mapping[str, object]] = {"true": True, "false": False, "null": None}
_MAX_DEPTH: Final = 20


class QueryError(Exception):
    """The query is none, or asks for what there is not, or for what the token may not have.

    Attributes:
        status: the HTTP status that is documented for that
            (https://developers.cloudflare.com/analytics/graphql-api/errors/).
    """

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


@frozen
class Field:
    """Something that a query asks for.

    Attributes:
        name: of the field.
        alias: what it is called in the answer.
        arguments: with variables put in.
        fields: what is asked of it.
    """

    name: str
    alias: str
    arguments: Mapping[str, object] = field(factory=dict)
    fields: tuple[Field, ...] = ()


def parse(query: str, variables: Mapping[str, object]) -> tuple[Field, ...]:
    """Read a query.

    Raises:
        QueryError: it is none, or a variable that it uses has no value.
    """
    return _Reader(query, variables).query()


class _Reader:
    def __init__(self, query: str, variables: Mapping[str, object]) -> None:
        self._tokens = _tokens(query)
        self._variables = dict(variables)
        self._declared: set[str] = set()
        self._depth = 0

    def query(self) -> tuple[Field, ...]:
        if self._peek() == "query":
            self._next()
            if self._peek() not in {"(", "{"}:
                self._name()
            if self._peek() == "(":
                self._declarations()
        found = self._selection()
        if self._tokens:
            raise QueryError(f"syntax error: unexpected {self._peek()}")
        return found

    def _declarations(self) -> None:
        self._expect("(")
        while self._peek() != ")":
            self._expect("$")
            name = self._name()
            self._declared.add(name)
            self._expect(":")
            is_required = self._type()
            if self._peek() == "=":
                self._next()
                default = self._value()
                self._variables.setdefault(name, default)
            if is_required and self._variables.get(name) is None:
                raise QueryError(f"variable {name} is required")
        self._expect(")")

    def _type(self) -> bool:
        if self._peek() == "[":
            self._next()
            self._type()
            self._expect("]")
        else:
            self._name()
        if self._peek() == "!":
            self._next()
            return True
        return False

    def _selection(self) -> tuple[Field, ...]:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise QueryError("the query is too deep")
        self._expect("{")
        found: list[Field] = []
        while self._peek() != "}":
            found.append(self._field())
        self._expect("}")
        self._depth -= 1
        if not found:
            raise QueryError("syntax error: an empty selection")
        return tuple(found)

    def _field(self) -> Field:
        alias = name = self._name()
        if self._peek() == ":":
            self._next()
            name = self._name()
        arguments: dict[str, object] = {}
        if self._peek() == "(":
            self._next()
            while self._peek() != ")":
                argument = self._name()
                self._expect(":")
                arguments[argument] = self._value()
            self._expect(")")
        fields = self._selection() if self._peek() == "{" else ()
        return Field(name, alias, arguments, fields)

    def _value(self) -> object:
        kind, text = self._next()
        if kind == "text":
            try:
                return json.loads(text)
            except ValueError:
                raise QueryError("syntax error: a text with a wrong escape") from None
        if kind == "number":
            return float(text) if {".", "e", "E"} & set(text) else int(text)
        if kind == "name":
            return _CONSTANTS.get(text, text)
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise QueryError("the query is too deep")
        value = self._compound(text)
        self._depth -= 1
        return value

    def _compound(self, sign: str) -> object:
        if sign == "$":
            name = self._name()
            if name not in self._declared:
                raise QueryError(f"variable {name} is not declared")
            return self._variables.get(name)
        if sign == "[":
            elements: list[object] = []
            while self._peek() != "]":
                elements.append(self._value())
            self._expect("]")
            return elements
        if sign == "{":
            members: dict[str, object] = {}
            while self._peek() != "}":
                name = self._name()
                self._expect(":")
                members[name] = self._value()
            self._expect("}")
            return members
        raise QueryError(f"syntax error: unexpected {sign}")

    def _peek(self) -> str:
        return self._tokens[0][1] if self._tokens else ""

    def _next(self) -> tuple[str, str]:
        if not self._tokens:
            raise QueryError("syntax error: the query ends early")
        return self._tokens.pop(0)

    def _name(self) -> str:
        kind, text = self._next()
        if kind != "name":
            raise QueryError(f"syntax error: unexpected {text}")
        return text

    def _expect(self, sign: str) -> None:
        _, text = self._next()
        if text != sign:
            raise QueryError(f"syntax error: unexpected {text}, expecting {sign}")


def _tokens(query: str) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    place = 0
    while place < len(query):
        match = _TOKENS.match(query, place)
        if match is None or match.lastgroup is None:
            raise QueryError(f"syntax error: unexpected {query[place]!r}")
        if match.lastgroup != "skip":
            found.append((match.lastgroup, match.group()))
        place = match.end()
    return found
