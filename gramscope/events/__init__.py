"""What is on disk of a run's events: names, schema, writing, reading. NumPy at most."""
