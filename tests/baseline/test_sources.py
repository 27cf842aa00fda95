"""Where baselines are read from: one contract for a folder and for a commit, and what only a commit has."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from baseline.examples import SUBJECT, assert_whole, baseline, write
from baseline.scratch_git import commit, git, init
from qbench.baseline.sources import BaselineFiles, FolderFiles, GitFiles, current_commit
from qbench.baseline.store import BaselineReader
from qbench.errors import BaselineError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Make = Callable[[dict[str, bytes]], BaselineFiles]

#: Contents that a text conversion, a shell or a quoting would change.
FILES = {
    "tiny/int8.json": b'{"a": 1}\r\n',
    "tiny/int8.predictions-0.npy": bytes(range(256)),
    "artifacts/0.tflite": b"\0\n\r\n\xff",
    "a model/fp32.json": b"",
    "ä-[x]*'\"/int8.json": b"names",
    "deep/er/file.txt": b"x",
}


@pytest.fixture(autouse=True)
def _outside_hooks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
        monkeypatch.delenv(name, raising=False)


def fill(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


@pytest.fixture(params=["folder", "commit", "commit of a subfolder"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Make:
    """Makes each kind of source, holding the files that it is given."""

    def folder_files(files: dict[str, bytes]) -> BaselineFiles:
        return FolderFiles(fill(tmp_path / "baselines", files))

    def git_files(files: dict[str, bytes]) -> BaselineFiles:
        project = tmp_path / "some" / "project" if "subfolder" in request.param else tmp_path
        fill(init(tmp_path), {"baselines/tiny/int8.json": b"of another project"})
        if project == tmp_path:
            shutil.rmtree(tmp_path / "baselines")
        fill(project / "baselines", files)
        project.mkdir(parents=True, exist_ok=True)
        commit(tmp_path)
        return GitFiles(project / "baselines", "HEAD")

    return folder_files if request.param == "folder" else git_files


# --- the contract -----------------------------------------------------------------------------------------


def test_all_files_are_there_with_their_bytes(make: Make):
    files = make(FILES)
    assert files.names() == tuple(sorted(FILES))
    assert {name: files.read(name) for name in files.names()} == FILES


@pytest.mark.parametrize("name", ["tiny/fp32.json", "nothing/int8.json", "tiny/int8.json/more", "tiny/int8.jso"])
def test_what_is_not_there_is_none(make: Make, name: str):
    assert make(FILES).read(name) is None


def test_no_baselines_are_no_files(make: Make):
    files = make({})
    assert files.names() == ()
    assert files.read("tiny/int8.json") is None


def test_they_say_where_they_are(make: Make):
    assert make(FILES).describe().startswith("baselines/")


def test_a_reader_finds_the_same_in_both(make: Make, tmp_path: Path):
    write(tmp_path / "elsewhere", 3)
    files = {
        path.relative_to(tmp_path / "elsewhere").as_posix(): path.read_bytes()
        for path in (tmp_path / "elsewhere").rglob("*")
        if path.is_file()
    }
    reader = BaselineReader(make(files))
    assert reader.subjects() == (SUBJECT,)
    found = reader.read(SUBJECT)
    assert found is not None
    assert found.metrics == baseline(3).metrics
    assert reader.artifact(found) is not None
    assert reader.predictions(found) is not None


# --- a commit ---------------------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with version 1 of a baseline in its only commit."""
    write(init(tmp_path / "repository") / "baselines", 1)
    commit(tmp_path / "repository")
    return tmp_path / "repository"


def test_edits_of_the_working_tree_do_not_show(repository: Path):
    write(repository / "baselines", 2)
    assert_whole(repository / "baselines", 2)
    found = BaselineReader(GitFiles(repository / "baselines", "main")).read(SUBJECT)
    assert found is not None
    assert found.metrics == baseline(1).metrics
    git(repository, "add", "--all")
    staged = BaselineReader(GitFiles(repository / "baselines", "main")).read(SUBJECT)
    assert staged == found


def test_baselines_that_were_removed_are_still_read_from_the_commit(repository: Path):
    shutil.rmtree(repository / "baselines")
    reader = BaselineReader(GitFiles(repository / "baselines", "HEAD"))
    found = reader.read(SUBJECT)
    assert found is not None
    assert reader.artifact(found) is not None


def test_a_branch_that_moves_during_the_run_is_read_where_it_was(repository: Path):
    files = GitFiles(repository / "baselines", "main")
    before = files.read("tiny/int8.json")
    write(repository / "baselines", 2)
    commit(repository)
    assert files.read("tiny/int8.json") == before
    assert GitFiles(repository / "baselines", "main").read("tiny/int8.json") != before
    assert GitFiles(repository / "baselines", "main~1").read("tiny/int8.json") == before


@pytest.mark.parametrize("kind", ["branch", "tag", "annotated tag", "commit", "short commit"])
def test_every_way_to_name_a_commit(repository: Path, kind: str):
    name = git(repository, "rev-parse", "HEAD")
    if kind == "branch":
        git(repository, "branch", name := "feature/x")
    elif kind == "tag":
        git(repository, "tag", name := "v1")
    elif kind == "annotated tag":
        git(repository, "tag", "--annotate", "--message=v2", name := "v2")
    elif kind == "short commit":
        name = name[:8]
    write(repository / "baselines", 2)
    files = GitFiles(repository / "baselines", name)
    digits = git(repository, "rev-parse", "HEAD")[:12]
    said = digits if "commit" in kind else f"{name} ({digits})"
    assert files.describe() == f"baselines/ at {said}"
    assert BaselineReader(files).read(SUBJECT) == baseline_in(repository)


def baseline_in(repository: Path):
    return BaselineReader(GitFiles(repository / "baselines", "HEAD")).read(SUBJECT)


@pytest.mark.parametrize("reference", ["no-such-branch", "0" * 40, "HEAD~99", "HEAD:baselines", "", "main^{tree}"])
def test_what_is_no_commit_is_refused(repository: Path, reference: str):
    with pytest.raises(BaselineError) as caught:
        GitFiles(repository / "baselines", reference)
    assert f"--qbench-base-ref: git knows no commit {reference!r} here" in str(caught.value)
    assert "fetch it first" in str(caught.value)


@pytest.mark.parametrize("reference", ["-h", "--help", "--all", "--git-dir", "-q", "--output=written"])
def test_a_reference_is_never_an_option_of_git(repository: Path, reference: str):
    before = sorted(repository.iterdir())
    with pytest.raises(BaselineError, match="git knows no commit"):
        GitFiles(repository / "baselines", reference)
    assert sorted(repository.iterdir()) == before


def test_a_branch_may_even_be_called_like_an_option(repository: Path):
    git(repository, "update-ref", "refs/heads/--all", "HEAD")
    write(repository / "baselines", 2)
    found = BaselineReader(GitFiles(repository / "baselines", "--all")).read(SUBJECT)
    assert found == baseline_in(repository)


def test_outside_a_repository_git_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(BaselineError, match="not a git repository"):
        GitFiles(tmp_path / "baselines", "main")


def test_without_git_there_is_an_error_and_not_an_empty_list(repository: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PATH", str(repository))
    with pytest.raises(BaselineError, match="git cannot be run"):
        GitFiles(repository / "baselines", "main")


def test_a_file_that_git_lists_and_cannot_give_is_an_error(repository: Path):
    # As in a partial clone without network. Taken for absent, it would be read from the working tree.
    files = GitFiles(repository / "baselines", "main")
    blob = git(repository, "rev-parse", "HEAD:baselines/tiny/int8.json")
    (repository / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
    with pytest.raises(BaselineError, match="git cat-file failed"):
        files.read("tiny/int8.json")
    assert files.read("tiny/fp32.json") is None


# --- a folder ---------------------------------------------------------------------------------------------


def test_a_folder_that_is_not_there_has_no_files(tmp_path: Path):
    files = FolderFiles(tmp_path / "baselines")
    assert files.names() == ()
    assert files.read("tiny/int8.json") is None


def test_a_file_that_is_there_and_cannot_be_read_is_an_error(tmp_path: Path):
    (tmp_path / "tiny" / "int8.json").mkdir(parents=True)
    with pytest.raises(BaselineError, match=r"int8\.json cannot be read"):
        FolderFiles(tmp_path).read("tiny/int8.json")


# --- the commit that a baseline names ---------------------------------------------------------------------


def test_current_commit_says_whether_files_differ(repository: Path):
    head = git(repository, "rev-parse", "HEAD")
    assert current_commit(repository) == head
    (repository / "baselines" / "tiny" / "int8.json").write_bytes(b"edited")
    assert current_commit(repository) == f"{head}+"


def test_current_commit_ignores_tags(repository: Path):
    git(repository, "tag", "--annotate", "--message=v1", "v1")
    assert current_commit(repository) == git(repository, "rev-parse", "HEAD")


def test_outside_git_there_is_no_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert current_commit(tmp_path) == ""
    assert current_commit(tmp_path / "nowhere") == ""
