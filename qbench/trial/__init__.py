"""The instrument's own test: contests of subjects against themselves, with slowdowns of a known size."""
