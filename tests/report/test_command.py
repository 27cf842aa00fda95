"""`qbench report`: reports made again from the JSON of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from run_records import a_run, a_verdict

from qbench.cli import main
from qbench.report import command
from qbench.report.markdown import markdown_report
from qbench.run_json import encode_record

if TYPE_CHECKING:
    from pathlib import Path

RUN = a_run(verdict="fail", exit_status=1, headline="1 fail", gated=True, verdicts=(a_verdict(),))


@pytest.fixture
def run_json(tmp_path: Path) -> Path:
    path = tmp_path / "run.json"
    path.write_bytes(encode_record(RUN))
    return path


@pytest.mark.parametrize("arguments", [[], ["--markdown", "-"]])
def test_markdown_is_printed(run_json: Path, capfdbinary: pytest.CaptureFixture[bytes], arguments: list[str]):
    assert main(["report", str(run_json), *arguments]) == 0
    assert capfdbinary.readouterr().out.decode() == markdown_report(RUN)


def test_both_are_written(run_json: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    page, text = tmp_path / "page.html", tmp_path / "text.md"
    assert main(["report", str(run_json), "--markdown", str(text), "--html", str(page)]) == 0
    assert text.read_text("utf-8") == markdown_report(RUN)
    assert "5.10% worse than 784 B" in page.read_text("utf-8")
    assert capsys.readouterr().out == ""


def test_the_summary_of_a_step_is_not_replaced(run_json: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    assert main(["report", str(run_json), "--markdown", str(summary)]) == 0
    assert summary.read_text("utf-8") == f"before\n\n{markdown_report(RUN)}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "run.json cannot be read: "),
        (b"{}", "run.json: found the format None, expected 'qbench-run'"),
        (b'{"format": "qbench-run", "format_version": 1, "verdict": 7}', "run.json is not the record of a run"),
        (b"[" * 100_000, "run.json is not the record of a run"),
        (b"\xff\xfe", "run.json is not the record of a run"),
    ],
    ids=["none", "another", "half", "deep", "binary"],
)
def test_what_is_no_record_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, message: str
):
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    assert main(["report", str(path), "--markdown", str(tmp_path / "text.md")]) == 1
    said = capsys.readouterr().err
    assert said.startswith(f"qbench report: {message}")
    assert "--qbench-json" in said
    assert not (tmp_path / "text.md").exists()


def test_what_is_too_large_is_refused_before_it_is_read(
    run_json: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(command, "_MOST_BYTES", 1 << 20)
    with run_json.open("ab") as stream:
        stream.truncate(1 << 40)  # Of holes: it takes no place on the disk, and reading it all would end this test.
    assert main(["report", str(run_json)]) == 1
    assert "found more than 1 MiB, expected the record of a run" in capsys.readouterr().err


def test_where_nothing_can_be_written_is_said(run_json: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["report", str(run_json), "--markdown", str(tmp_path)]) == 2
    assert "qbench report: --markdown: found" in capsys.readouterr().err
