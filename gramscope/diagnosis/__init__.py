"""What an event's numbers are and say: of each one, and of a run. No tensors, trainers or files."""

from gramscope.diagnosis.dense import DenseCourse, Snapshot, best_snapshot
from gramscope.diagnosis.diagnosis import Diagnosis
from gramscope.diagnosis.number import Number
from gramscope.diagnosis.numbers import NUMBERS, format_number, number_of, with_ceiling
from gramscope.diagnosis.state import Evidence, State
from gramscope.diagnosis.states import STATES, Kind
from gramscope.diagnosis.thresholds import THRESHOLDS, Threshold

__all__ = [
    "NUMBERS",
    "STATES",
    "THRESHOLDS",
    "DenseCourse",
    "Diagnosis",
    "Evidence",
    "Kind",
    "Number",
    "Snapshot",
    "State",
    "Threshold",
    "best_snapshot",
    "format_number",
    "number_of",
    "with_ceiling",
]
