"""A hash of what a function does, which does not change with its layout, comments or docstrings."""

from __future__ import annotations

import ast
import hashlib
import inspect
from functools import cache
from importlib import import_module
from textwrap import dedent
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_OWN: Final = "headend_contract.checks"
"""Helpers that are imported from here count as the module's own."""

_UNSEEN: Final = frozenset({"ctx", "kind", "type_comment"})
"""What says nothing of what is done."""


@cache
def source_digest(function: Callable[..., object]) -> str:
    """Return the SHA-256 of a function and of the helpers it uses, as 64 hexadecimal digits.

    Helpers are what its module defines at the top, and what that imports from the checks of this
    package; those that helpers use count as well.
    """
    start = _own_tree(function)
    found = {(function.__module__, function.__name__): _canonical(start)}
    waiting = [(function.__module__, name) for name in _names(start)]
    while waiting:
        place = waiting.pop()
        if place in found:
            continue
        node = _definitions(place[0]).get(place[1])
        if node is None:
            continue
        if isinstance(node, ast.ImportFrom):
            imported = next(one for one in node.names if (one.asname or one.name) == place[1])
            found[place] = imported.name
            waiting.append((str(node.module), imported.name))
            continue
        found[place] = _canonical(node)
        waiting += [(place[0], name) for name in _names(node)]
    text = "\n".join(f"{name}: {found[module, name]}" for module, name in sorted(found))
    return hashlib.sha256(text.encode()).hexdigest()


def _own_tree(function: Callable[..., object]) -> ast.stmt:
    """Return a function's syntax tree without its decorator, which for a check holds its words."""
    (node,) = ast.parse(dedent(inspect.getsource(function))).body
    if isinstance(node, ast.FunctionDef):
        node.decorator_list = []
    return node


@cache
def _definitions(module: str) -> Mapping[str, ast.stmt]:
    """Return what a module defines at its top, by name."""
    tree = ast.parse(inspect.getsource(import_module(module)))
    return {name: node for node in tree.body for name in _defined(node)}


def _defined(node: ast.stmt) -> Iterator[str]:
    match node:
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (one.id for one in targets if isinstance(one, ast.Name))
        case ast.AnnAssign(target=ast.Name(id=name)):
            yield name
        case ast.ImportFrom(module=str(module), names=names) if f"{module}.".startswith(f"{_OWN}."):
            yield from (one.asname or one.name for one in names)


def _names(node: ast.AST) -> Iterator[str]:
    return (one.id for one in ast.walk(node) if isinstance(one, ast.Name))


def _canonical(value: object) -> str:
    """Write a syntax tree down so that every version of Python gives the same text.

    `ast.dump` does not: it shows fields that some versions lack, and empty ones in some only.
    """
    if isinstance(value, ast.AST):
        fields = (
            f"{name}={_canonical(one)}"
            for name, one in _fields(value)
            if one not in (None, []) and name not in _UNSEEN
        )
        return f"{type(value).__name__}({','.join(sorted(fields))})"
    if isinstance(value, list):
        return f"[{','.join(map(_canonical, value))}]"
    return repr(value)


def _fields(node: ast.AST) -> Iterator[tuple[str, object]]:
    for name, value in ast.iter_fields(node):
        if name == "body" and isinstance(value, list) and _is_text(value[0]):
            yield name, value[1:]
        elif isinstance(node, ast.JoinedStr) and isinstance(value, list):
            # Python 3.12 puts empty texts into f-strings with nested formats.
            yield name, [one for one in value if not _is_empty(one)]
        else:
            yield name, value


def _is_empty(node: object) -> bool:
    return isinstance(node, ast.Constant) and node.value == ""


def _is_text(node: object) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )
