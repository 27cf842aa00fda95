"""The models, data and benchmarks that qbench is tried on in its own repository."""
