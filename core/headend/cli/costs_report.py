"""`headend costs report`: what a month cost, for people and for spreadsheets."""

from __future__ import annotations

import contextlib
import io
import json
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from headend.cli.output import json_option, print_fields, print_table, to_json

if TYPE_CHECKING:
    from headend.costs.report import MonthlyReport

_TABLE: Final = "table"
_JSON: Final = "json"
_CSV: Final = "csv"
_HTML: Final = "html"
_FORMATS: Final = (_TABLE, _JSON, _CSV, _HTML)
_SUFFIXES: Final = {
    "": _TABLE,
    ".txt": _TABLE,
    ".json": _JSON,
    ".csv": _CSV,
    ".html": _HTML,
    ".htm": _HTML,
}


@click.command("report")
@click.option("--month", metavar="YYYY-MM", help="The month; without it, the one that goes on.")
@click.option(
    "--format",
    "form",
    type=click.Choice(_FORMATS),
    help="What it looks like; without it, as the name of FILE ends; a table without FILE.",
)
@click.option(
    "-o",
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write it there, whole or not at all, instead of to stdout.",
)
@json_option
def report_command(
    month: str | None, form: str | None, file: Path | None, *, as_json: bool
) -> None:
    """Show what a month cost, or has cost so far.

    The page (--format html) is one file that anyone can read and print; it needs
    `pip install 'headend[report]'`. The CSV file has one row a line item.
    """
    wanted = _format(form, file, as_json=as_json)
    if wanted == _HTML and file is None and _is_terminal():
        raise click.UsageError("a page is for a browser: give it a FILE with -o, or redirect it")

    from headend import open_costs
    from headend.cli.costs import check_that_it_is_kept

    with open_costs() as book:
        check_that_it_is_kept(book)
        try:
            report = book.report(month)
        except ValueError as error:
            raise click.BadParameter(str(error), param_hint="--month") from None
    text = _render(report, wanted)
    if file is None:
        # As it is: the rows of a CSV file end in two characters that are not to become three.
        click.echo(text.encode(), nl=False)
    else:
        _write(file, text.encode())


def _is_terminal() -> bool:
    return sys.stdout.isatty()


def _format(form: str | None, file: Path | None, *, as_json: bool) -> str:
    if as_json:
        if form not in {None, _JSON}:
            raise click.UsageError(f"--json and --format {form} exclude each other")
        return _JSON
    if form is not None:
        return form
    if file is None:
        return _TABLE
    found = _SUFFIXES.get(file.suffix.lower())
    if found is None:
        raise click.UsageError(
            f"{file.name} tells no format: let it end in .html (a browser prints that as PDF), "
            ".csv, .json or .txt, or give --format"
        )
    return found


def _render(report: MonthlyReport, form: str) -> str:
    if form == _JSON:
        return f"{json.dumps(to_json(report), ensure_ascii=False, indent=2)}\n"
    if form == _CSV:
        from headend.costs.tables import render_csv

        return render_csv(report)
    if form == _HTML:
        from headend.costs.html import render_html

        return render_html(report)
    return _tables(report)


def _tables(report: MonthlyReport) -> str:
    from headend.costs.tables import headline, text_tables

    text = io.StringIO()
    with contextlib.redirect_stdout(text):
        print_fields(headline(report))
        for table in text_tables(report):
            click.echo(f"\n{table.title}")
            print_table(table.columns, table.rows, numbers=table.numbers)
    return text.getvalue()


def _write(file: Path, content: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    try:
        if file.exists() and not file.is_file():
            file.write_bytes(content)  # a device or a pipe
            return
        target = file.resolve()
        draft = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            with draft.open("xb") as writer:
                writer.write(content)
                writer.flush()
                os.fsync(writer.fileno())
            if target.exists():
                draft.chmod(stat.S_IMODE(target.stat().st_mode))
            draft.replace(target)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise click.FileError(str(file), error.strerror) from error
