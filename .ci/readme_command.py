"""Prints the n-th command of the README: the n-th ``console`` block, which is one line."""

import re
import sys
from pathlib import Path

readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
print(re.findall(r"```console\n([^\n]+)\n```", readme)[int(sys.argv[1]) - 1])
