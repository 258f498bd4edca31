"""The configs, as a package."""
