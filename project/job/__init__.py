"""A training job around the model: it starts, is told where to write, and has a last word."""
