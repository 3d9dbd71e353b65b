"""Fails on what must not be in a commit: secrets, registry addresses, paths of one machine."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent

# Written in pieces, so that this file does not find itself.
FORBIDDEN = {
    "a registry address": "|".join(
        re.escape(host)
        for host in (
            "pypi" + ".org",
            "python" + "hosted.org",
            "registry.npm" + "js.org",
            "deb.debian" + ".org",
        )
    ),
    "a path of one machine": "/wor" + r"k/|/hom" + r"e/[a-z]|/roo" + r"t/",
    "an AWS access key": r"\bA(KI|SI)A[A-Z2-7]{16}\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE " + r"KEY-----(?:\s|\\[nr])*[A-Za-z0-9+/]{32}",
    "an IVS stream key": r"\bsk_[a-z]{2}-[a-z]+-\d_(?!REDACTED)[A-Za-z0-9]{8,}_[A-Za-z0-9]{16,}",
    "a bearer token": r"(?i)bearer [A-Za-z0-9_\-]{32,}",
}


def main() -> int:
    """Print each hit and return how many there are."""
    listing = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True
    ).stdout
    names = [name for name in listing.decode().split("\0") if name]
    hits = 0
    for name in names:
        path = ROOT / name
        if not path.is_file():
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        for what, pattern in FORBIDDEN.items():
            for match in re.finditer(pattern, text):
                line = text.count("\n", 0, match.start()) + 1
                print(f"{name}:{line}: {what}")
                hits += 1
    print(f"scanned {len(names)} files: {hits} hits")
    return hits


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
