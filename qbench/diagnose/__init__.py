"""Why a quantized artifact answers differently from its float model: which operator, and what is wrong with it."""
