"""Tests of its own."""
