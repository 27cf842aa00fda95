"""The int8 specification in numpy: array in, array out."""
