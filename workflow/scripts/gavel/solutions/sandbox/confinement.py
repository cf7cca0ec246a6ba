"""The process layer of the program sandbox: what the kernel denies a worker, whatever code runs in it.

`gavel.solutions.sandbox.worker` calls `confine` before it reads its first program. Standard library only.
"""

import ctypes
import errno
import os
import platform
import resource
import signal
import struct
import sys

MEMORY_BYTES = 256 * 2**20  # a word problem needs a few MiB; the interpreter itself maps about 30
NOBODY = 65534

# The system calls, with their kernel numbers, that an interpreter with all its modules loaded needs. All others (open,
# socket, fork, exec, kill, ...) fail with EPERM.
_CALLS = {
    "x86_64": {
        "read": 0, "write": 1, "close": 3, "fstat": 5, "lseek": 8, "mmap": 9, "mprotect": 10, "munmap": 11, "brk": 12,
        "rt_sigaction": 13, "rt_sigprocmask": 14, "rt_sigreturn": 15, "mremap": 25, "madvise": 28, "setitimer": 38,
        "getpid": 39, "exit": 60, "gettimeofday": 96, "getrlimit": 97, "getrusage": 98, "sigaltstack": 131,
        "setrlimit": 160, "time": 201, "futex": 202, "restart_syscall": 219, "clock_gettime": 228,
        "clock_nanosleep": 230, "exit_group": 231, "set_robust_list": 273, "prlimit64": 302, "getrandom": 318,
        "rseq": 334,
    },
    "aarch64": {
        "close": 57, "lseek": 62, "read": 63, "write": 64, "fstat": 80, "exit": 93, "exit_group": 94, "futex": 98,
        "set_robust_list": 99, "setitimer": 103, "clock_gettime": 113, "clock_nanosleep": 115, "restart_syscall": 128,
        "sigaltstack": 132, "rt_sigaction": 134, "rt_sigprocmask": 135, "rt_sigreturn": 139, "getrlimit": 163,
        "setrlimit": 164, "getrusage": 165, "gettimeofday": 169, "getpid": 172, "brk": 214, "munmap": 215,
        "mremap": 216, "mmap": 222, "mprotect": 226, "madvise": 233, "prlimit64": 261, "getrandom": 278, "rseq": 293,
    },
}  # fmt: skip
_ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# linux/prctl.h, linux/filter.h, linux/seccomp.h
_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS, _MODE_FILTER = 22, 38, 2
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06
_ALLOW, _KILL, _DENY = 0x7FFF0000, 0x80000000, 0x00050000 | errno.EPERM
_NUMBER_AT, _ARCHITECTURE_AT = 0, 4


def confine(parent: int) -> list[str]:
    """Permanently give up everything that running a program does not need, and die with the process `parent`.

    Returns:
        The active layers: `limits` always; `user` if this process was root and could become nobody; `seccomp` if the
        machine supports a filter and the CPU architecture is a known one.
    """
    layers = ["limits"]
    libc = ctypes.CDLL(None, use_errno=True)
    limit_resources()
    if os.geteuid() == 0 and become_nobody():
        layers.append("user")
    die_with(parent)  # after the change of user, which resets it in the kernel
    if hasattr(libc, "prctl") and filter_calls(libc):
        layers.append("seccomp")
    return layers


def die_with(parent: int) -> None:
    """Have the kernel (Linux) kill this process when the thread that started it ends; exit now if it has already
    ended."""
    libc = ctypes.CDLL(None, use_errno=True)
    if hasattr(libc, "prctl"):
        libc.prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
    if os.getppid() != parent:
        sys.exit(0)


def limit_resources() -> None:
    """Allow no file, process or core dump, and little memory; process limits do not bind root."""
    limits = {
        resource.RLIMIT_AS: MEMORY_BYTES,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 3,
        resource.RLIMIT_NPROC: 0,
    }
    for kind, limit in limits.items():
        lower(kind, limit, limit)


def become_nobody() -> bool:
    """Drop root permanently; False if the machine does not know the user (some rootless containers)."""
    try:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
    except OSError:
        return False
    return True


def filter_calls(libc: ctypes.CDLL) -> bool:
    """Install the seccomp filter of `_CALLS`; False if it is not available."""
    machine = platform.machine()
    if machine not in _CALLS:
        return False
    steps = [(_LOAD, 0, 0, _ARCHITECTURE_AT), (_EQUAL, 1, 0, _ARCHITECTURES[machine]), (_RETURN, 0, 0, _KILL)]
    steps.append((_LOAD, 0, 0, _NUMBER_AT))
    for number in _CALLS[machine].values():
        steps += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, _ALLOW)]
    steps.append((_RETURN, 0, 0, _DENY))
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("@HP", len(steps), ctypes.addressof(buffer))
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return False
    refused: int = libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, program, 0, 0)
    return refused == 0


def limit_cpu_time(seconds: float) -> None:
    """Have the kernel end this process with SIGPROF after `seconds` more of CPU time, in place of an earlier limit."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


def lower(kind: int, soft: int, hard: int) -> None:
    """Set a limit, never above the inherited hard limit (of a cluster job, for example)."""
    _, inherited = resource.getrlimit(kind)
    if inherited != resource.RLIM_INFINITY:
        soft = min(soft, inherited)
        hard = inherited if hard == resource.RLIM_INFINITY else min(hard, inherited)
    resource.setrlimit(kind, (soft, hard))
