"""``qbench report``: the reports of a run made again from its JSON, such as in a job that writes a comment."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from qbench.errors import ConfigError, RunRecordError
from qbench.files import write_output, write_summary
from qbench.report.markdown import markdown_report
from qbench.run_json import decode_record

if TYPE_CHECKING:
    import argparse

HELP = "make the reports of a run again from its JSON"
DESCRIPTION = (
    "Makes reports of a run from the JSON that --qbench-json wrote, without the models. The file may come from where "
    "nobody is trusted, such as a pull request: what is no record is refused, and every text in it stays text."
)

#: A record of a thousand subjects has a tenth of this; whatever is larger was made to fill the memory.
_MOST_BYTES = 64 * 2**20

_STDOUT = "-"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of ``qbench report``."""
    parser.add_argument("record", type=Path, metavar="RUN.json", help="what --qbench-json wrote")
    parser.add_argument(
        "--markdown",
        metavar="PATH",
        help="write it as Markdown, for a comment or a job's summary; `-` prints it, which is what happens without any",
    )
    parser.add_argument("--html", metavar="PATH", help="write it as a page, without the pictures that need the models")


def run_command(options: argparse.Namespace) -> int:
    """Write what was asked for and return the exit status 0.

    Raises
    ------
    RunRecordError
        If the file is no record of a run, or cannot be read.
    ConfigError
        If a report cannot be written.
    """
    record = decode_record(_read(options.record), name=options.record.name)
    if options.html:
        from qbench.report.html.page import render_page  # noqa: PLC0415 - templates are read by who writes a page alone

        _write("--html", options.html, render_page(record, ()).encode())
    if options.markdown or not options.html:
        _write("--markdown", options.markdown or _STDOUT, markdown_report(record).encode())
    return 0


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except OSError as error:
        raise RunRecordError(f"{path.name} cannot be read: {error}; give it a file that --qbench-json wrote") from error
    if len(content) > _MOST_BYTES:
        raise RunRecordError(
            f"{path.name}: found more than {_MOST_BYTES >> 20} MiB, expected the record of a run; "
            "give it a file that --qbench-json wrote"
        )
    return content


def _write(flag: str, name: str, content: bytes) -> None:
    if name == _STDOUT:
        sys.stdout.buffer.write(content)
        return
    try:
        (write_summary if flag == "--markdown" else write_output)(Path(name), content)
    except OSError as error:
        raise ConfigError(flag, found=f"{name}, which cannot be written ({error})", expected="a file") from error
