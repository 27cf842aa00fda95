"""What qbench itself costs. Scripts that measure things side by side; nothing here is a gate."""
