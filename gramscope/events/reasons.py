"""Why a due step has no picture, or a rank no rows: the words of ``events.jsonl``."""

from __future__ import annotations

import enum

__all__ = ["Reason"]


class Reason(enum.IntEnum):
    """The name is what events say; the number travels between ranks."""

    none = 0

    # A rank gives no rows.
    missing_key = 1
    not_a_tensor = 2
    bad_shape = 3
    no_such_module = 4
    inside_compiled_module = 5
    not_called = 6
    capture_failed = 7
    copy_failed = 8
    nothing_captured = 9
    no_rows = 10
    other_dimension = 11
    backlog = 12
    monitor_died = 13
    peer_lost = 14
    ranks_out_of_step = 15
    other_rows = 16
    no_samples = 17

    # An event has no picture, or not all that belongs to it.
    nonfinite = 32
    event_failed = 33
    render_failed = 34
    not_saved = 35
    publish_failed = 36
    not_taken = 37
    shutdown = 38
    in_flight_at_checkpoint = 39

    # A plain loop's step is no event at all.
    bad_step = 40
    closed = 41
