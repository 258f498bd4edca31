"""Compares the jobs of a Hydra multirun: a table in the terminal, and a page."""
