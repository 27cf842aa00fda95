"""Which small changes to the oracles' code the property tests notice.

    python -m benchmarks.self.mutants [MODULE...] [--limit N] [--seed S] [--cases N] [--seconds S] [-v]

A mutant is one module of `qbench.quant` with one change that a slip of the pen could be: a plus for a minus, a
constant one off, a clamp left out, one operand's name for another's. Each is tried in a forked child, where it takes
the place of the module in memory, on generated models of the operators that the module serves. What the real kernels
give for these models is known before, and the mutant is killed if the oracles do not give that any more, to the bit or
within a step as they claim. `MODULE` is the last part of a module's name; the default is all of them.

A line that no model reaches has no chance: its mutants are counted and not tried. One that survives is the same
function in other words, or computes the same for all values that models hold, or shows a gap in the generated models.
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib
import inspect
import os
import random
import resource
import signal
import sys
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from rich.console import Console
from rich.table import Table

from qbench.conform.generated import for_each_case, generated_operators
from qbench.conform.kernels import Kernels, Workshop
from qbench.quant.bindings import claims_exact
from qbench.quant.family import FAMILIES
from qbench.quant.graph import run_graph
from qbench.tflite.reader import read_model

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import FrameType, ModuleType

    from qbench.conform.case import Array, Case
    from qbench.quant.family import Family
    from qbench.tflite.graph import Model

_LAYERS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")
#: Modules, and the operators that are generated and compute with them.
SERVED: dict[str, tuple[str, ...]] = {
    "affine": ("QUANTIZE", "DEQUANTIZE"),
    "fixedpoint": ("FULLY_CONNECTED", "CONV_2D", "ADD", "MEAN", "LEAKY_RELU", "QUANTIZE", "REQUANTIZE", "SOFTMAX"),
    "kernels.accumulate": _LAYERS,
    "kernels.activation_range": ("CONV_2D", "ADD", "MAX_POOL_2D", "RELU6"),
    "kernels.addition": ("ADD", "SUB"),
    "kernels.conversion": ("QUANTIZE", "REQUANTIZE", "DEQUANTIZE"),
    "kernels.convolution": ("CONV_2D", "DEPTHWISE_CONV_2D"),
    "kernels.elementwise": ("ADD", "SUB", "MUL"),
    "kernels.gemmlowp": ("SOFTMAX", "LOGISTIC", "TANH"),
    "kernels.linear": ("FULLY_CONNECTED",),
    "kernels.lookup": ("LOGISTIC", "TANH"),
    "kernels.movement": ("CONCATENATION", "RESHAPE", "PAD", "TRANSPOSE"),
    "kernels.multiplication": ("MUL",),
    "kernels.pooling": ("AVERAGE_POOL_2D", "MAX_POOL_2D"),
    "kernels.rectifiers": ("RELU", "RELU6", "LEAKY_RELU", "HARD_SWISH"),
    "kernels.reduction": ("MEAN",),
    "kernels.requantize": _LAYERS,
    "kernels.softmax": ("SOFTMAX",),
    "kernels.spatial": ("CONV_2D", "DEPTHWISE_CONV_2D"),
}
_PACKAGE = "qbench.quant"
#: What a mutant may ask for on top of what the process has: one shift too many makes arrays of any size.
_MEMORY_BYTES = 2 << 30

Verdict = Literal["killed", "survived", "timed out", "not reached"]


# --- what can be changed -------------------------------------------------------------------------------

_OPERATORS: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult,
    ast.LShift: ast.RShift,
    ast.RShift: ast.LShift,
    ast.BitAnd: ast.BitOr,
    ast.BitOr: ast.BitAnd,
}
_COMPARISONS: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
#: Names that stand for each other by mistake; of functions, and of operands.
_SWAPPED = (
    *(("min", "max"), ("minimum", "maximum"), ("floor", "ceil"), ("rint", "trunc"), ("round_half_away", "rint")),
    *(("input_params", "output_params"), ("a_params", "b_params"), ("zero_a", "zero_b"), ("scale_a", "scale_b")),
    *(("factor_a", "factor_b"), ("right_a", "right_b"), ("shift_a", "shift_b"), ("rows", "columns")),
    *(("height", "width"), ("tall", "wide"), ("low", "high"), ("first", "last"), ("multiplier", "shift")),
    *(("scale", "zero_point"), ("stride", "dilation"), ("positive", "negative"), ("qmin", "qmax")),
)
_TEXTS = (
    *(("half_away", "half_even"), ("reciprocal", "half_even"), ("double", "single"), ("exact", "folded")),
    *(("SAME", "VALID"), ("reference", "builtin"), ("xnnpack", "builtin"), ("upward", "double"), ("vector", "upward")),
    *(("float32", "float64"), ("int32", "int64"), ("int8", "int16")),
)


def _others(pairs: Sequence[tuple[str, str]], word: str) -> Iterator[str]:
    for pair in pairs:
        if word in pair:
            yield pair[1 - pair.index(word)]


def changed(node: ast.AST) -> Iterator[ast.AST]:
    """What could stand in the place of `node`."""
    yield from _changed_operator(node)
    if isinstance(node, ast.IfExp):
        yield _with(node, body=node.orelse, orelse=node.body)
    if isinstance(node, ast.Constant):
        yield from _changed_constant(node)
    if isinstance(node, ast.Name):
        yield from (_with(node, id=other) for other in _others(_SWAPPED, node.id))
    if isinstance(node, ast.Attribute):
        yield from (_with(node, attr=other) for other in _others(_SWAPPED, node.attr))
    if isinstance(node, ast.Call):
        yield from _changed_call(node)


def _changed_operator(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.BinOp | ast.AugAssign) and type(node.op) in _OPERATORS:
        yield _with(node, op=_OPERATORS[type(node.op)]())
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.LShift | ast.RShift):
        for step in (ast.Add(), ast.Sub()):
            yield _with(node, right=ast.BinOp(node.right, step, ast.Constant(1)))
    if isinstance(node, ast.Compare):
        yield _with(node, ops=[_COMPARISONS[type(node.ops[0])](), *node.ops[1:]])
    if isinstance(node, ast.BoolOp):
        yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub | ast.Invert):
        yield node.operand


def _changed_constant(node: ast.Constant) -> Iterator[ast.AST]:
    if isinstance(node.value, bool):
        yield ast.Constant(not node.value)
    elif isinstance(node.value, int | float):
        yield from (ast.Constant(node.value + step) for step in (1, -1))
    elif isinstance(node.value, str):
        yield from (ast.Constant(other) for other in _others(_TEXTS, node.value))


def _changed_call(node: ast.Call) -> Iterator[ast.AST]:
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if name == "clip":
        # Of a method, what it is called on; `out` is then left as it is, which is a clamp left out too.
        yield node.args[0] if ast.unparse(node.func).startswith("np.") else _with(node, keywords=[])
    if name not in ("minimum", "maximum", "min", "max"):
        for place, (left, right) in enumerate(pairwise(node.args)):
            if isinstance(left, ast.Name | ast.Attribute) and isinstance(right, ast.Name | ast.Attribute):
                yield _with(node, args=[*node.args[:place], right, left, *node.args[place + 2 :]])


def _with(node: ast.AST, **fields: Any) -> ast.AST:
    """A copy of `node` with other fields."""
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


class _Mutator(ast.NodeTransformer):
    """Counts all changes to a tree, and makes the one of the given number."""

    def __init__(self, number: int = -1) -> None:
        self.number = number
        self.found: list[Mutant] = []

    def visit(self, node: ast.AST) -> Any:
        """Replace `node`, or what is in it; what only names a type, documents or complains is left as it is."""
        if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom) or _is_text(node) or _is_claim(node):
            return node
        for other in changed(node):
            self.found.append(Mutant(len(self.found), node.lineno, ast.unparse(node), ast.unparse(other)))  # type: ignore[attr-defined]
            if len(self.found) - 1 == self.number:
                return ast.copy_location(other, node)
        for name, value in ast.iter_fields(node):
            if name not in ("annotation", "returns", "decorator_list"):
                setattr(node, name, self._each(value))
        return node

    def _each(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._each(one) for one in value]
        return self.visit(value) if isinstance(value, ast.AST) else value


class Mutant(NamedTuple):
    """One change to a module.

    Parameters
    ----------
    number
        Its place among all changes to the module.
    line
        Where it is.
    right, wrong
        The text that is there, and what becomes of it.
    """

    number: int
    line: int
    right: str
    wrong: str


def _is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_claim(node: ast.AST) -> bool:
    """Whether this is the table of what is claimed, or a type, at the top of a module."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    return bool(names & {"EXACT", "__all__", "Rounding", "Arithmetic", "Bits", "Array"})


def mutants_of(source: str) -> list[Mutant]:
    """All of a module's, in the order of its text."""
    mutator = _Mutator()
    mutator.visit(ast.parse(source))
    return mutator.found


# --- what they are tried on ----------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A generated model, and what the kernels of a family give for it."""

    model: Model
    inputs: tuple[Array, ...]
    family: Family
    outputs: tuple[Array, ...]

    def agrees(self) -> bool:
        """Whether the oracles give the same, as far as they claim to."""
        graph = self.model.subgraphs[0]
        (operator,) = graph.operators
        # What one stored step stands for: of real numbers, the scale that they were dequantized with.
        step = float(graph.tensors[operator.inputs[0]].scales[0]) if operator.name == "DEQUANTIZE" else 1.0
        (oracle,) = run_graph(self.model, self.inputs, family=self.family)
        (kernels,) = self.outputs
        if (oracle.shape, oracle.dtype) != (kernels.shape, kernels.dtype):
            return False
        if claims_exact(graph, operator, self.family):
            return bool((oracle == kernels).all())
        return bool((np.abs(oracle.astype(np.float64) - kernels) <= step).all())


def trials(operators: Sequence[str], cases: int, workshop: Workshop) -> list[Trial]:
    """`cases` models of each operator and dtype, on the kernels of every family that takes them."""
    made: list[Trial] = []

    def run(case: Case) -> None:
        for family in FAMILIES:
            outcome = workshop.run(case, Kernels(family=family))
            if family != "xnnpack" or outcome.is_delegated:
                made.append(
                    Trial(model=read_model(case.content), inputs=case.inputs, family=family, outputs=outcome.outputs)
                )

    for operator in operators:
        for dtype in generated_operators()[operator]:
            for_each_case(operator, dtype, run, cases=cases, seed=0)
    # Operators in turns: most mutants are killed by the first model of the right one.
    return [made[place] for place in np.random.default_rng(0).permutation(len(made))]


def reached(module: ModuleType, on: Sequence[Trial]) -> set[int]:
    """Lines of `module` that the trials execute.

    Raises
    ------
    RuntimeError
        If the oracles do not agree with the kernels as they are.
    """
    path, lines = inspect.getfile(module), set[int]()

    def trace(frame: FrameType, event: str, _: object) -> Callable[..., Any] | None:
        if frame.f_code.co_filename != path:
            return None
        if event == "line":
            lines.add(frame.f_lineno)
        return trace

    sys.settrace(trace)
    try:
        if not all(trial.agrees() for trial in on):
            raise RuntimeError(f"{module.__name__} is not what the kernels do, without any change")
    finally:
        sys.settrace(None)
    return lines


# --- trying them ---------------------------------------------------------------------------------------


def put_in_place(module: ModuleType, source: str, number: int) -> None:
    """Make `module`, and all that have imported from it, the mutant of this number; in this process, for good."""
    tree = ast.fix_missing_locations(_Mutator(number).visit(ast.parse(source)))
    before = dict(vars(module))
    exec(compile(tree, inspect.getfile(module), "exec"), vars(module))  # noqa: S102 - our own code
    for name, old in before.items():
        if getattr(old, "__module__", None) == module.__name__:
            for user in [user for at, user in sys.modules.items() if at.startswith(_PACKAGE)]:
                for bound in [bound for bound, value in vars(user).items() if value is old]:
                    setattr(user, bound, getattr(module, name))


def verdict_of(module: ModuleType, source: str, mutant: Mutant, on: Sequence[Trial], *, limit_s: float) -> Verdict:
    """Try a mutant in a child of its own; an error that it raises kills it as a difference does."""
    child = os.fork()
    if child == 0:
        # The default of this signal ends the process, whatever it computes.
        signal.setitimer(signal.ITIMER_REAL, limit_s)
        size = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()  # noqa: SIM115, PTH123
        resource.setrlimit(resource.RLIMIT_AS, (size + _MEMORY_BYTES, resource.RLIM_INFINITY))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
        try:
            put_in_place(module, source, mutant.number)
            os._exit(0 if all(trial.agrees() for trial in on) else 1)
        except BaseException:  # noqa: BLE001 - whatever a mutant does
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGALRM:
        return "timed out"
    return "survived" if status == 0 else "killed"


def try_module(
    name: str, workshop: Workshop, options: argparse.Namespace, tell: Callable[[str], None]
) -> dict[Verdict, int]:
    """The verdicts on a sample of a module's mutants, counted; survivors are told."""
    module = importlib.import_module(f"{_PACKAGE}.{name}")
    source = inspect.getsource(module)
    on = trials(SERVED[name], options.cases, workshop)
    lines = reached(module, on)
    mutants = mutants_of(source)
    if options.limit:
        mutants = sorted(random.Random(options.seed).sample(mutants, min(options.limit, len(mutants))))  # noqa: S311
    counts: dict[Verdict, int] = {"killed": 0, "survived": 0, "timed out": 0, "not reached": 0}
    for mutant in mutants:
        verdict: Verdict = "not reached"
        if mutant.line in lines:
            verdict = verdict_of(module, source, mutant, on, limit_s=options.seconds)
        counts[verdict] += 1
        if options.verbose and verdict in ("survived", "timed out"):
            place = os.path.relpath(inspect.getfile(module))
            tell(f"{verdict}: {place}:{mutant.line}: {mutant.right}  ->  {mutant.wrong}")
    return counts


def main() -> None:
    """Try and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    short = {name.split(".")[-1]: name for name in SERVED}
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(short)}")
    parser.add_argument("--limit", type=int, metavar="N", help="mutants of each module, drawn at random")
    parser.add_argument("--seed", type=int, default=0, metavar="S", help="of that draw")
    parser.add_argument("--cases", type=int, default=60, metavar="N", help="models of each operator and dtype")
    parser.add_argument("--seconds", type=float, default=30, metavar="S", help="that one mutant may take")
    parser.add_argument("-v", "--verbose", action="store_true", help="print each that survives")
    options = parser.parse_args()
    if unknown := set(options.modules) - set(short):
        parser.error(f"found {', '.join(sorted(unknown))}, expected some of {', '.join(short)}")
    columns: tuple[Verdict, ...] = ("killed", "survived", "timed out", "not reached")
    table = Table("module", *columns, box=None)
    console = Console(width=110, highlight=False, emoji=False)
    with Workshop() as workshop:
        for name in options.modules or short:
            counts = try_module(
                short[name], workshop, options, lambda line: console.print(line, markup=False, soft_wrap=True)
            )
            table.add_row(name, *(str(counts[column]) for column in columns))
    console.print(table)


if __name__ == "__main__":
    main()
