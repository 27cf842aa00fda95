"""The bytes of a `.tflite`, read into plain records without copying a constant and without trusting an offset.

A `.tflite` is a flatbuffer: tables and vectors that find each other by offsets. Python's flatbuffer
accessors check none of them, so a damaged length can stand for four billion tables. Here each table is
checked to lie inside the file, and all vectors together may not claim more room than the file has.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from qbench.errors import InvalidArtifactError
from qbench.tflite.graph import Model, Operator, Subgraph, Tensor
from qbench.tflite.options import field_names, named

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_Bytes = npt.NDArray[np.uint8]

_IDENTIFIER = b"TFL3"
_SCHEMA_VERSION = 3

# A table is at least its own offset in a vector and the offset of its field list.
_SMALLEST_TABLE_BYTES = 8
# Far above what converters write (the runtime computes in at most 8 dimensions), far below what would hurt.
_MOST_DIMENSIONS = 64
_MOST_INDICES = 1 << 16
_MOST_TEXT_BYTES = 1 << 16

_FOREIGN = {
    b"PK\x03\x04": "a zip archive (as a .keras file is)",
    b"\x89HDF": "an HDF5 file (as a Keras .h5 file is)",
    b"version https://git-lfs": "a Git LFS pointer: run `git lfs pull`",
    b"<": "an HTML or XML text",
    b"{": "a JSON text",
}


def read_model(content: bytes) -> Model:
    """Read a `.tflite`.

    Parameters
    ----------
    content
        The whole file.

    Raises
    ------
    InvalidArtifactError
        If `content` is no `.tflite`, or a truncated or damaged one; nothing else is ever raised.
    """
    if content[4:8] != _IDENTIFIER:
        raise InvalidArtifactError(
            f"found {_describe(content)}, expected a .tflite (the bytes 'TFL3' at offset 4): "
            "name a converted model, or declare the file as the source of a model to be converted"
        )
    # Imported here: the runtime's package must not be loaded by whoever only wants to import this one.
    from ai_edge_litert import schema_py_generated as schema  # noqa: PLC0415

    try:
        return _Reader(content, schema).model()
    except Exception as error:
        # Which exception a damaged offset ends in is an accident of where it points to.
        reason = str(error) or type(error).__name__
        raise InvalidArtifactError(
            f"found {len(content)} bytes that start as a .tflite but cannot be read ({reason}), expected a whole "
            "one: it is truncated or damaged, or newer than this runtime's schema; convert or copy it again, "
            "or upgrade ai-edge-litert"
        ) from error


def _describe(content: bytes) -> str:
    if not content:
        return "an empty file"
    if len(content) < len(_IDENTIFIER) + 4:
        return f"a file of {len(content)} bytes"
    for start, description in _FOREIGN.items():
        if content.startswith(start):
            return description
    return f"{len(content)} bytes that start with {bytes(content[:8])!r}"


class _Reader:
    """Walks over one file, from the root down."""

    def __init__(self, content: bytes, schema: Any) -> None:
        self._content = content
        self._unclaimed_bytes = len(content)
        self._schema = schema
        self._dtypes = _names(schema.TensorType)
        self._option_types = {number: name for name, number in vars(schema.BuiltinOptions).items() if name[0] != "_"}
        self._operator_names = _names(schema.BuiltinOperator)
        self._root = self._table(schema.Model.GetRootAs(content))

    def model(self) -> Model:
        root = self._root
        if root.Version() != _SCHEMA_VERSION:
            raise ValueError(f"its schema version is {root.Version()}, not {_SCHEMA_VERSION}")
        codes = [
            (self._operator_name(code), code.Version())
            for code in self._tables(root.OperatorCodesLength(), root.OperatorCodes)
        ]
        buffers = [self._buffer(buffer) for buffer in self._tables(root.BuffersLength(), root.Buffers)]
        externals = self._external_bytes()
        subgraphs = tuple(
            self._subgraph(subgraph, codes, buffers, externals)
            for subgraph in self._tables(root.SubgraphsLength(), root.Subgraphs)
        )
        if not subgraphs:
            raise ValueError("it holds no subgraph")
        definitions = self._tables(root.SignatureDefsLength(), root.SignatureDefs)
        return Model(subgraphs=subgraphs, signatures=tuple(_text(item.SignatureKey()) for item in definitions))

    def _table(self, accessor: Any) -> Any:
        """`accessor` itself, once the table it stands for is known to lie inside the file."""
        # The generated classes keep their position in a private field and hand it out nowhere else.
        position = getattr(accessor, "_tab", accessor).Pos
        fields = position - struct.unpack_from("<i", self._content, position)[0]
        if not 0 <= fields <= len(self._content) - 4:
            raise ValueError(f"the table at byte {position} has its field list at byte {fields}")
        fields_bytes, table_bytes = struct.unpack_from("<HH", self._content, fields)
        if fields_bytes < 4 or fields_bytes % 2 or fields + fields_bytes > len(self._content):  # noqa: PLR2004
            raise ValueError(f"the table at byte {position} has a field list of {fields_bytes} bytes")
        if table_bytes < 4 or position + table_bytes > len(self._content):  # noqa: PLR2004
            raise ValueError(f"the table at byte {position} has {table_bytes} bytes")
        return accessor

    def _tables(self, length: int, get: Callable[[int], Any]) -> Iterator[Any]:
        self._claim(length * _SMALLEST_TABLE_BYTES, f"a vector of {length} tables")
        return (self._table(get(index)) for index in range(length))

    def _claim(self, size: int, claimant: str) -> None:
        """Spend `size` of the file's bytes: what all vectors claim together cannot exceed the file."""
        self._unclaimed_bytes -= size
        if self._unclaimed_bytes < 0:
            raise ValueError(f"{claimant} does not fit in")

    def _integers(self, view: Any, most: int) -> tuple[int, ...]:
        """The vector `view` (the accessors give the number 0 for an absent one) as a tuple."""
        if isinstance(view, int):
            return ()
        if len(view) > most:
            raise ValueError(f"a vector has {len(view)} numbers where at most {most} make sense")
        self._claim(view.nbytes, f"a vector of {len(view)} numbers")
        return tuple(view.tolist())

    def _operator_name(self, code: Any) -> str:
        # Files from before the 128th operator have only the old field, newer ones have both.
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        name = self._operator_names.get(number)
        if name is None:
            raise ValueError(f"the operator code {number} is unknown")
        return f"custom:{_text(code.CustomCode())}" if name == "CUSTOM" else name

    def _buffer(self, buffer: Any) -> _Bytes | None:
        """A view of a buffer, inside the flatbuffer or (in files above 2 GB) behind it; None if it has no data."""
        data = buffer.DataAsNumpy()
        if not isinstance(data, int):
            view: _Bytes = data
            return view
        offset, size = buffer.Offset(), buffer.Size()
        # An offset of 1 is the mark of "to be filled in" that writers use before they know the place.
        if offset <= 1:
            return None
        if offset + size > len(self._content):
            raise ValueError(f"a buffer of {size} bytes at byte {offset} does not fit in")
        return np.frombuffer(self._content, np.uint8, count=size, offset=offset)

    def _external_bytes(self) -> dict[int, int]:
        """Sizes of constants that other files hold, by id; older schemas know none."""
        if not hasattr(self._root, "ExternalBuffers"):
            return {}
        externals = self._tables(self._root.ExternalBuffersLength(), self._root.ExternalBuffers)
        return {external.Id(): external.Length() for external in externals}

    def _subgraph(
        self, subgraph: Any, codes: list[tuple[str, int]], buffers: list[_Bytes | None], externals: dict[int, int]
    ) -> Subgraph:
        tensors = tuple(
            self._tensor(tensor, buffers, externals)
            for tensor in self._tables(subgraph.TensorsLength(), subgraph.Tensors)
        )
        operators = tuple(
            self._operator(operator, codes, len(tensors))
            for operator in self._tables(subgraph.OperatorsLength(), subgraph.Operators)
        )
        inputs = self._indices(subgraph.InputsAsNumpy(), len(tensors), least=0)
        outputs = self._indices(subgraph.OutputsAsNumpy(), len(tensors), least=0)
        return Subgraph(tensors=tensors, operators=operators, inputs=inputs, outputs=outputs)

    def _indices(self, view: Any, tensors: int, *, least: int) -> tuple[int, ...]:
        indices = self._integers(view, _MOST_INDICES)
        for index in indices:
            if not least <= index < tensors:
                raise ValueError(f"the tensor index {index} is not among {tensors}")
        return indices

    def _operator(self, operator: Any, codes: list[tuple[str, int]], tensors: int) -> Operator:
        if operator.OpcodeIndex() >= len(codes):
            raise ValueError(f"the operator code {operator.OpcodeIndex()} is not among {len(codes)}")
        name, version = codes[operator.OpcodeIndex()]
        options_type, options = self._options(operator)
        return Operator(
            name=name,
            inputs=self._indices(operator.InputsAsNumpy(), tensors, least=-1),
            outputs=self._indices(operator.OutputsAsNumpy(), tensors, least=-1),
            options_type=options_type,
            options=options,
            version=version,
        )

    def _options(self, operator: Any) -> tuple[str, dict[str, Any]]:
        """Name of the table of options, and what numbers stand in it."""
        table = operator.BuiltinOptions()
        if table is None:
            return "", {}
        self._table(table)
        # A newer runtime's table is not an error: nothing here needs to know every operator.
        name = self._option_types.get(operator.BuiltinOptionsType(), "")
        if name in {"", "NONE"}:
            return "", {}
        accessor = getattr(self._schema, name)()
        accessor.Init(table.Bytes, table.Pos)
        values: dict[str, Any] = {}
        for field, attribute in field_names(self._schema, name).items():
            method = attribute[0].upper() + attribute[1:]
            if view := getattr(accessor, f"{method}AsNumpy", None):
                values[field] = self._integers(view(), _MOST_INDICES)
            elif isinstance(value := getattr(accessor, method)(), (bool, int, float)):
                values[field] = named(self._schema, name, field, value)
        return name, values

    def _tensor(self, tensor: Any, buffers: list[_Bytes | None], externals: dict[int, int]) -> Tensor:
        name = _text(tensor.Name())
        if tensor.Type() not in self._dtypes:
            raise ValueError(f"the dtype code {tensor.Type()} of the tensor {name!r} is unknown")
        if tensor.Buffer() >= len(buffers):
            raise ValueError(f"the tensor {name!r} has the buffer {tensor.Buffer()} of {len(buffers)}")
        data = buffers[tensor.Buffer()]
        external = tensor.ExternalBuffer() if hasattr(tensor, "ExternalBuffer") else 0
        shape = self._integers(tensor.ShapeAsNumpy(), _MOST_DIMENSIONS)
        signature = self._integers(tensor.ShapeSignatureAsNumpy(), _MOST_DIMENSIONS) or shape
        if min((*shape, *signature), default=0) < -1:
            raise ValueError(f"the tensor {name!r} has the shape {signature}")
        parameters = tensor.Quantization()
        if parameters is not None:
            self._table(parameters)
        return Tensor(
            name=name,
            dtype=self._dtypes[tensor.Type()],
            shape=tuple(1 if size == -1 else size for size in shape),
            signature=signature,
            scales=_view(parameters.ScaleAsNumpy() if parameters else 0, np.float32),
            zero_points=_view(parameters.ZeroPointAsNumpy() if parameters else 0, np.int64),
            quantized_dimension=parameters.QuantizedDimension() if parameters else 0,
            stored_bytes=externals.get(external, 0) if external else None if data is None else len(data),
            data=None if external else data,
            storage=("external", external) if external else ("buffer", tensor.Buffer()),
            is_variable=tensor.IsVariable(),
            is_sparse=tensor.Sparsity() is not None,
        )


def _view(vector: Any, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    return np.empty(0, dtype) if isinstance(vector, int) else vector


def _names(codes: type) -> dict[int, str]:
    """Names of an enumeration of the schema, by number; those of dtypes are wanted in lower case."""
    lower = codes.__name__ == "TensorType"
    return {number: name.lower() if lower else name for name, number in vars(codes).items() if not name.startswith("_")}


def _text(raw: bytes | None) -> str:
    if raw is not None and len(raw) > _MOST_TEXT_BYTES:
        raise ValueError(f"a name has {len(raw)} bytes")
    return (raw or b"").decode()
