"""Not a namespace package: every installed plugin disappears behind it."""
