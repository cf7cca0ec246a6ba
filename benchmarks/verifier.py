r"""How often the verifier errs, beside two others: math-verify alone, and lm-eval's filters for GSM8K.

    python benchmarks/verifier.py --data gsm8k_model_solutions.jsonl --docs docs/reference/metrics.md

Three sources with known verdicts:

- the corpus of `tests/helpers/answer_corpus.py`: written cases and constructed classes;
- the solutions of four models to GSM8K's test questions that OpenAI published with a flag `is_correct` each
  (`--data`; https://github.com/openai/grade-school-math, `example_model_solutions.jsonl`): 5,276 rows;
- samples of the shipped student. It writes programs, whose verdict needs no text: they are run. Each is then written as
  a text, its lines and `#### <what it returns>`, which the verifiers read.

`gavel.solutions.other_verifiers` has the other two. The published solutions end in `A: 18`, which lm-eval's strict
filter does not know: they are read as published, with that marker written `####`, and without their last line.
"""

import argparse
import json
import re
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from gavel.common.files import write_text
from gavel.data.generator.problems import generate
from gavel.models import loading, prompts
from gavel.models.sampling import sample
from gavel.solutions import other_verifiers
from gavel.solutions import verifier as answers
from helpers.answer_corpus import HELD_OUT, Rates, Row, constructed, rates, written

ROOT = Path(__file__).parents[1]
STUDENT = ROOT / "resources" / "models" / "student"
MODELS = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
BEGIN, END = "<!-- verifier: begin -->\n", "<!-- verifier: end -->\n"

Verifier = Callable[[Sequence[Row]], list[bool]]


def ours(rows: Sequence[Row]) -> list[bool]:
    return answers.verify([row.response for row in rows], [row.answer for row in rows], "text")[1]


def by_math_verify(rows: Sequence[Row]) -> list[bool]:
    return [other_verifiers.by_math_verify(row.response, row.answer).correct for row in rows]


def by_filter(name: str) -> Verifier:
    read = other_verifiers.by_filter(other_verifiers.FILTERS[name])
    return lambda rows: [read(row.response, row.answer).correct for row in rows]


VERIFIERS: dict[str, Verifier] = {
    "Gavel": ours,
    "math-verify": by_math_verify,
    "lm-eval strict": by_filter("strict-match"),
    "lm-eval flexible": by_filter("flexible-extract"),
}


def corpus() -> list[Row]:
    held_out = [row._replace(kind=f"held out: {row.kind}") for row in constructed(HELD_OUT)]
    kinds = [row._replace(kind=row.kind.partition(":")[0]) for row in written()]
    return [*kinds, *constructed(), *held_out]


def published(path: Path) -> list[Row]:
    """GSM8K's published model solutions, in three forms."""
    forms: dict[str, list[Row]] = {name: [] for name in ("as published", "marked `####`", "without the marker's line")}
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        gold = answers.extract(row["ground_truth"])
        for model in MODELS:
            text, right = row[model]["solution"], row[model]["is_correct"]
            marked = re.sub(r"^A: ?", "#### ", text, flags=re.MULTILINE)
            texts = (text, marked, re.sub(r"^A: .*\Z", "", text, flags=re.MULTILINE | re.DOTALL).strip())
            for (name, rows), form in zip(forms.items(), texts, strict=True):
                rows.append(Row(f"GSM8K solutions, {name}", form, gold, right))
    return [row for rows in forms.values() for row in rows]


def of_the_student(questions: int, samples: int) -> list[Row]:
    """Samples of the shipped student for problems of the generator, as text; right as their programs' values say."""
    tokenizer, model = loading.load_tokenizer(str(STUDENT)), loading.load_model(str(STUDENT))
    rows = []
    for name in ("main", "svamp"):
        problems = [row for _, row in generate(name, questions, 5, "bench")]
        asked = [prompts.fill(prompts.load("solve"), question=row["question"]) for row in problems]
        groups = sample(model, tokenizer, asked, n=samples, temperature=1.0, max_new_tokens=48)
        programs = [one.text.strip() for group in groups for one in group]
        golds = [row["gold"] for row in problems for _ in range(samples)]
        values, verdicts = answers.verify(programs, golds, "program")
        for program, value, gold, right in zip(programs, values, golds, verdicts, strict=True):
            lines = [line.strip() for line in program.splitlines()[1:-1]]
            text = "\n".join(lines if value is None else [*lines, f"#### {value}"])
            rows.append(Row(f"student, {name}", text, gold, right))
    return rows


def rate(errors: int, of: int) -> str:
    return f"{100 * errors / of:.1f}" if of else "–"


def as_table(found: dict[str, dict[str, Rates]]) -> str:
    """A Markdown table: a class a line, false accepts / false rejects in per cent of each verifier."""
    names = list(found)
    lines = ["| texts | wrong / right | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for kind, (wrong, _, right, _) in found[names[0]].items():
        cells = [
            f"{rate(found[name][kind].accepted, wrong)} / {rate(found[name][kind].rejected, right)}" for name in names
        ]
        lines.append(f"| {kind} | {wrong:,} / {right:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--data", type=Path, help="the published solutions (their rows are left out without it)")
    parser.add_argument("--questions", type=int, default=200, help="problems of each set for the student (0: none)")
    parser.add_argument("--samples", type=int, default=4)
    parser.add_argument(
        "--docs", type=Path, help=f"write the table into this file, between {BEGIN.strip()} and its end"
    )
    parser.add_argument("--disagreements", type=Path, help="write the rows on which the verifiers differ, as JSONL")
    arguments = parser.parse_args()
    rows = corpus() + (published(arguments.data) if arguments.data else [])
    rows += of_the_student(arguments.questions, arguments.samples) if arguments.questions else []
    verdicts, seconds = {}, {}
    for name, verifier in VERIFIERS.items():
        started = time.perf_counter()
        verdicts[name] = verifier(rows)
        seconds[name] = time.perf_counter() - started
    text = as_table({name: rates(rows, found) for name, found in verdicts.items()})
    took = ", ".join(f"{name} {1000 * value / len(rows):.2g}" for name, value in seconds.items())
    text = f"{text}\nMilliseconds per text, on two cores: {took}.\n"
    print(text)
    if arguments.disagreements:
        with open(arguments.disagreements, "w", encoding="utf-8") as file:
            for index, row in enumerate(rows):
                said = {name: found[index] for name, found in verdicts.items()}
                if len({*said.values(), row.right}) > 1:
                    file.write(json.dumps(row._asdict() | {"said": said}, ensure_ascii=False) + "\n")
    if arguments.docs:
        head, begin, rest = arguments.docs.read_text(encoding="utf-8").partition(BEGIN)
        _, end, tail = rest.partition(END)
        if not begin or not end:
            raise SystemExit(f"{arguments.docs} has no lines {BEGIN.strip()} and {END.strip()}; add them")
        write_text(arguments.docs, f"{head}{begin}\n{text}\n{end}{tail}")


if __name__ == "__main__":
    main()
