"""What an event's numbers are and say. Knows nothing of tensors, trainers or files."""

from gramscope.diagnosis.numbers import NUMBERS, Number

__all__ = ["NUMBERS", "Number"]
