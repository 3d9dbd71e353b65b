"""``python -m headend`` is the command ``headend``."""

from headend.cli.main import main

main()
