"""Options of pytest that write what a run found to files, in one form each."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from qbench.files import write_output, write_summary
from qbench.report.markdown import markdown_report
from qbench.run_json import encode_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from qbench.report.gallery import SubjectGallery
    from qbench.run_record import RunRecord

_MARKDOWN = "qbench_markdown"

#: Each option with what makes the content of its file.
_FORMS: dict[str, Callable[[RunRecord], bytes]] = {
    "qbench_json": encode_record,
    _MARKDOWN: lambda record: markdown_report(record).encode(),
}


def _html(record: RunRecord, galleries: Sequence[SubjectGallery]) -> bytes:
    from qbench.report.html.page import render_page  # noqa: PLC0415 - templates are read by who writes a page alone

    return render_page(record, galleries).encode()


#: The same of forms that show more than the record.
_PAGES: dict[str, Callable[[RunRecord, Sequence[SubjectGallery]], bytes]] = {"qbench_html": _html}


class ReportFiles:
    """The files that a run was asked to write, and the record that they, and others, are made of.

    Attributes
    ----------
    record
        Of the run; None before its end, and where nothing needs it.
    failures
        What failed and is of no subject, as sentences.

    Raises
    ------
    pytest.UsageError
        If one cannot be written, or two are the same: said before anything is measured.
    """

    def __init__(self, config: pytest.Config) -> None:
        self.record: RunRecord | None = None
        self.failures: list[str] = []
        self._paths: dict[str, Path] = {}
        #: What was written as Markdown, should the run end otherwise after that.
        self._summary = b""
        self.galleries: Sequence[SubjectGallery] = ()
        folder = config.invocation_params.dir
        # What other plugins write, which the last to write would replace.
        others = {"--junit-xml": "xmlpath", "--benchmark-json": "benchmark_json"}
        taken = {
            (folder / str(given)).resolve(): flag for flag, name in others.items() if (given := _given(config, name))
        }
        for option in (*_FORMS, *_PAGES):
            if given := _given(config, option):
                path, flag = folder / str(given), _flag(option)
                if problem := _unusable(path):
                    raise pytest.UsageError(f"{flag}: found {problem}, expected a file that can be written")
                if (other := taken.setdefault(path.resolve(), flag)) != flag and not _is_device(path):
                    raise pytest.UsageError(f"{flag}: found {path}, which {other} writes, expected another file")
                self._paths[option] = path
        self._needed = bool(self._paths or _given(config, "xmlpath") or in_github_actions())

    def __bool__(self) -> bool:
        """Whether the record of the run is needed."""
        return self._needed

    @property
    def shows_more(self) -> bool:
        """Whether one of them shows more than the record; it is `galleries` then."""
        return any(option in self._paths for option in _PAGES)

    def write(self, record: RunRecord) -> list[str]:
        """Write all of them and return what went wrong, as sentences; one that cannot be written stops no other."""
        self.record = record
        wrong = []
        for option, path in self._paths.items():
            try:
                content = self._content(option, record)
                if option == _MARKDOWN:
                    write_summary(path, content, instead_of=self._summary)
                    self._summary = content
                else:
                    write_output(path, content)
            except OSError as error:
                wrong.append(f"{_flag(option)}: {path} cannot be written ({error})")
            except Exception as error:  # noqa: BLE001 - what was judged has to be told, whatever cannot be drawn
                wrong.append(f"{_flag(option)}: the report cannot be made ({type(error).__name__}: {error})")
        return wrong

    def _content(self, option: str, record: RunRecord) -> bytes:
        return _PAGES[option](record, self.galleries) if option in _PAGES else _FORMS[option](record)


def in_github_actions() -> bool:
    """Whether this is a step of GitHub Actions."""
    return os.environ.get("GITHUB_ACTIONS", "").lower() == "true"


def _given(config: pytest.Config, option: str) -> object:
    return config.getoption(option, None)


def _flag(option: str) -> str:
    return "--" + option.replace("_", "-")


def _unusable(path: Path) -> str:
    """What keeps a file from being written there, as far as that can be told without writing; empty if nothing does."""
    if path.is_dir():
        return f"the folder {path}"
    if path.exists():
        return "" if os.access(path, os.W_OK) else f"{path}, which must not be written"
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir():
        return f"{path}, and {above} is no folder"
    return "" if os.access(above, os.W_OK) else f"{path} in a folder that must not be written"


def _is_device(path: Path) -> bool:
    """Whether two may write there: a terminal, a pipe, /dev/null."""
    return path.exists() and not path.is_file()
