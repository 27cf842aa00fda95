"""The C library that the runtime's package brings along, called through `ctypes`: its Python has no profiler.

Imports nothing but the standard library, as `native.py`. The functions are versioned symbols of the library, but
nothing promises that they keep their arguments; so all of them must be there, every status is looked at, and
`native_profiler.py` measures the size of what it reads. Whatever is not as expected is a `NotAvailableError`.
"""

from __future__ import annotations

import ctypes
import importlib.util
import sys
from ctypes import POINTER, c_bool, c_char_p, c_int, c_size_t, c_void_p
from pathlib import Path
from typing import Any

#: Versions of the package that this was written for and tried with; others are tried too, and said to be others.
TRIED_VERSIONS = ("2.3.0",)

_PACKAGE = "ai_edge_litert"
_FILE = {"darwin": "libLiteRt.dylib", "win32": "libLiteRt.dll"}.get(sys.platform, "libLiteRt.so")

_OUT = POINTER(c_void_p)
_SIZE_OUT = POINTER(c_size_t)

# Arguments as in the headers litert/c/*.h. Handles are pointers; all of these return a status.
_FUNCTIONS: dict[str, tuple[Any, ...]] = {
    "CreateEnvironment": (c_int, c_void_p, _OUT),
    "CreateModelFromBuffer": (c_void_p, c_void_p, c_size_t, _OUT),
    "CreateOptions": (_OUT,),
    "SetOptionsHardwareAccelerators": (c_void_p, c_int),
    "CreateOpaqueOptions": (c_char_p, c_void_p, c_void_p, _OUT),
    "AddOpaqueOptions": (c_void_p, c_void_p),
    "CreateCompiledModel": (c_void_p, c_void_p, c_void_p, _OUT),
    "CompiledModelGetProfiler": (c_void_p, _OUT),
    "GetNumModelSignatures": (c_void_p, _SIZE_OUT),
    "GetModelSignature": (c_void_p, c_size_t, _OUT),
    "GetNumSignatureInputs": (c_void_p, _SIZE_OUT),
    "GetNumSignatureOutputs": (c_void_p, _SIZE_OUT),
    "GetSignatureInputName": (c_void_p, c_size_t, _OUT),
    "GetSignatureInputTensorByIndex": (c_void_p, c_size_t, _OUT),
    "GetSignatureOutputTensorByIndex": (c_void_p, c_size_t, _OUT),
    "GetRankedTensorType": (c_void_p, c_void_p),
    "CompiledModelResizeInputTensorNonStrict": (c_void_p, c_size_t, c_size_t, POINTER(c_int), c_size_t),
    "GetCompiledModelInputTensorLayout": (c_void_p, c_size_t, c_size_t, c_void_p),
    "GetCompiledModelOutputTensorLayouts": (c_void_p, c_size_t, c_size_t, c_void_p, c_bool),
    "GetCompiledModelInputBufferRequirements": (c_void_p, c_size_t, c_size_t, _OUT),
    "GetCompiledModelOutputBufferRequirements": (c_void_p, c_size_t, c_size_t, _OUT),
    "GetTensorBufferRequirementsBufferSize": (c_void_p, _SIZE_OUT),
    "CreateManagedTensorBuffer": (c_void_p, c_int, c_void_p, c_size_t, _OUT),
    "LockTensorBuffer": (c_void_p, _OUT, c_int),
    "UnlockTensorBuffer": (c_void_p,),
    "RunCompiledModel": (c_void_p, c_size_t, c_size_t, c_void_p, c_size_t, c_void_p),
    "StartProfiler": (c_void_p,),
    "StopProfiler": (c_void_p,),
    "GetNumProfilerEvents": (c_void_p, POINTER(c_int)),
    "GetProfilerEvents": (c_void_p, c_int, c_void_p),
}
_DESTROYERS = ("Environment", "Model", "Options", "CompiledModel", "TensorBuffer")


class NotAvailableError(Exception):
    """Why there is no profile."""


class AnyValue(ctypes.Structure):
    """A value of an environment's option; type 2 is an integer."""

    _fields_ = (("type", c_int), ("integer", ctypes.c_int64))


class EnvironmentOption(ctypes.Structure):
    """An option of an environment, by its number."""

    _fields_ = (("tag", c_int), ("value", AnyValue))


class Layout(ctypes.Structure):
    """A shape; the rank is in the lowest seven bits of `head`."""

    _fields_ = (("head", ctypes.c_uint32), ("sizes", ctypes.c_int32 * 8), ("strides", ctypes.c_uint32 * 8))

    @property
    def shape(self) -> list[int]:
        """The sizes; one that is not fixed is negative."""
        rank: int = self.head & 0x7F
        return list(self.sizes[:rank])


class TensorType(ctypes.Structure):
    """A dtype, by its number, and a shape."""

    _fields_ = (("element", c_int), ("layout", Layout))


class Event(ctypes.Structure):
    """One thing that the profiler timed; `kind` is a bit, `index` a place that depends on it."""

    _fields_ = (
        ("tag", c_char_p),
        ("kind", c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory", c_size_t * 6),
        ("index", ctypes.c_uint64),
        ("subgraph", ctypes.c_uint64),
        ("source", c_int),
    )


class Library:
    """The functions of the library, each of which either does what it is asked for or raises.

    Parameters
    ----------
    path
        The library; the one of the installed package by default.

    Raises
    ------
    NotAvailableError
        If it is not there, cannot be loaded, or lacks a function.
    """

    def __init__(self, path: Path | None = None) -> None:
        path = path or _installed()
        try:
            self._native = ctypes.CDLL(str(path))
        except OSError as error:
            raise NotAvailableError(f"the runtime's C library cannot be loaded ({error})") from error
        names = [*_FUNCTIONS, *(f"Destroy{kind}" for kind in _DESTROYERS)]
        if missing := [name for name in names if not hasattr(self._native, f"LiteRt{name}")]:
            raise NotAvailableError(f"{path.name} lacks LiteRt{missing[0]} (and {len(missing) - 1} more functions)")
        for name, arguments in _FUNCTIONS.items():
            function = self._function(name)
            function.argtypes, function.restype = arguments, c_int
        for kind in _DESTROYERS:
            function = self._function(f"Destroy{kind}")
            function.argtypes, function.restype = (c_void_p,), None

    def call(self, name: str, *arguments: Any) -> None:
        """Call ``LiteRt<name>``; raises `NotAvailableError` if its status is not 0."""
        if status := self._function(name)(*arguments):
            raise NotAvailableError(f"LiteRt{name} gave the status {status}")

    def made(self, name: str, *arguments: Any) -> c_void_p:
        """The handle that a function gives through its last argument."""
        handle = c_void_p()
        self.call(name, *arguments, ctypes.byref(handle))
        if not handle.value:
            raise NotAvailableError(f"LiteRt{name} gave no handle")
        return handle

    def counted(self, name: str, *arguments: Any) -> int:
        """The size that a function gives through its last argument."""
        count = c_size_t()
        self.call(name, *arguments, ctypes.byref(count))
        return count.value

    def destroy(self, kind: str, handle: c_void_p) -> None:
        """Let go of a handle."""
        self._function(f"Destroy{kind}")(handle)

    def _function(self, name: str) -> Any:
        return getattr(self._native, f"LiteRt{name}")


def _installed() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        raise NotAvailableError("the package ai-edge-litert is not installed")
    path = Path(folders[0]) / _FILE
    if not path.is_file():
        raise NotAvailableError(f"the package ai-edge-litert brings no {_FILE}")
    return path
