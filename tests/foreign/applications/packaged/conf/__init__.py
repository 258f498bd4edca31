"""A package of the application's own, with the commonest of names."""
