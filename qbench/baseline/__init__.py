"""What was accepted: the versioned record and the only code that writes it."""
