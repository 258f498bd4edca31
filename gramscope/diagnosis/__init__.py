"""What an event's numbers are and say. Knows nothing of tensors, trainers or files."""

from gramscope.diagnosis.numbers import (
    NUMBERS,
    Number,
    format_number,
    number_of,
    with_ceiling,
)

__all__ = ["NUMBERS", "Number", "format_number", "number_of", "with_ceiling"]
