"""Builds the five wheels and tries each alone, with its dependencies, in an environment of its own.

The plugins of platforms then replay their recordings there, which their wheels must carry: outside
this repository, and without a network interface where the machine lets anybody go without.

Usage: ``python .ci/check_wheels.py FOLDER``; the folder is used for wheels and environments.
"""

import json
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parent.parent
MEMBERS = {
    "core": "headend",
    "plugins/cloudflare": "headend_cloudflare",
    "plugins/ivs": "headend_ivs",
    "plugins/local": "headend_local",
    "contract_tests": "headend_contract",
}
ALONE = {
    "headend": "import headend.platform, headend.plugin, headend.rtmp",
    "headend_cloudflare": "import headend_cloudflare.provider",
    "headend_contract": "import headend_contract.process, headend_contract.reference.simulator",
    "headend_ivs": "import headend_ivs.provider",
    "headend_local": "import headend_local.provider, headend_local.server",
}
RECORDED = {"headend_cloudflare": "cloudflare", "headend_ivs": "aws-ivs"}
"""The providers whose recordings are in their plugin's wheel."""

CUT_OFF = ("unshare", "--map-root-user", "--net")
"""Runs a command that has no network interface but a loopback one, and that is down."""


def run(*command: str | Path, folder: Path | None = None) -> str:
    """Run a command, in a folder or here, and return what it printed; fail loudly."""
    parts = [str(part) for part in command]
    done = subprocess.run(parts, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def cut_off() -> tuple[str, ...]:
    """Return what to run a command with so that it has no network; nothing where that is barred."""
    if shutil.which(CUT_OFF[0]) is None:
        return ()
    barred = subprocess.run([*CUT_OFF, "true"], capture_output=True).returncode
    return () if barred else CUT_OFF


def replay(package: str, wheels: Path, environment: Path) -> None:
    """Hold a plugin against the recordings in its wheel; all must be played and pass."""
    python, alone = environment / "bin" / "python", cut_off()
    suite = next(wheels.glob("headend_contract-*.whl"))
    run(
        *(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt"),
        *("--find-links", wheels, suite),
    )
    with TemporaryDirectory() as elsewhere:
        run(
            *(*alone, python, "-m", "headend", "contract", "run", RECORDED[package]),
            *("--mode", "replay", "--report", "report.json"),
            folder=Path(elsewhere),
        )
        report = json.loads(Path(elsewhere, "report.json").read_text(encoding="utf-8"))
    tapes = {one.stem for one in (ROOT / "cassettes" / RECORDED[package]).rglob("*-[0-9]*.yaml")}
    played = {one["id"] for one in report["results"] if one["provenance"] is not None}
    if played != tapes:
        sys.exit(f"{package}: recordings that its wheel does not play: {sorted(tapes ^ played)}")
    how = "without a network interface" if alone else "on a machine that keeps its network"
    print(f"{package}: {len(played)} recordings of its wheel are played, {how}")


def main(folder: Path) -> None:
    """Build, look inside, install alone, import, replay."""
    wheels = folder / "wheels"
    pip = [sys.executable, "-m", "pip"]
    members = [f"./{member}" for member in MEMBERS]
    run(*pip, "wheel", "-q", "--no-deps", "-w", wheels, *(ROOT / member for member in members))
    for package in MEMBERS.values():
        wheel = next(wheels.glob(f"{package}-*.whl"))
        names = zipfile.ZipFile(wheel).namelist()
        strangers = [name for name in names if not name.startswith((f"{package}/", f"{package}-"))]
        tests = [name for name in names if "test" in name.lower() and "/tests/" in name]
        if f"{package}/py.typed" not in names or strangers or tests:
            sys.exit(
                f"{wheel.name}: py.typed missing, or more than its package: {strangers + tests}"
            )
        environment = folder / f"alone-{package}"
        venv.create(environment, with_pip=True)
        python = environment / "bin" / "python"
        run(
            *(python, "-m", "pip", "install", "-q", "-c", ROOT / "constraints.txt"),
            *("--find-links", wheels, wheel),
        )
        run(python, "-c", ALONE.get(package, f"import {package}"))
        run(python, "-m", "headend", "providers")
        print(f"{wheel.name}: {len(names)} files, works alone")
        if package in RECORDED:
            replay(package, wheels, environment)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
