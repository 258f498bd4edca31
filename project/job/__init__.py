"""A training around the model: its start, processes and output, its sweep, its summary."""
