"""qbench: tells whether a quantized model got worse."""
