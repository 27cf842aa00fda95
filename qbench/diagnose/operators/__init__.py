"""Each operator of a quantized artifact held against the float model: alone, as deployed, and what it flips."""
