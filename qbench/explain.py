"""`qbench explain`: its options, and what it does with them."""
