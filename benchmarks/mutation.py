"""What the contract suite notices: `python benchmarks/mutation.py [--count N] [--json FILE]`.

Small faults (mutants) are put into the two cloud plugins, one at a time, and it is counted how many
are noticed (killed):

1. by the contract suite alone, and with nothing of the plugin's own: first the committed recordings
   are played, then, if nothing failed, the checks run on the plugin's simulator, as a fast run (few
   generated examples, a short state machine);
2. for what survived both, by the plugin's own tests.  Left out are those of its simulator, those of
   the newcomer's page and those of its commands: they start processes or move pictures.

The faults are those of cosmic-ray's operators, and nothing is chosen by hand.  A place is where an
operator family (say, another comparison) can change something; a seeded draw takes places from all
modules alike, and then one of the family's changes there.  Operators that need arguments (another
variable) are left out.  cosmic-ray has none for texts and none for calls that are taken away.

Mutated are the modules that map answers and requests, tell errors and read pages.  Not among them
are ``facts`` (prices and limits: data with a public source each, no decision), ``settings``,
``credentials``, ``logs``, ``commands`` and ``signing`` (cryptography and the host's configuration),
and the simulators, by which the plugins are judged; they import none of what is mutated.

A change that nobody could notice is not drawn.  These are all the rules:

* it is in an annotation, which ``from __future__ import annotations`` keeps from being evaluated;
* it is under ``if TYPE_CHECKING`` or in that condition;
* the syntax tree stays the same, or the text is no Python any longer, or such that Python warns of
  it as it compiles (``is ""``: tests that make errors of warnings would fail for that alone);
* it turns ``is`` into ``==`` (``is not`` into ``!=``) beside ``None`` or an enumeration's member;
* it is the ``*`` of a signature, which cosmic-ray takes for a product: ``/`` there only forbids
  what no caller does.

Each mutant is a file of its own in a copy of the package which stands before all else on the path
of the process that is judged, and of those that it starts.  That this is what runs is proven by the
first that are judged: with nothing changed everything passes, and each module, made to raise on
import, is killed.  A check or a test that fails is run again, alone: what fails once only is the
machine's doing.  A crash, an import that fails and a time limit that is exceeded count as killed,
and are told apart.

From a fresh clone, on a system with `fork`, about an hour on one core::

    python -m pip install -c constraints.txt -r requirements-dev.txt
    python -m pip install cosmic-ray
    python benchmarks/mutation.py --json mutation.json

``--only-survivors-of mutation.json`` judges again what survived there, say after tests were added,
and prints the whole with the rest as it was; ``--resume mutation.json`` goes on with a run that was
broken off, and ``--tell mutation.json`` prints as much as there is of it: places are judged in the
order of the draw, so that what was judged first is a fair sample too.  It is no part of CI.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import importlib
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Literal, Protocol, cast

import pytest
from attrs import asdict, evolve, frozen

from headend_contract.check import Mode
from headend_contract.report import Verdict
from headend_contract.runner import open_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from headend_contract.report import Result

ROOT = Path(__file__).resolve().parent.parent

PATIENCE = 60.0
"""Real seconds that one check may take; unmutated none takes more than a few."""

SUITE_LIMIT = 400.0
TESTS_LIMIT = 600.0
"""Real seconds for the suite, and for the plugin's own tests."""

TRIES = 3
"""How often a test, or a stage of the suite, may fail without failing again."""

MEMORY = 8 << 30
"""Bytes of address space that a judged process may take."""

Position = tuple[int, int]
By = Literal["replay", "simulator", "tests"]


@frozen
class Plugin:
    """A plugin whose modules are mutated."""

    name: str
    package: str
    folder: Path
    modules: tuple[str, ...]

    @property
    def source(self) -> Path:
        return self.folder / self.package

    def tests(self, module: str) -> tuple[list[str], list[str]]:
        """Name the files that pytest is to run: those named for the module, and the rest."""
        left_out = {"test_newcomer.py", "test_commands.py"}
        files = [
            path
            for path in sorted((self.folder / "tests").rglob("test_*.py"))
            if path.name not in left_out and path.parent.name != "simulator"
        ]
        own = [path for path in files if path.stem.startswith(f"test_{module}")]
        return list(map(str, own)), [str(path) for path in files if path not in own]


PLUGINS = {
    plugin.name: plugin
    for plugin in (
        Plugin(
            "cloudflare",
            "headend_cloudflare",
            ROOT / "plugins/cloudflare",
            ("wire", "transport", "analytics", "provider", "events"),
        ),
        Plugin(
            "aws-ivs",
            "headend_ivs",
            ROOT / "plugins/ivs",
            (
                "wire",
                "errors",
                "operations",
                "clients",
                "analytics",
                "provider",
                "events",
                "event_kinds",
            ),
        ),
    )
}


@frozen
class Mutant:
    """One change of one module.

    Attributes:
        provider: the plugin's name.
        operator: cosmic-ray's name of it.
        line: where it begins.
        diff: without lines around it.
        code: the whole module with it.
    """

    provider: str
    module: str
    operator: str
    line: int
    diff: str
    code: str

    @property
    def plugin(self) -> Plugin:
        return PLUGINS[self.provider]

    @property
    def family(self) -> str:
        return _family(self.operator)

    @property
    def place(self) -> str:
        path = self.plugin.source / f"{self.module}.py"
        return f"{path.relative_to(ROOT)}:{self.line}"


@frozen
class Outcome:
    """What became of a mutant.

    Attributes:
        by: what killed it; `None`: it survived.
        how: ``failed``, ``suite error`` (a check found nothing to test, or fell over), ``import``,
            ``crash`` or ``time limit``.
        killer: the check or the test that was first.
        seconds: how long it took.
    """

    mutant: Mutant
    by: By | None
    how: str = ""
    killer: str = ""
    seconds: float = 0.0


# -- what can be changed --------------------------------------------------------------------------


class Node(Protocol):
    """A node of parso's tree, as far as it is used here."""

    type: str
    parent: Node | None
    children: list[Node]

    def get_code(self, include_prefix: bool = True) -> str: ...
    def get_leaf_for_position(self, position: Position) -> Node | None: ...
    def get_next_sibling(self) -> Node | None: ...
    def get_previous_sibling(self) -> Node | None: ...


class Operator(Protocol):
    """One of cosmic-ray's operators."""

    def mutation_positions(self, node: Node) -> Iterable[tuple[Position, Position]]: ...


@frozen
class Site:
    """A place where an operator family can change something, and how: operator, occurrence."""

    plugin: Plugin
    module: str
    position: Position
    changes: tuple[tuple[str, int], ...]


@frozen
class Tools:
    """What is used of cosmic-ray, imported only where it is needed."""

    operators: Mapping[str, Operator]
    parse: Callable[[str], Node]
    nodes: Callable[[Node], Iterator[Node]]
    mutate: Callable[[str, Operator, int], str | None]

    @classmethod
    def load(cls) -> Tools:
        try:
            plugins = importlib.import_module("cosmic_ray.plugins")
        except ImportError:
            sys.exit("cosmic-ray makes the mutants: python -m pip install cosmic-ray")
        trees = importlib.import_module("cosmic_ray.ast")
        classes = {name: plugins.get_operator(name) for name in sorted(plugins.operator_names())}
        return cls(
            operators={name: one() for name, one in classes.items() if not one.arguments()},
            parse=trees.get_ast,
            nodes=trees.ast_nodes,
            mutate=importlib.import_module("cosmic_ray.mutating").mutate_code,
        )


def _family(operator: str) -> str:
    return operator.partition("/")[2].partition("_")[0]


def sites(tools: Tools, plugin: Plugin, module: str) -> list[Site]:
    """Find all places of a module, in an order that is always the same."""
    tree = tools.parse((plugin.source / f"{module}.py").read_text(encoding="utf-8"))
    nodes = list(tools.nodes(tree))
    found: dict[tuple[str, Position], list[tuple[str, int]]] = {}
    for name, operator in tools.operators.items():
        positions = (start for node in nodes for start, _ in operator.mutation_positions(node))
        for occurrence, start in enumerate(positions):
            found.setdefault((_family(name), start), []).append((name, occurrence))
    return [
        Site(plugin, module, start, tuple(changes))
        for (_, start), changes in sorted(found.items())
        if not _is_for_readers_of_types(tree.get_leaf_for_position(start))
    ]


def _is_for_readers_of_types(node: Node | None) -> bool:
    """Tell whether code is never evaluated: an annotation, or only seen by a type checker."""
    while node is not None and (parent := node.parent) is not None:
        if parent.type == "tfpdef" and node is not parent.children[0]:
            return True
        if parent.type in {"parameters", "param"} and node.get_code(include_prefix=False) == "*":
            return True
        if parent.type == "annassign" and node is parent.children[1]:
            return True
        if parent.type == "funcdef" and _before(node) == "->":
            return True
        if parent.type == "if_stmt" and _words(parent)[1] == "TYPE_CHECKING":
            return True
        node = parent
    return False


def _words(node: Node) -> list[str]:
    return [one.get_code(include_prefix=False) for one in node.children]


def _before(node: Node) -> str | None:
    before = node.get_previous_sibling()
    return None if before is None else before.get_code(include_prefix=False)


_MEMBER = re.compile(r"None|[A-Z]\w*\.[A-Z][A-Z_0-9]*")


def _is_same_by_identity(tree: Node, position: Position, operator: str) -> bool:
    if not operator.endswith(("_Is_Eq", "_IsNot_NotEq")):
        return False
    leaf = tree.get_leaf_for_position(position)
    if leaf is not None and leaf.parent is not None and leaf.parent.type == "comp_op":
        leaf = leaf.parent
    right = None if leaf is None else leaf.get_next_sibling()
    return right is not None and bool(_MEMBER.fullmatch(right.get_code(include_prefix=False)))


def draw(tools: Tools, count: int, seed: int, chosen: Sequence[Plugin]) -> list[Mutant]:
    """Draw mutants: places from all modules alike, then one change of each that can be noticed."""
    random = Random(seed)
    places = [
        site
        for plugin in chosen
        for module in plugin.modules
        for site in sites(tools, plugin, module)
    ]
    print(f"{len(places)} places, seed {seed}", flush=True)
    random.shuffle(places)
    mutants: list[Mutant] = []
    for site in places:
        if len(mutants) == count:
            break
        changes = random.sample(site.changes, len(site.changes))
        made = (_mutant(tools, site, *change) for change in changes)
        mutant = next((one for one in made if one is not None), None)
        if mutant is not None:
            mutants.append(mutant)
    return mutants


def _mutant(tools: Tools, site: Site, operator: str, occurrence: int) -> Mutant | None:
    path = site.plugin.source / f"{site.module}.py"
    code = path.read_text(encoding="utf-8")
    if _is_same_by_identity(tools.parse(code), site.position, operator):
        return None
    mutated = tools.mutate(code, tools.operators[operator], occurrence)
    if mutated is None:
        return None
    if not _is_clean(mutated) or ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(code)):
        return None
    lines = difflib.unified_diff(code.splitlines(), mutated.splitlines(), lineterm="", n=0)
    return Mutant(
        provider=site.plugin.name,
        module=site.module,
        operator=operator,
        line=site.position[0],
        diff="\n".join(one for one in lines if not one.startswith(("---", "+++", "@@"))),
        code=mutated,
    )


def _is_clean(code: str) -> bool:
    """Tell whether it is Python, and nothing that Python warns of as it compiles."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            compile(code, "mutant", "exec", dont_inherit=True)
        except (SyntaxError, SyntaxWarning):
            return False
    return True


# -- judging --------------------------------------------------------------------------------------


class Slot:
    """Where one mutant after the other is judged: a copy of the packages, and room for files."""

    def __init__(self, folder: Path) -> None:
        self.packages = folder / "packages"
        self.room = folder / "room"
        self.room.mkdir(parents=True)
        for plugin in PLUGINS.values():
            shutil.copytree(
                plugin.source,
                self.packages / plugin.package,
                ignore=shutil.ignore_patterns("__pycache__"),
            )

    def judge(self, mutant: Mutant) -> Outcome:
        started = time.monotonic()
        path = self.packages / mutant.plugin.package / f"{mutant.module}.py"
        original = (mutant.plugin.source / f"{mutant.module}.py").read_text(encoding="utf-8")
        path.write_text(mutant.code, encoding="utf-8")
        try:
            outcome = self._by_suite(mutant)
            if outcome.by is None:
                outcome = self._by_tests(mutant)
        finally:
            path.write_text(original, encoding="utf-8")
        return evolve(outcome, seconds=round(time.monotonic() - started, 1))

    @property
    def _environment(self) -> dict[str, str]:
        path = os.pathsep.join(filter(None, (str(self.packages), os.environ.get("PYTHONPATH"))))
        return {
            **os.environ,
            "PYTHONPATH": path,
            # A file may change twice in one second and keep its size: its bytecode would lie.
            "PYTHONDONTWRITEBYTECODE": "1",
            "HYPOTHESIS_STORAGE_DIRECTORY": str(self.room / "hypothesis"),
            "TMPDIR": str(self.room),
        }

    def _by_suite(self, mutant: Mutant) -> Outcome:
        said = self.room / "said"
        said.write_text("", encoding="utf-8")

        def run() -> None:
            with said.open("a", encoding="utf-8", buffering=1) as file:
                _run_suite_on(
                    mutant, self.packages, lambda *words: print(*words, sep="\t", file=file)
                )

        in_time = self._run_in_fork(run, SUITE_LIMIT)
        stages = [line.split("\t") for line in said.read_text(encoding="utf-8").splitlines()]
        stage = cast("By", stages[-1][0]) if stages else "replay"
        if not in_time:
            return Outcome(mutant, stage, "time limit")
        if not stages or len(stages[-1]) == 1:
            return Outcome(mutant, stage, "crash")
        if stages[-1][0] == "survived":
            return Outcome(mutant, None)
        return Outcome(mutant, stage, stages[-1][1], stages[-1][2])

    def _by_tests(self, mutant: Mutant) -> Outcome:
        outcome = Outcome(mutant, None)
        for files in filter(None, mutant.plugin.tests(mutant.module)):
            if outcome.by is None:
                outcome = self._by_files(mutant, files)
        return outcome

    def _by_files(self, mutant: Mutant, files: Sequence[str]) -> Outcome:
        """Run test files; a test that fails must fail again, alone, for it to be the mutant's."""
        for _ in range(TRIES):
            outcome, failed = self._by_pytest(mutant, files)
            if outcome.how != "failed" or self._by_pytest(mutant, [failed])[0].by is not None:
                return outcome
        return Outcome(mutant, None)

    def _by_pytest(self, mutant: Mutant, files: Sequence[str]) -> tuple[Outcome, str]:
        """Run files or one test; tell the test that failed besides, as pytest names it."""
        ended = self.room / "ended"
        ended.unlink(missing_ok=True)

        def run() -> None:
            os.chdir(ROOT)
            arguments = [
                *("-x", "-q", "--tb=no", "-p", "no:cacheprovider", "--hypothesis-profile=ci"),
                # What was imported before the fork is not rewritten; the tests are.
                *("-W", "ignore::pytest.PytestAssertRewriteWarning"),
            ]
            code = pytest.main([*files, *arguments])
            ended.write_text(str(int(code)), encoding="utf-8")

        in_time = self._run_in_fork(run, TESTS_LIMIT)
        output = (self.room / "output").read_text(encoding="utf-8", errors="replace")
        first = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", output, re.MULTILINE)
        failed = first[1] if first else output.strip().rpartition("\n")[2]
        if in_time:
            code = int(ended.read_text(encoding="utf-8")) if ended.exists() else -1
            how = _HOW.get(code, "crash")
        else:
            how = "time limit"
        killer = failed.rpartition("/")[2] if how == "import" else failed.partition("tests/")[2]
        return Outcome(mutant, "tests" if how else None, how, killer if how else ""), failed

    def _run_in_fork(self, run: Callable[[], None], limit: float) -> bool:
        """Run in a fork of this process, which has imported all but the plugin.

        What it prints is in the file ``output``.  Tells whether it ended in time.
        """
        child = os.fork()
        if child:
            return _wait(child, limit)
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            out = os.open(self.room / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(out, 1)
            os.dup2(out, 2)
            os.environ.update(self._environment)
            tempfile.tempdir = None
            sys.dont_write_bytecode = True
            sys.path.insert(0, str(self.packages))
            run()
        except BaseException:  # noqa: BLE001  # nothing may return from a fork
            traceback.print_exc()
        finally:
            # Threads that a mutant left running end with it.
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(0)


_HOW: Mapping[int, str] = {
    pytest.ExitCode.OK: "",
    pytest.ExitCode.TESTS_FAILED: "failed",
    pytest.ExitCode.INTERRUPTED: "import",
    pytest.ExitCode.USAGE_ERROR: "import",
}
"""What it means how pytest ended."""


def _wait(child: int, limit: float) -> bool:
    """Wait until a process ends, and tell whether it did so in time; nothing of it stays."""
    until = time.monotonic() + limit
    ended = 0
    while not ended and time.monotonic() < until:
        time.sleep(0.02)
        ended, _ = os.waitpid(child, os.WNOHANG)
    _kill_group(child)
    if not ended:
        os.waitpid(child, 0)
    return bool(ended)


def _kill_group(leader: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(leader, signal.SIGKILL)


_BAD = {Verdict.FAILED, Verdict.UNEXPECTED_PASS, Verdict.STALE, Verdict.ERROR}


def _run_suite_on(mutant: Mutant, packages: Path, say: Callable[..., None]) -> None:
    """Run the suite until something fails; say each stage as it begins, and how it ended."""
    for mode in (Mode.REPLAY, Mode.SIMULATOR):
        say(mode.value)
        try:
            killed = _killed(mutant, mode)
        except Exception as error:  # noqa: BLE001  # whatever it is, the suite could not run
            killed = ("crash", f"{type(error).__name__}: {error}".splitlines()[0])
        if killed is not None:
            how, killer = killed
            if not _can_be_imported(mutant, packages):
                how = "import"
            say(mode.value, how, killer)
            return
    if not _can_be_imported(mutant, packages):
        raise RuntimeError("it survived and cannot be imported: something else was judged")
    say("survived", "", "")


def _killed(mutant: Mutant, mode: Mode) -> tuple[str, str] | None:
    """Run all checks; one that fails must fail again, alone, for it to be the mutant's."""
    for _ in range(TRIES):
        killed = _first_failure(mutant, mode)
        if killed is None or killed[1] == _NOT_RUN:
            return killed
        if _first_failure(mutant, mode, only=(killed[1],)) is not None:
            return killed
    return None


_NOT_RUN = "a check that must run did not"


def _first_failure(
    mutant: Mutant, mode: Mode, only: tuple[str, ...] = ()
) -> tuple[str, str] | None:
    fast = mode is Mode.SIMULATOR
    with open_run(mutant.provider, mode=mode, only=only, fast=fast, patience=PATIENCE) as run:
        results: list[Result] = []
        for check in run.checks:
            result = run.decide(check)
            results.append(result)
            provisional = result.provisional and result.verdict is Verdict.FAILED
            if result.verdict in _BAD and not provisional:
                how = "suite error" if result.verdict is Verdict.ERROR else "failed"
                return how, result.id
        report = run.report(results)
    return None if only or report.exit_code == 0 else ("failed", _NOT_RUN)


def _can_be_imported(mutant: Mutant, packages: Path) -> bool:
    """Import the module, and make sure that it is the mutant."""
    try:
        module = importlib.import_module(f"{mutant.plugin.package}.{mutant.module}")
    except Exception:  # noqa: BLE001  # a mutant may raise anything
        return False
    path = Path(str(module.__file__))
    if not path.is_relative_to(packages) or path.read_text(encoding="utf-8") != mutant.code:
        raise RuntimeError(f"{path} was judged, and not the mutant")
    return True


def preload() -> None:
    """Import what each judged process needs, so that forks have it; the plugins not."""
    for name in (
        *("boto3", "httpx", "hypothesis.stateful", "jwt", "starlette.routing", "uvicorn", "vcr"),
        *("headend_contract.modes.replay", "headend_contract.modes.simulator"),
        *("headend_contract.machine", "headend_contract.recording"),
    ):
        importlib.import_module(name)
    importlib.import_module("headend_contract.check").all_checks()
    loaded = {plugin.package for plugin in PLUGINS.values()} & set(sys.modules)
    if loaded:
        raise RuntimeError(f"{', '.join(loaded)} must not be loaded before a fork")


_slot: list[Slot] = []
"""The slot of this process."""


def _open_slot(folder: Path) -> None:
    _slot.append(Slot(Path(tempfile.mkdtemp(dir=folder))))


def _judge(mutant: Mutant) -> Outcome:
    return _slot[0].judge(mutant)


def judge_all(
    mutants: Sequence[Mutant], workers: int, done: Callable[[Outcome], None]
) -> list[Outcome]:
    """Judge mutants; the outcomes are in their order."""
    with (
        tempfile.TemporaryDirectory(prefix="mutation-", ignore_cleanup_errors=True) as folder,
        ProcessPoolExecutor(
            workers,
            mp_context=multiprocessing.get_context("fork"),
            initializer=_open_slot,
            initargs=(Path(folder),),
        ) as pool,
    ):
        futures = [pool.submit(_judge, one) for one in mutants]
        for future in as_completed(futures):
            done(future.result())
        return [future.result() for future in futures]


def controls(chosen: Sequence[Plugin]) -> list[Mutant]:
    """Make what must survive, as nothing is changed, and what must be killed: it raises."""
    made = []
    for plugin in chosen:
        for module in plugin.modules:
            code = (plugin.source / f"{module}.py").read_text(encoding="utf-8")
            bare = Mutant(plugin.name, module, "control/Nothing", 1, "", code)
            raising = code.replace(
                "from __future__ import annotations",
                "from __future__ import annotations\n\nraise ImportError",
                1,
            )
            if module == plugin.modules[0]:
                made.append(bare)
            made.append(evolve(bare, operator="control/Raise", code=raising))
    return made


def check_control(outcome: Outcome) -> None:
    """Make sure that what is not mutated passes, and that a module which raises is killed."""
    expected = "import" if outcome.mutant.operator == "control/Raise" else ""
    if outcome.how != expected:
        raise RuntimeError(
            f"a control came out wrong: {outcome.mutant.operator} in {outcome.mutant.place} is "
            f"{outcome.how or 'alive'} ({outcome.by} {outcome.killer}), not {expected or 'alive'}"
        )


# -- telling --------------------------------------------------------------------------------------


def _score(outcomes: Sequence[Outcome], *by: By) -> str:
    killed = sum(one.by in by for one in outcomes)
    return f"{killed}/{len(outcomes)} = {killed / len(outcomes):.1%}"


def _print_table(outcomes: Sequence[Outcome], what: str, key: Callable[[Mutant], str]) -> None:
    print(f"\n{what:<34} mutants  replay  +simulator  +own tests  survived")
    groups: dict[str, Counter[str | None]] = {}
    for one in outcomes:
        groups.setdefault(key(one.mutant), Counter())[one.by] += 1
    for name, by in sorted(groups.items()):
        print(
            f"{name:<34} {by.total():7}  {by['replay']:6}  {by['simulator']:10}  "
            f"{by['tests']:10}  {by[None]:8}"
        )


def tell(outcomes: Sequence[Outcome]) -> None:
    _print_table(outcomes, "module", lambda one: f"{one.plugin.package}.{one.module}")
    _print_table(outcomes, "operator", lambda one: one.family)
    hows = Counter((one.by, one.how) for one in outcomes if one.by is not None)
    print("\nkilled by, and how")
    for (by, how), count in sorted(hows.items(), key=str):
        print(f"  {by} {how}: {count}")
    missed = [one for one in outcomes if one.by in {"tests", None}]
    print(f"\nmissed by the suite: {len(missed)}")
    for one in missed:
        print(f"\n{one.mutant.place} {one.mutant.operator}: {one.killer or 'SURVIVED'}")
        print(one.mutant.diff)
    for provider in sorted({one.mutant.provider for one in outcomes}):
        _print_scores(provider, [one for one in outcomes if one.mutant.provider == provider])
    _print_scores("all", outcomes)


def _print_scores(name: str, outcomes: Sequence[Outcome]) -> None:
    print(f"\n{name}")
    print(f"  suite alone, replay             {_score(outcomes, 'replay')}")
    print(f"  suite alone, replay + simulator {_score(outcomes, 'replay', 'simulator')}")
    print(f"  with the plugin's own tests     {_score(outcomes, 'replay', 'simulator', 'tests')}")


def _write(path: Path, outcomes: Sequence[Outcome]) -> None:
    said = [
        {**asdict(one), "place": one.mutant.place, "family": one.mutant.family} for one in outcomes
    ]
    path.write_text(json.dumps(said, indent=1), encoding="utf-8")


def _read(path: Path) -> list[Outcome]:
    """Read outcomes; a module that was changed since then makes its mutants worthless."""
    outcomes = []
    for one in json.loads(path.read_text(encoding="utf-8")):
        del one["place"], one["family"]
        outcome = Outcome(**{**one, "mutant": Mutant(**one["mutant"])})
        mutant = outcome.mutant
        code = (mutant.plugin.source / f"{mutant.module}.py").read_text(encoding="utf-8")
        taken, put = (
            [line[1:] for line in mutant.diff.splitlines() if line[0] == sign] for sign in "-+"
        )
        kept = Counter(code.splitlines()) - Counter(taken) + Counter(put)
        if kept != Counter(mutant.code.splitlines()):
            sys.exit(f"{mutant.place} is of another state of the module: judge all anew")
        outcomes.append(outcome)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(description="What the contract suite notices.")
    parser.add_argument("--count", type=int, default=300, help="mutants  [300]")
    parser.add_argument("--seed", type=int, default=6, help="of the draw  [6]")
    parser.add_argument("--workers", type=int, default=1, help="judged at the same time  [1]")
    parser.add_argument("--provider", choices=sorted(PLUGINS), help="this plugin only")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all outcomes there")
    parser.add_argument(
        "--only-survivors-of", type=Path, metavar="FILE", help="judge these again, of --json FILE"
    )
    parser.add_argument(
        "--resume", type=Path, metavar="FILE", help="take over what a run with --json FILE judged"
    )
    parser.add_argument(
        "--tell", type=Path, metavar="FILE", help="judge nothing; print what --json FILE has"
    )
    asked = parser.parse_args()
    if asked.tell is not None:
        tell(_merged(_read(asked.tell), ()))
        return
    chosen = [one for one in PLUGINS.values() if asked.provider in {None, one.name}]
    if asked.only_survivors_of is None:
        mutants = draw(Tools.load(), asked.count, asked.seed, chosen)
        earlier = [] if asked.resume is None else _read(asked.resume)
        before = [one for one in earlier if one.mutant in mutants]
        judged = {one.mutant for one in before}
        mutants = [one for one in mutants if one not in judged]
    else:
        before = _read(asked.only_survivors_of)
        mutants = [one.mutant for one in before if one.by is None]
    preload()
    started = time.monotonic()
    finished: list[Outcome] = []

    def done(outcome: Outcome) -> None:
        if outcome.mutant.family in {"Nothing", "Raise"}:
            check_control(outcome)
            print(
                f"control {outcome.mutant.place} {outcome.mutant.operator}: as it must", flush=True
            )
            return
        finished.append(outcome)
        words = f"{outcome.by} {outcome.how} {outcome.killer}" if outcome.by else "SURVIVED"
        print(
            f"{len(finished)}/{len(mutants)} {time.monotonic() - started:.0f} s: "
            f"{outcome.mutant.place} {outcome.mutant.operator}: {words} ({outcome.seconds} s)",
            flush=True,
        )
        if asked.json is not None:  # so that what was judged is kept if the rest is not
            _write(asked.json, _merged(before, finished))

    judge_all([*controls(chosen), *mutants], asked.workers, done)
    tell(_merged(before, finished))
    print(f"\n{len(finished)} mutants judged in {time.monotonic() - started:.0f} s")


def _merged(before: Sequence[Outcome], anew: Sequence[Outcome]) -> list[Outcome]:
    outcomes = {one.mutant: one for one in before} | {one.mutant: one for one in anew}
    return sorted(
        outcomes.values(), key=lambda one: (one.mutant.place, one.mutant.line, one.mutant.operator)
    )


if __name__ == "__main__":
    main()
