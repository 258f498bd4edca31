"""Small self-supervised trainings, whole and broken on purpose, whose fate is known."""
