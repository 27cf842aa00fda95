"""What `qbench init` writes for CI."""

from __future__ import annotations

import pytest
import yaml

from qbench.errors import ConfigError
from qbench.templates import WORKFLOW_PATHS, workflow_template


@pytest.mark.parametrize("name", WORKFLOW_PATHS)
def test_a_template_is_yaml_and_says_what_it_is_for(name: str):
    text = workflow_template(name)
    assert text.startswith("# ")
    assert yaml.safe_load(text)


@pytest.mark.parametrize("name", ["github", "gitlab"])
def test_what_a_project_installs_and_where_its_benchmarks_are_is_filled_in(name: str):
    command = "python -m pip install -r 'needs: this.txt' # all"
    text = workflow_template(name, install=command, benchmarks="tests/bench")
    assert "[tensorflow]" not in text
    assert "python -m pytest tests/bench " in text
    assert "benchmarks/" not in text
    document = yaml.safe_load(text)
    if name == "github":
        (step,) = (step for step in document["jobs"]["judge"]["steps"] if step["name"] == "Install")
        assert step["run"] == f"{command}\n"
    else:
        assert document["qbench"]["before_script"] == [f"{command}\n"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "jenkins"}, "template: found 'jenkins', expected one of github, github-comment, gitlab"),
        ({"name": "github", "install": "pip install x\nrm -rf ."}, "expected a shell command of one line"),
        ({"name": "github", "install": "echo ${{ github.token }}"}, "without '${{'"),
        ({"name": "github", "install": " "}, "expected a shell command of one line"),
        ({"name": "gitlab", "benchmarks": "a; rm -rf ."}, "expected a path of letters, digits and"),
    ],
)
def test_what_would_break_a_workflow_is_refused(arguments: dict[str, str], message: str):
    with pytest.raises(ConfigError) as raised:
        workflow_template(**arguments)
    assert message in str(raised.value)
