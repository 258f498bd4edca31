"""Looks at runs by the events that they kept; imports neither torch nor Lightning."""
