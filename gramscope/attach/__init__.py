"""Puts what was asked for into trainers that nobody gave it to: by Lightning's entry points.

Lightning loads `factories` in every program of the environment, so that it is small and imports
nothing unless something was asked for.
"""
