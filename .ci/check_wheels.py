"""Builds the five wheels and tries each alone, with its dependencies, in an environment of its own.

Usage: ``python .ci/check_wheels.py FOLDER``; the folder is used for wheels and environments.
"""

import subprocess
import sys
import venv
import zipfile
from pathlib import Path

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


def run(*command: str | Path) -> str:
    """Run a command and return what it printed; fail loudly."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def main(folder: Path) -> None:
    """Build, look inside, install alone, import."""
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


if __name__ == "__main__":
    main(Path(sys.argv[1]))
