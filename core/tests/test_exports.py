"""The two doors: what they export is complete, typed, and loaded at first use."""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import headend
import headend.plugin

if TYPE_CHECKING:
    from types import ModuleType

DOORS = ["headend", "headend.plugin"]


def all_of(module: ModuleType) -> list[str]:
    return list(vars(module)["__all__"])


def lists_of(door: str) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Return what a door exports by module: for type checkers, and at run time."""
    module = ast.parse(Path(str(import_module(door).__file__)).read_text(encoding="utf-8"))
    (branch,) = [node for node in module.body if isinstance(node, ast.If)]
    typed: dict[str, list[str]] = {}
    for node in branch.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name, "only `import X as X` exports"
            typed.setdefault(str(node.module), []).append(alias.name)
    late = next(ast.literal_eval(node) for node in ast.walk(module) if isinstance(node, ast.Dict))
    return typed, {name: list(names) for name, names in late.items()}


@pytest.mark.parametrize("door", DOORS)
def test_type_checkers_see_what_there_is_at_run_time(door: str) -> None:
    typed, late = lists_of(door)

    assert {module: sorted(names) for module, names in typed.items()} == {
        module: sorted(names) for module, names in late.items()
    }


@pytest.mark.parametrize("door", DOORS)
def test_every_name_is_the_one_of_its_home(door: str) -> None:
    _, late = lists_of(door)

    for home, names in late.items():
        for name in names:
            assert getattr(import_module(door), name) is getattr(import_module(home), name)


@pytest.mark.parametrize("door", DOORS)
def test_all_and_dir_list_every_name(door: str) -> None:
    module = import_module(door)
    names = sorted(name for names in lists_of(door)[1].values() for name in names)

    assert names == all_of(module)
    assert set(names) <= set(dir(module))


@pytest.mark.parametrize("door", DOORS)
def test_no_name_is_exported_twice(door: str) -> None:
    names = all_of(import_module(door))

    assert len(names) == len(set(names))


@pytest.mark.parametrize("door", DOORS)
def test_importing_all_works(door: str) -> None:
    names: dict[str, object] = {}
    exec(f"from {door} import *", names)

    assert set(all_of(import_module(door))) <= set(names)


@pytest.mark.parametrize("door", DOORS)
def test_another_name_is_an_attribute_error(door: str) -> None:
    with pytest.raises(AttributeError, match=f"module '{door}' has no attribute 'Stream'"):
        _ = import_module(door).Stream


def test_the_door_for_hosts_has_what_the_first_page_of_the_documentation_uses() -> None:
    assert {"open", "open_async", "providers", "StreamingPlatform"} <= set(all_of(headend))


def test_the_door_for_plugins_has_every_protocol() -> None:
    from headend.provider import PROTOCOLS

    assert {one.__name__ for one in PROTOCOLS.values()} <= set(all_of(headend.plugin))
