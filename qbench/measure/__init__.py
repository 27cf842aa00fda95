"""Numbers about artifacts: accuracy, size, latency."""
