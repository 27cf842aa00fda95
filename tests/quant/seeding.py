"""Seeds a defect in our own code: one function or method with a piece of its text replaced."""

from __future__ import annotations

import inspect
import sys
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest


class Defect(NamedTuple):
    """What is wrong: where `function` has the text `right`, it gets the text `wrong`."""

    function: Callable[..., Any]
    right: str
    wrong: str


def seed(monkeypatch: pytest.MonkeyPatch, defect: Defect) -> None:
    """Replace the function by the wrong one wherever our modules look it up, a method in its class."""
    function = inspect.unwrap(defect.function)
    source = textwrap.dedent(inspect.getsource(function))
    found = source.count(defect.right)
    assert found == 1, f"{function.__qualname__} holds {defect.right!r} {found} times: seed the defect anew"
    wrong: dict[str, Any] = {}
    code = compile(source.replace(defect.right, defect.wrong), f"<seeded {function.__qualname__}>", "exec")
    # With a namespace of its own for the name that it binds, and the module's for all that it uses.
    exec(code, function.__globals__, wrong)
    replacement = wrong[function.__name__]
    if "." in function.__qualname__:
        owner = function.__globals__[function.__qualname__.split(".")[0]]
        monkeypatch.setattr(owner, function.__name__, replacement)
        return
    for name, module in list(sys.modules.items()):
        if name.startswith("qbench.quant") and getattr(module, function.__name__, None) is defect.function:
            monkeypatch.setattr(module, function.__name__, replacement)
