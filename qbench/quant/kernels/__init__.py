"""Oracles: what each operator of the int8 specification should give, to the bit, array in and array out."""
