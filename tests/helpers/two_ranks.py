"""What `test_distributed.py` has two processes do: a module with a `train`, as `gavel.jobs.launch` calls it."""

from pathlib import Path

import torch
from torch.distributed import all_gather_object, all_reduce
from torch.distributed.fsdp import fully_shard

from gavel.common.errors import InputError
from gavel.common.files import write_json
from gavel.jobs.launch import RunFolders, restore_dataclasses
from gavel.judge import load as judge
from gavel.judge.verdict import Judge, Verdict
from gavel.models import loading
from gavel.models.sampling import sample
from gavel.training import distributed
from gavel.training.rl import algorithms, rollout, validation_actions
from gavel.training.rl import train as rl_train
from gavel.training.state import replace_policy
from helpers import gradients


def train(run: RunFolders, start: str, job: dict, critic: dict, filtered: dict, mirror) -> None:
    notes = Path(run.state)
    shards(notes, start)
    cuts(notes, start)
    repeated(notes, start)
    for one in (critic, filtered):
        rl_train.train(**restore_dataclasses(rl_train.train, one))
    decisions(notes, job)
    refuse()


def shards(folder: Path, start: str) -> None:
    """A sharded policy takes a step, is sampled by each process alone, takes another step and is saved."""
    model, tokenizer = loading.load_model(start), loading.load_tokenizer(start)
    for layer in model.model.layers:
        fully_shard(layer)
    fully_shard(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    ids = tokenizer("Ben has 4 keys", return_tensors="pt")["input_ids"]
    texts = []
    for _ in range(2):
        model(ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        with distributed.unsharded(model) as policy:
            # Unlike numbers of passes: with shards left, the process with more of them would wait for ever.
            n = 3 if distributed.is_main() else 1
            mine = sample(policy, tokenizer, ["Ben has 4 keys"], n=n, temperature=1.0, max_new_tokens=4 * n)
        texts.append([s.text for s in mine[0]])
    replace_policy(model, tokenizer, folder / "sharded")
    distributed.on_main(lambda: write_json(folder / "texts.json", texts))


def cuts(folder: Path, start: str) -> None:
    """Every algorithm's gradients, averaged over both processes as DDP does, for two sizes of micro-batches."""
    tokenizer = loading.load_tokenizer(start)
    for kind in algorithms.ALGORITHMS:
        for missing in (False, True):
            for micro in (None, 2):
                made = gradients.trainer(
                    kind,
                    loading.load_model(start),
                    tokenizer,
                    folder / "cuts",
                    micro=micro,
                    missing=missing,
                    ppo={"minibatches": 1},
                )
                found = gradients.gradients(made)
                for gradient in (value for part in found for value in part.values()):
                    all_reduce(gradient)
                    gradient /= distributed.processes()
                name = f"{kind}-{missing}-{micro}.pt"
                distributed.on_main(lambda found=found, name=name: torch.save(found, folder / name))


def repeated(folder: Path, start: str) -> None:
    """Notes each process's completions of a rollout in which one question occurs three times, in both processes."""
    tokenizer = loading.load_tokenizer(start)
    made = gradients.trainer(
        "grpo", loading.load_model(start), tokenizer, folder / "repeated", prompts=gradients.REPEATED
    )
    made.rollout_func = rollout.Rollout(0, 1, 64)
    output = made._generate_and_score_completions(next(iter(made.get_train_dataloader())))
    shares = distributed.all_gather(gradients.completions(output))
    distributed.on_main(lambda: write_json(folder / "repeated.json", [each for share in shares for each in share]))


class UnreachableJudge(Judge):
    """A judge that the second process cannot reach in the second step."""

    def __init__(self, inner):
        self.inner, self.calls = inner, 0

    def verdicts(self, questions, solutions):
        self.calls += 1
        if self.calls == 2 and not distributed.is_main():
            return [Verdict(None)] * len(solutions)
        return self.inner.verdicts(questions, solutions)


def decisions(folder: Path, job: dict) -> None:
    """What only one process sees, a judge that is gone or a collapse, both act upon; notes their policies' sums."""
    load, finish = judge.load, rl_train.finish_run
    judge.load = lambda **settings: UnreachableJudge(load(**settings))
    validation_actions.has_collapsed = lambda validations, drop, patience: len(validations) > 3

    def note(run, policy, *arguments):
        sums: list = [None, None]
        all_gather_object(sums, [value.double().sum().item() for value in policy.state_dict().values()])
        distributed.on_main(lambda: write_json(folder / "sums.json", sums))
        return finish(run, policy, *arguments)

    rl_train.finish_run = note
    rl_train.train(**restore_dataclasses(rl_train.train, job))


def refuse() -> None:
    """One process has something to say; the other waits for it in vain."""
    if not distributed.is_main():
        raise InputError("data.labeled: nothing there")
    distributed.barrier()
