"""Options of pytest that write what a run found to files, in one form each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from qbench.files import write_output
from qbench.run_record import encode_record

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from qbench.report.gallery import SubjectGallery
    from qbench.run_record import RunRecord

#: Each option with what makes the content of its file.
_FORMS: dict[str, Callable[[RunRecord], bytes]] = {"qbench_json": encode_record}


def _html(record: RunRecord, galleries: Sequence[SubjectGallery]) -> bytes:
    from qbench.report.html.page import render_page  # noqa: PLC0415 - templates are read by who writes a page alone

    return render_page(record, galleries).encode()


#: The same of forms that show more than the record.
_PAGES: dict[str, Callable[[RunRecord, Sequence[SubjectGallery]], bytes]] = {"qbench_html": _html}


class ReportFiles:
    """The files that a run was asked to write.

    Raises
    ------
    pytest.UsageError
        If one cannot be written: said before anything is measured.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._paths: dict[str, Path] = {}
        self.galleries: Sequence[SubjectGallery] = ()
        for option in (*_FORMS, *_PAGES):
            if given := config.getoption(option):
                path = config.invocation_params.dir / given
                flag = "--" + option.replace("_", "-")
                if path.is_dir():
                    raise pytest.UsageError(f"{flag}: found the folder {path}, expected a file to write")
                self._paths[option] = path

    def __bool__(self) -> bool:
        """Whether there is anything to write."""
        return bool(self._paths)

    @property
    def shows_more(self) -> bool:
        """Whether one of them shows more than the record; it is `galleries` then."""
        return any(option in self._paths for option in _PAGES)

    def write(self, record: RunRecord) -> list[str]:
        """Write all of them and return what went wrong, as sentences; one that cannot be written stops no other."""
        wrong = []
        for option, path in self._paths.items():
            try:
                write_output(path, self._content(option, record))
            except OSError as error:
                wrong.append(f"--{option.replace('_', '-')}: {path} cannot be written ({error})")
        return wrong

    def _content(self, option: str, record: RunRecord) -> bytes:
        return _PAGES[option](record, self.galleries) if option in _PAGES else _FORMS[option](record)
