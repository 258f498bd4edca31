"""Compares the jobs of a Hydra multirun; imports neither torch nor Lightning."""
