"""How a job uses the CPU."""

import ctypes

import torch

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1  # glibc's mallopt parameters
KEPT_BYTES = 1 << 30


def use_threads(count: int) -> None:
    """Compute with `count` threads, and keep freed memory for the next tensor.

    By default, glibc returns every large block to the kernel when a tensor is freed and requests it again, page by
    page, for the next one. Half of a tiny model's training step was spent on this. Without glibc, only the number of
    threads is set.
    """
    torch.set_num_threads(count)
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        libc.mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
    except (OSError, AttributeError):
        return
