"""How a job uses its processor."""

import ctypes

import torch

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1  # glibc's mallopt parameters
KEEP = 1 << 30


def use_threads(count: int) -> None:
    """Compute with `count` threads, and keep freed memory for the next tensor.

    glibc returns every large block to the kernel when a tensor dies and fetches it again, page by page, for the next
    one; a training step of a tiny model spent half of its time there. Elsewhere than on glibc only the threads are set.
    """
    torch.set_num_threads(count)
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_THRESHOLD, KEEP)
        libc.mallopt(M_TRIM_THRESHOLD, KEEP)
    except (OSError, AttributeError):
        return
