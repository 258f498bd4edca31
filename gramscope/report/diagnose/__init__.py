"""Says which state runs are in, by the numbers that they kept."""
