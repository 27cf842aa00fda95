"""The workflow that comments: which pull request, which comment, and what of a report that nobody can trust."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from run_records import a_run, a_subject, a_verdict

from pull_request.workflow import Ran, Runner, steps
from qbench.run_json import encode_record

if TYPE_CHECKING:
    from pathlib import Path

SHA = "a" * 40

#: GitHub's program: answers from files, and notes what it was asked and what it was to write.
_GH = """
printf '%s\\n' "$*" >> "$FAKE/asked"
case "$*" in
  *issues/comments/*|*"--method POST"*) cp comment.md "$FAKE/body"; echo '{}' ;;
  *pulls*) cat "$FAKE/pulls.json" ;;
  *comments*) cat "$FAKE/comments.json" ;;
  *) exit 9 ;;
esac
"""


def pull(number: int, sha: str = SHA) -> dict[str, Any]:
    return {"number": number, "head": {"sha": sha}}


def comment(number: int, body: str, user: str = "github-actions[bot]") -> dict[str, Any]:
    return {"id": number, "body": body, "user": {"login": user}}


class Job:
    """The job that comments, with GitHub played by files."""

    def __init__(self, folder: Path, *, branch: str = "feature") -> None:
        self.work = folder / "work"
        self.fake = folder / "fake"
        for made in (self.work, self.fake):
            made.mkdir()
        self.pulls: list[dict[str, Any]] = [pull(7)]
        self.pages: list[list[dict[str, Any]]] = [[]]
        event = "github.event.workflow_run"
        self.runner = Runner(
            folder / "runner",
            {
                "github.token": "t",
                f"{event}.head_branch": branch,
                f"{event}.head_repository.owner.login": "stranger",
                f"{event}.head_sha": SHA,
                f"{event}.html_url": "https://github.example/owner/shop/actions/runs/1",
                "steps.find.outputs.number": "7",
            },
            {"gh": _GH},
        )

    def report(self, content: bytes) -> None:
        (self.work / "qbench-report").mkdir()
        (self.work / "qbench-report" / "run.json").write_bytes(content)

    def step(self, name: str) -> Ran:
        (self.fake / "pulls.json").write_text(json.dumps(self.pulls))
        (self.fake / "comments.json").write_text("".join(json.dumps(page) for page in self.pages))
        ran = self.runner.run(steps("github-comment", "comment")[name], self.work, FAKE=str(self.fake))
        assert ran.status == 0
        return ran

    @property
    def asked(self) -> str:
        return (self.fake / "asked").read_text()


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the job writes of a run that is green."""
    job = Job(tmp_path_factory.mktemp("written"))
    job.report(encode_record(a_run(subjects=(a_subject(),))))
    job.step("Write")
    return (job.work / "comment.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("pulls", "number"),
    [([pull(7)], "7"), ([pull(5, "b" * 40), pull(7)], "7"), ([pull(5, "b" * 40)], ""), ([], "")],
    ids=["one", "of the commit", "of a later commit", "closed"],
)
def test_the_pull_request_is_the_open_one_of_that_commit(job: Job, pulls: list[dict[str, Any]], number: str):
    job.pulls = pulls
    assert job.step("Find the pull request").outputs == {"number": number}
    assert job.asked == "api --method GET repos/owner/shop/pulls -f state=open -f head=stranger:feature\n"


def test_the_name_of_a_branch_is_no_command(tmp_path: Path):
    job = Job(tmp_path, branch='x";touch$IFS"../hacked";$(touch ../hacked)`touch ../hacked`')
    job.step("Find the pull request")
    assert not (tmp_path / "hacked").exists()


def test_a_report_is_made_again_from_its_json_and_its_texts_stay_text(job: Job):
    evil = "</details> @octocat ![x](https://evil.example/x.png)"
    job.report(encode_record(a_run(verdict="fail", gated=True, verdicts=(a_verdict(sentence=evil),), project=evil)))
    job.step("Write")
    written = (job.work / "comment.md").read_text("utf-8")
    assert written.startswith("<!-- qbench ")
    assert "**fail:** `</details>` `@octocat` `![x](https://evil.example/x.png`)" in written
    assert written.endswith(
        "The run, with the whole report as an artifact: https://github.example/owner/shop/actions/runs/1\n"
    )


@pytest.mark.parametrize("content", [None, b"{}", b"\xff", b"# I am fine\n"])
def test_what_is_no_report_is_said_and_not_shown(job: Job, content: bytes | None):
    if content is not None:
        job.report(content)
    job.step("Write")
    written = (job.work / "comment.md").read_text("utf-8")
    assert written.startswith("<!-- qbench -->\n**qbench: not judged.** The run left no report that can be read")


@pytest.mark.parametrize(
    ("pages", "call"),
    [
        ([[]], "api --method POST repos/owner/shop/issues/7/comments -F body=@comment.md"),
        (
            [[comment(1, "hello")], [comment(2, "<!-- qbench shop -->\n...")]],
            "api --method PATCH repos/owner/shop/issues/comments/2 -F body=@comment.md",
        ),
        (
            [[comment(1, "<!-- qbench shop -->", user="stranger")]],
            "api --method POST repos/owner/shop/issues/7/comments -F body=@comment.md",
        ),
        (
            [[comment(1, "what <!-- qbench shop --> is"), comment(3, "<!-- qbench -->\nnot judged")]],
            "api --method PATCH repos/owner/shop/issues/comments/3 -F body=@comment.md",
        ),
    ],
    ids=["first", "again", "a stranger's", "after none"],
)
def test_one_comment_of_our_own_is_written_and_then_changed(
    job: Job, written: str, pages: list[list[dict[str, Any]]], call: str
):
    (job.work / "comment.md").write_text(written, "utf-8")
    job.pages = pages
    job.step("Comment")
    assert job.asked.splitlines()[-1] == call
    assert (job.fake / "body").read_text("utf-8").startswith("<!-- qbench shop -->\n")
