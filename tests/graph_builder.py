"""Where tests find the builder."""

from qbench.tflite.builder import Affine, Graph
from qbench.tflite.graph import Array

__all__ = ["Affine", "Array", "Graph"]
