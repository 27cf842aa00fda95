"""Files that a project copies to have its models judged by CI: workflows for GitHub and a job for GitLab."""

from __future__ import annotations

from importlib.resources import files

from qbench.errors import ConfigError

#: Where each template belongs in a project.
WORKFLOW_PATHS = {
    "github": ".github/workflows/qbench.yml",
    "github-comment": ".github/workflows/qbench-comment.yml",
    "gitlab": ".gitlab/qbench.yml",
}

_INSTALL = 'python -m pip install "qbench[tensorflow]"'
_BENCHMARKS = "pytest benchmarks/ "


def workflow_template(name: str, *, install: str = _INSTALL, benchmarks: str = "benchmarks/") -> str:
    """The text of a workflow, to be written to `WORKFLOW_PATHS[name]`.

    Parameters
    ----------
    name
        A key of `WORKFLOW_PATHS`.
    install
        The shell command, one line, that installs qbench and what the project's benchmarks need.
    benchmarks
        The folder of benchmarks.

    Raises
    ------
    ConfigError
        If there is no such template, or `install` or `benchmarks` would break its YAML or its commands.
    """
    if name not in WORKFLOW_PATHS:
        raise ConfigError("template", found=repr(name), expected=f"one of {', '.join(WORKFLOW_PATHS)}")
    _check_line("install", install)
    if not benchmarks.replace("/", "").replace("-", "").replace("_", "").replace(".", "").isalnum():
        raise ConfigError("benchmarks", found=repr(benchmarks), expected="a path of letters, digits and ._-/")
    text = (files(__package__) / "ci" / f"{name}.yml").read_text(encoding="utf-8")
    return text.replace(_INSTALL, install).replace(_BENCHMARKS, f"pytest {benchmarks} ")


def _check_line(what: str, line: str) -> None:
    """Refuse what is no line of a YAML block, and what GitHub would take for an expression of its own."""
    if not line.strip() or any(not character.isprintable() for character in line) or "${{" in line:
        raise ConfigError(what, found=repr(line), expected="a shell command of one line, without '${{'")
