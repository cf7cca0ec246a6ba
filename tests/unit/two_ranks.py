"""What `test_distributed.py` has two processes do: a module with a `train`, as `gavel.launch` calls it."""

from pathlib import Path

import torch
from torch.distributed.fsdp import fully_shard

from gavel import distributed, models
from gavel.errors import InputError
from gavel.files import write_json
from gavel.run_state import save_whole
from gavel.sampling import sample


def train(state: str, start: str, output: str, mirror) -> None:
    shards(state, start, output)
    refuse()


def refuse() -> None:
    """One process has something to say; the other waits for it in vain."""
    if not distributed.is_main():
        raise InputError("data.labeled: nothing there")
    distributed.wait()


def shards(state: str, start: str, output: str) -> None:
    """A sharded policy takes a step, is sampled by each process alone, takes another step and is saved."""
    model, tokenizer = models.load_model(start), models.load_tokenizer(start)
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
        with distributed.whole(model) as policy:
            # Unlike numbers of passes: with shards left, the process with more of them would wait for ever.
            n = 3 if distributed.is_main() else 1
            mine = sample(policy, tokenizer, ["Ben has 4 keys"], n=n, temperature=1.0, max_new_tokens=4 * n)
        texts.append([s.text for s in mine[0]])
    save_whole(model, tokenizer, Path(output))
    distributed.on_main(lambda: write_json(f"{state}/texts.json", texts))
