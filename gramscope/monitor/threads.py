"""Keeps the monitor's arithmetic on one core, without touching training's."""

from __future__ import annotations

import threading

import torch

__all__ = ["use_one_core"]


def use_one_core() -> None:
    """Have torch use one thread for the operations of the calling thread, and of no other.

    A matrix product of the monitor's would otherwise claim every core, wait for cores that
    training holds, and make training wait in turn: on two busy cores a product of 16 x 32 took
    22 ms instead of 2 µs.

    `torch.set_num_threads` sets the OpenMP and MKL threads of the calling thread (MKL's since
    torch 1.10) and, besides, the number with which threads begin that do not exist yet. The
    latter is put back, from a thread that ends at once.
    """
    torch.ones(1).exp()  # a thread takes over the common number with its first operation
    common = torch.get_num_threads()
    torch.set_num_threads(1)
    restorer = threading.Thread(target=torch.set_num_threads, args=(common,))
    restorer.start()
    restorer.join()
