"""What the sandbox costs: programs per second, ours against pools made for each call and against bare `exec`.

Run by `make bench`. All run the same distinct programs in turn within one process; figures are medians over the rounds,
ratios are of those medians. 'Pebble' is the way of ReFT's engine (Luong et al. 2024, code lqtrung1998/mwp_ReFT): a
`pebble.ProcessPool` made for each call, every program scheduled under a time-out, here with a worker a core and without
ReFT's import of SymPy in each program. 'Executor' is the standard library's pool, every program under an alarm. Bare
`exec` is no containment at all. The first call of ours, which starts the workers, is not among the rounds.

Programs that use SymPy are measured by themselves: each has a process of its own.
"""

import argparse
import json
import os
import random
import signal
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from measuring import machine, medians
from pebble import ProcessPool

from gavel.data.generator.problems import generate
from gavel.solutions.answers import Answer
from gavel.solutions.programs import to_program
from gavel.solutions.sandbox.pool import containment, run_programs

BATCHES = (256, 3000)
SYMPY = 200


def distinct_programs(count: int) -> list[str]:
    """Programs of the generator's problems, each text once."""
    found: dict[str, None] = {}
    seed = 0
    while len(found) < count:
        rows = [row for _, row in generate("main", count, seed, "bench")]
        found |= dict.fromkeys(to_program(row["solution"], row["gold"], row["question"]) for row in rows)
        seed += 1
    programs = list(found)[:count]
    random.Random(0).shuffle(programs)
    return programs


def sympy_programs(count: int) -> list[str]:
    """Equations as language models write them, each with other numbers."""
    return [
        "from sympy import symbols, Eq, solve\n\ndef solution():\n    x = symbols('x')\n"
        f"    equation = Eq({number % 7 + 2} * x + {number}, {3 * number + 8})\n    return solve(equation, x)[0]"
        for number in range(count)
    ]


def bare(program: str) -> str:
    names: dict = {}
    exec(program, names)
    return str(names["solution"]())


def _late(*_) -> None:
    raise TimeoutError


def under_alarm(program: str) -> str | None:
    signal.signal(signal.SIGALRM, _late)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, 1.0)
            return bare(program)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    except Exception:  # also of an alarm that goes off while it is being turned off
        return None


def pebble_for_each_call(programs: list[str]) -> list[str | None]:
    with ProcessPool(max_workers=os.cpu_count()) as pool:
        waiting = [pool.schedule(bare, args=[program], timeout=1.0) for program in programs]
        return [None if future.exception() else future.result() for future in waiting]


def executor_for_each_call(programs: list[str]) -> list[str | None]:
    with ProcessPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(under_alarm, programs))


def in_process(programs: list[str]) -> list[str]:
    return [bare(program) for program in programs]


METHODS: dict[str, Callable[[list[str]], list]] = {
    "gavel": run_programs,
    "Pebble for each call": pebble_for_each_call,
    "Executor for each call": executor_for_each_call,
    "bare exec": in_process,
}


def measure(programs: list[str], rounds: int) -> dict[str, float]:
    """Median seconds of each method, all of which must give the same answers."""
    expected = [round(float(answer), 9) for answer in in_process(programs)]

    def check(name: str, answers: list[Answer]) -> None:
        if missing := sum(not isinstance(answer, str) for answer in answers):
            raise SystemExit(f"{name}: {missing} programs ran out of time; measure on an idle machine")
        if [round(float(answer), 9) for answer in answers] != expected:
            raise SystemExit(f"{name} gives other answers")

    return medians({name: partial(method, programs) for name, method in METHODS.items()}, rounds, check)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    layers = containment()
    print(f"{machine()}; {', '.join(layers)}")
    results = {}
    for size in BATCHES:
        times = measure(distinct_programs(size), options.rounds)
        rates = {name: size / value for name, value in times.items()}
        ratios = {name: rates["gavel"] / rate for name, rate in rates.items()}
        results[size] = {"programs_per_second": rates, "gavel_against": ratios}
        for name, rate in rates.items():
            print(f"{size:>5} programs  {name:<24}{rate:>10,.0f} /s   gavel is {ratios[name]:.2f} times as fast")
    times = medians({"gavel": partial(run_programs, sympy_programs(SYMPY))}, options.rounds, lambda name, answers: None)
    results["sympy"] = {"programs_per_second": {"gavel": SYMPY / times["gavel"]}}
    print(f"{SYMPY:>5} programs that use SymPy        {SYMPY / times['gavel']:>10,.0f} /s")
    print(json.dumps(results))
