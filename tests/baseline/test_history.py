"""What was accepted over time, as scratch repositories tell it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from baseline.examples import SUBJECT, baseline
from baseline.scratch_git import commit, git, init
from qbench.baseline.history import AcceptedChange, read_histories, read_history
from qbench.baseline.schema import encode_baseline
from qbench.errors import BaselineError
from qbench.records import Subject

if TYPE_CHECKING:
    from pathlib import Path

RENAMED = Subject(model="small", recipe="int8")


@pytest.fixture(autouse=True)
def _outside_hooks(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return init(tmp_path / "repository")


def put(repository: Path, version: int, subject: Subject = SUBJECT, folder: str = "baselines", **changed: Any) -> None:
    """Lay the JSON of a baseline into the working tree."""
    path = repository / folder / subject.model / f"{subject.recipe}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_baseline(baseline(version, subject, **changed)))


def accept(
    repository: Path, version: int, subject: Subject = SUBJECT, folder: str = "baselines", **changed: Any
) -> str:
    """Commit version `version` of a baseline, with nothing else in the commit, and return the commit."""
    put(repository, version, subject, folder, **changed)
    return commit(repository, f"version {version}")


def versions(changes: tuple[AcceptedChange, ...]) -> list[int]:
    return [int(change.metrics["size_bytes"]) - 1000 for change in changes]


def history(repository: Path, subject: Subject = SUBJECT, folder: str = "baselines", reference: str = "HEAD"):
    return read_histories(repository / folder, [subject], reference)[subject]


# --- one branch -------------------------------------------------------------------------------------------


def test_every_commit_that_changed_it_tells_who_when_what_and_why(repository: Path):
    first = accept(repository, 1)
    commit(repository, "nothing of it")
    accept(repository, 7, Subject(model="tiny", recipe="fp32"))
    second = accept(repository, 2)
    changes = read_history(repository / "baselines", SUBJECT)
    assert [change.commit for change in changes] == [first, second]
    assert [change.author for change in changes] == ["Tester", "Tester"]
    assert [change.reason for change in changes] == ["version 1", "version 2"]
    assert {change.committed_on for change in changes} == {git(repository, "log", "-1", "--format=%cd", "--date=short")}
    assert changes[1].metrics == baseline(2).metrics
    assert changes[1].artifact_sha256 == baseline(2).artifact.sha256
    assert changes[1].dataset == "d"
    assert changes[1].latency == baseline(2).latency
    assert history(repository).notes == ()
    assert history(repository).gap == ""


def test_a_change_of_latency_alone_is_one_too(repository: Path):
    accept(repository, 1, latency={})
    accept(repository, 1)
    changes = read_history(repository / "baselines", SUBJECT)
    assert versions(changes) == [1, 1]
    assert [list(change.latency) for change in changes] == [[], ["here"]]


def test_a_subject_that_was_never_accepted_has_none(repository: Path):
    accept(repository, 1)
    assert read_history(repository / "baselines", RENAMED) == ()
    assert read_history(repository / "elsewhere" / "baselines", SUBJECT) == ()


def test_several_subjects_are_read_at_once(repository: Path):
    accept(repository, 1)
    accept(repository, 2, RENAMED)
    accept(repository, 3)
    found = read_histories(repository / "baselines", [SUBJECT, RENAMED, SUBJECT])
    assert {subject: versions(one.changes) for subject, one in found.items()} == {SUBJECT: [1, 3], RENAMED: [2]}


def test_a_project_in_a_folder_of_the_repository_has_its_own(repository: Path):
    accept(repository, 1)
    accept(repository, 5, folder="some/project/baselines")
    assert versions(read_history(repository / "some" / "project" / "baselines", SUBJECT)) == [5]


def test_a_folder_that_is_gone_from_the_working_tree_still_has_its_history(repository: Path):
    accept(repository, 5, folder="some/project/baselines")
    shutil.rmtree(repository / "some")
    assert versions(read_history(repository / "some" / "project" / "baselines", SUBJECT)) == [5]


def test_a_reference_ends_it(repository: Path):
    accept(repository, 1)
    git(repository, "tag", "v1")
    accept(repository, 2)
    put(repository, 3)
    assert versions(read_history(repository / "baselines", SUBJECT, "v1")) == [1]
    assert versions(read_history(repository / "baselines", SUBJECT, "main")) == [1, 2]
    with pytest.raises(BaselineError, match="git knows no commit 'v2' here; fetch it first"):
        read_history(repository / "baselines", SUBJECT, "v2")


@pytest.mark.parametrize("reference", ["--all", "-h", "--output=written"])
def test_a_reference_is_never_an_option_of_git(repository: Path, reference: str):
    accept(repository, 1)
    with pytest.raises(BaselineError, match="git knows no commit"):
        read_history(repository / "baselines", SUBJECT, reference)
    assert sorted(path.name for path in repository.iterdir()) == [".git", "baselines"]


def test_a_branch_may_even_be_called_like_an_option(repository: Path):
    accept(repository, 1)
    git(repository, "update-ref", "refs/heads/--all", "HEAD")
    accept(repository, 2)
    assert versions(read_history(repository / "baselines", SUBJECT, "--all")) == [1]


@pytest.mark.parametrize(
    "author",
    ["Ünï Çode", "<script>alert(1)</script>", "a\tb|c`d", ":100644 100644 0 0 M", "0" * 40, "\x1b[31mred", "O'B"],
)
def test_whatever_an_author_is_called_is_told_as_it_is(repository: Path, author: str):
    accept(repository, 1)
    put(repository, 2)
    git(repository, "add", "--all")
    git(repository, "-c", f"user.name={author}", "commit", "--quiet", "--message", "x")
    accept(repository, 3)
    changes = read_history(repository / "baselines", SUBJECT)
    expected = git(repository, "log", "-1", "--skip=1", "--format=%aN")
    assert [change.author for change in changes] == ["Tester", expected, "Tester"]
    assert versions(changes) == [1, 2, 3]


@pytest.mark.parametrize("folder", ["base[l]ines*", "ä ö", "-q", ":(top)x", "a\tb"])
def test_whatever_the_folder_is_called(repository: Path, folder: str):
    accept(repository, 1, folder=folder)
    accept(repository, 9, folder="baselines")
    accept(repository, 2, folder=folder)
    assert versions(read_history(repository / folder, SUBJECT)) == [1, 2]


def test_settings_of_the_user_change_nothing(repository: Path):
    accept(repository, 1)
    accept(repository, 2)
    settings = ["color.ui=always", "log.showRoot=false", "log.showSignature=true", "diff.renames=copies"]
    for name, value in (setting.split("=") for setting in [*settings, "log.decorate=full", "core.abbrev=4"]):
        git(repository, "config", name, value)
    assert versions(read_history(repository / "baselines", SUBJECT)) == [1, 2]


@pytest.mark.parametrize("form", ["dense-combined", "off"])
def test_how_the_user_has_merges_shown_changes_nothing(repository: Path, form: str):
    accept(repository, 1)
    branch_off(repository, "side")
    accept(repository, 2)
    git(repository, "checkout", "--quiet", "main")
    commit(repository, "meanwhile")
    merge(repository, "side")
    git(repository, "config", "log.diffMerges", form)
    changes = read_history(repository / "baselines", SUBJECT)
    assert versions(changes) == [1, 2]
    assert all(change.commit for change in changes), "not what lies in the working tree alone"


# --- branches ---------------------------------------------------------------------------------------------


def branch_off(repository: Path, name: str) -> None:
    git(repository, "checkout", "--quiet", "-b", name)


def merge(repository: Path, name: str, *options: str) -> str:
    git(repository, "checkout", "--quiet", "main")
    git(repository, "-c", "user.name=Merger", "merge", "--quiet", "--no-ff", "--message=merge", *options, name)
    return git(repository, "rev-parse", "HEAD")


def test_a_merge_is_one_change_told_as_the_commit_that_accepted_it(repository: Path):
    accept(repository, 1)
    branch_off(repository, "side")
    accept(repository, 2)
    accepted = accept(repository, 3)
    git(repository, "checkout", "--quiet", "main")
    commit(repository, "main goes on")
    merged = merge(repository, "side")
    changes = read_history(repository / "baselines", SUBJECT)
    # Version 2 was never what main had.
    assert versions(changes) == [1, 3]
    assert changes[-1].commit == accepted != merged
    assert changes[-1].author == "Tester"


def test_what_a_merge_itself_decided_is_its_own(repository: Path):
    accept(repository, 1)
    branch_off(repository, "side")
    accept(repository, 2)
    git(repository, "checkout", "--quiet", "main")
    accept(repository, 3)
    git(repository, "merge", "--quiet", "--no-commit", "--strategy=ours", "side")
    put(repository, 4)
    git(repository, "add", "--all")
    git(repository, "-c", "user.name=Merger", "commit", "--quiet", "--message", "by hand")
    changes = read_history(repository / "baselines", SUBJECT)
    assert versions(changes) == [1, 3, 4]
    assert changes[-1].author == "Merger"


def test_a_value_that_came_twice_is_told_by_the_branch_that_brought_it(repository: Path):
    accept(repository, 1)
    accepted = []
    for name in ("one", "two"):
        branch_off(repository, name)
        accepted.append(accept(repository, 2))
        git(repository, "checkout", "--quiet", "main")
        commit(repository, "main goes on")
        merge(repository, name)
        accept(repository, 1)
    changes = read_history(repository / "baselines", SUBJECT)
    assert versions(changes) == [1, 2, 1, 2, 1]
    assert [changes[1].commit, changes[3].commit] == accepted


def test_a_squash_merge_and_a_cherry_pick_are_commits_of_their_own(repository: Path):
    accept(repository, 1)
    branch_off(repository, "side")
    accept(repository, 2)
    accept(repository, 3)
    git(repository, "checkout", "--quiet", "main")
    git(repository, "merge", "--quiet", "--squash", "side")
    squashed = commit(repository, "squashed")
    branch_off(repository, "other")
    accept(repository, 4)
    git(repository, "checkout", "--quiet", "main")
    git(repository, "cherry-pick", "other")
    picked = git(repository, "rev-parse", "HEAD")
    changes = read_history(repository / "baselines", SUBJECT)
    assert versions(changes) == [1, 3, 4]
    assert [change.commit for change in changes[1:]] == [squashed, picked]


# --- names ------------------------------------------------------------------------------------------------


def test_a_moved_folder_of_baselines_is_followed(repository: Path):
    accept(repository, 1, folder="old/place")
    accept(repository, 2, folder="old/place")
    git(repository, "mv", "old/place", "kept")
    moved = commit(repository, "move")
    accept(repository, 3, folder="kept")
    found = history(repository, folder="kept")
    assert versions(found.changes) == [1, 2, 2, 3]
    assert found.notes == (f"it was old/place/tiny/int8.json before {moved[:12]}",)


def test_a_renamed_model_is_followed_from_name_to_name(repository: Path):
    accept(repository, 1)
    for before, after in (("tiny", "little"), ("little", "small")):
        git(repository, "mv", f"baselines/{before}", f"baselines/{after}")
        put(repository, 1, Subject(model=after, recipe="int8"))
        commit(repository, "rename")
    found = history(repository, RENAMED)
    assert versions(found.changes) == [1, 1, 1]
    assert len(found.notes) == 2


def test_a_renamed_recipe_is_followed_only_with_its_artifact(repository: Path):
    kept, other = Subject(model="tiny", recipe="int8-new"), Subject(model="tiny", recipe="int8-pruned")
    accept(repository, 1)
    git(repository, "mv", "baselines/tiny/int8.json", "baselines/tiny/int8-new.json")
    accept(repository, 1, kept)
    assert versions(history(repository, kept).changes) == [1, 1]
    git(repository, "mv", "baselines/tiny/int8-new.json", "baselines/tiny/int8-pruned.json")
    accept(repository, 2, other)
    assert versions(history(repository, other).changes) == [2]
    assert history(repository, other).notes == ()


def test_a_baseline_that_was_removed_and_came_back_has_one_history(repository: Path):
    accept(repository, 1)
    git(repository, "rm", "--quiet", "baselines/tiny/int8.json")
    removed = commit(repository, "removed")
    accept(repository, 2)
    found = history(repository)
    assert versions(found.changes) == [1, 2]
    assert found.notes == (f"its baseline was removed in {removed[:12]} of {found.changes[0].committed_on}",)


# --- what cannot be read ----------------------------------------------------------------------------------


def test_both_versions_of_the_form_are_read(repository: Path):
    put(repository, 1)
    path = repository / "baselines" / "tiny" / "int8.json"
    document = msgspec.json.decode(path.read_bytes())
    del document["counted"]
    path.write_bytes(msgspec.json.encode({**document, "schema_version": 1}))
    commit(repository)
    accept(repository, 2)
    assert versions(read_history(repository / "baselines", SUBJECT)) == [1, 2]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<<<<<<< HEAD\n", "is not a baseline"),
        (b"", "is not a baseline"),
        (b'{"schema_version": 99}', "found schema_version 99"),
        (b"\xff\0\n", "is not a baseline"),
    ],
)
def test_a_damaged_one_is_left_out_and_said(repository: Path, content: bytes, said: str):
    accept(repository, 1)
    (repository / "baselines" / "tiny" / "int8.json").write_bytes(content)
    damaged = commit(repository)
    accept(repository, 2)
    found = history(repository)
    assert versions(found.changes) == [1, 2]
    (note,) = found.notes
    assert note.startswith(f"{damaged[:12]} of ")
    assert said in note


def test_what_is_not_committed_is_the_last(repository: Path):
    accept(repository, 1)
    put(repository, 2)
    last = history(repository).changes[-1]
    assert (last.commit, last.author, last.committed_on) == ("", "", "2026-01-31")
    assert last.label == "not committed yet"
    git(repository, "add", "--all")
    assert versions(history(repository).changes) == [1, 2]
    (repository / "baselines" / "tiny" / "int8.json").write_bytes(b"{")
    found = history(repository)
    assert versions(found.changes) == [1]
    assert "working tree is left out" in found.notes[0]


def test_other_line_ends_in_the_working_tree_are_no_change(repository: Path):
    accept(repository, 1)
    path = repository / "baselines" / "tiny" / "int8.json"
    path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    assert versions(history(repository).changes) == [1]


def test_before_the_first_commit_there_is_what_lies_in_the_folder(repository: Path):
    put(repository, 1)
    found = history(repository)
    assert versions(found.changes) == [1]
    assert found.gap == ""


@pytest.mark.parametrize("why", ["no repository", "no git"])
def test_without_git_there_is_what_lies_in_the_folder_and_it_is_said(
    tmp_path: Path, why: str, monkeypatch: pytest.MonkeyPatch
):
    folder = tmp_path if why == "no repository" else init(tmp_path / "repository")
    put(folder, 1)
    if why == "no git":
        monkeypatch.setenv("PATH", str(tmp_path))
    found = history(folder)
    assert versions(found.changes) == [1]
    assert found.gap.startswith("there is no git here (git ")
    with pytest.raises(BaselineError):
        history(folder, reference="main")


def test_a_shallow_clone_says_where_its_history_begins(repository: Path, tmp_path: Path):
    for version in (1, 2, 3):
        last = accept(repository, version)
    git(tmp_path, "clone", "--quiet", "--depth=2", f"file://{repository}", "clone")
    found = history(tmp_path / "clone")
    assert versions(found.changes) == [2, 3]
    assert found.changes[0].author == ""  # The clone's first commit has the file, whoever changed it.
    assert found.changes[1].commit == last
    assert found.gap.startswith(f"history begins at {found.changes[0].commit[:12]} of ")
    assert "the clone is shallow (`git fetch --unshallow` gets the rest" in found.gap
    git(tmp_path / "clone", "fetch", "--quiet", "--unshallow")
    assert versions(history(tmp_path / "clone").changes) == [1, 2, 3]
    assert history(tmp_path / "clone").gap == ""


def test_a_shallow_clone_that_holds_all_of_a_history_has_no_gap(repository: Path, tmp_path: Path):
    commit(repository, "long before")
    commit(repository, "before")
    accept(repository, 1)
    git(tmp_path, "clone", "--quiet", "--depth=2", f"file://{repository}", "clone")
    assert versions(history(tmp_path / "clone").changes) == [1]
    assert history(tmp_path / "clone").gap == ""


def test_a_content_that_git_does_not_have_is_left_out_and_said(repository: Path):
    first = accept(repository, 1)
    accept(repository, 2)
    blob = git(repository, "rev-parse", f"{first}:baselines/tiny/int8.json")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    found = history(repository)
    assert versions(found.changes) == [2]
    assert "git does not have its content" in found.notes[0]


# --- many -------------------------------------------------------------------------------------------------


def test_many_commits_are_read_in_order(repository: Path):
    import_commits(repository, 2000)
    changes = read_history(repository / "baselines", SUBJECT)
    assert versions(changes) == list(range(2000))
    assert len({change.commit for change in changes}) == 2000


def import_commits(repository: Path, count: int) -> None:
    """Commits with a version each, through git's own fast import."""
    import subprocess  # noqa: PLC0415 - for this one

    parts = []
    for version in range(count):
        content = encode_baseline(baseline(version))
        parts.append(
            b"commit refs/heads/main\ncommitter Tester <t@example.invalid> %d +0000\ndata 1\nx\n"
            % (1_700_000_000 + version)
            + b"M 100644 inline baselines/tiny/int8.json\ndata %d\n%b\n" % (len(content), content)
        )
    subprocess.run(["git", "-C", str(repository), "fast-import", "--quiet"], input=b"".join(parts), check=True)
    git(repository, "reset", "--quiet", "--hard", "main")
