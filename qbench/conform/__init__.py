"""Real kernels held against the int8 specification, and against each other."""
