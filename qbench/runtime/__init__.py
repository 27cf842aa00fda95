"""Where artifacts run: interpreters behind one protocol, here or in a worker process."""
