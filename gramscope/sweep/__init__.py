"""A job in its sweep: what was swept, what it returns, who it is for W&B. No torch."""
