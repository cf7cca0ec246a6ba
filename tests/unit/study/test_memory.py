"""The memory that jobs are estimated to take, and what is refused where a machine has less."""

import inspect

import huggingface_hub
import psutil
import pytest
import torch
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.study import memory_check, resolve
from gavel.study.cost import memory
from gavel.study.cost.lengths import SAMPLE, Lengths, lengths_of
from gavel.study.cost.memory import Job, Part, jobs
from gavel.study.cost.sizes import sizes
from gavel.study.schema.study import load
from gavel.training import monitor

MIB = 2**20
LENGTHS = Lengths(longest_prompt=50, response=16, longest_response=20, max_new_tokens=48, judged=80)


def shipped(**changes) -> dict:
    raw = yaml.safe_load((ROOT / "config/config.yaml").read_text())
    for section, values in changes.items():
        raw[section] = raw.get(section, {}) | values
    return resolve.resolve(raw, ROOT)


def hub(**changes) -> dict:
    """A study of Galactica-125M on a GPU, in float32, with a critic that has its own trunk."""
    raw = yaml.safe_load((ROOT / "config/gsm8k-125m.yaml").read_text())
    raw["sft"]["bf16"] = raw["rl"]["bf16"] = False
    raw["rl"] |= {"ppo": {"trunk": "own"}, "kl_coefficient": 0.0, "kl_placement": "loss"}
    for section, values in changes.items():
        raw[section] = raw.get(section, {}) | values
    return load(raw)


def test_weights_and_states_by_hand():
    found = jobs(hub(), LENGTHS)
    weights = 125e6 * 4
    sft, grpo, ppo = (found[name].states for name in ("train_sft", "train_rl, grpo", "train_rl, ppo"))
    assert sft["weights"] == sft["gradients"] == weights
    assert sft["optimiser"] == 2 * weights
    assert (grpo["critic"], ppo["critic"]) == (0, 4 * weights)
    assert grpo["judge"] == 7.61e9 * 2
    adapters = jobs(hub(rl={"lora": {}, "algorithms": ["grpo"]}), LENGTHS)["train_rl, grpo"].states
    assert adapters["gradients"] == adapters["optimiser"] == 0
    divergence = hub(rl={"kl_coefficient": 0.1, "algorithms": ["grpo"], "validation": {"reference": False}})
    assert jobs(divergence, LENGTHS)["train_rl, grpo"].states["SFT policy"] == weights


def test_judges_that_watch_are_in_the_memory_of_rl():
    plain = jobs(shipped(), LENGTHS)["train_rl, grpo"]
    folder = "resources/models/two-bit-judge"
    watched = jobs(shipped(judge={"watch": {"a": folder, "b": folder}}), LENGTHS)
    size = sizes(shipped(judge={"model": folder}))[1]
    assert plain.states["watching judges"] == 0
    assert watched["train_rl, grpo"].states["watching judges"] == 2 * 4 * size.parameters
    assert {"watching judges 0", "watching judges 1"} < set(watched["train_rl, grpo"].phases)
    assert watched["generate"] == jobs(shipped(), LENGTHS)["generate"]


def test_the_members_of_a_panel_are_in_the_memory_of_rl_and_of_scoring():
    folder = "resources/models/two-bit-judge"
    panel = {"kind": "panel", "panel": {"judges": {"a": folder, "b": folder}}}
    found, size = jobs(shipped(judge=panel), LENGTHS), sizes(shipped(judge={"model": folder}))[1]
    assert found["train_rl, grpo"].states["judge"] == 0
    assert found["train_rl, grpo"].states["panel"] == found["score"].states["panel"] == 2 * 4 * size.parameters
    assert {"panel 0", "panel 1"} < set(found["train_rl, grpo"].phases)


def test_keys_and_values_by_hand():
    found = jobs(hub(rl={"prompts_per_step": 3, "num_generations": 4, "validation": {"questions": 2}}), LENGTHS)
    # 12 completions of 20 tokens and 3 prompts of 50; keys and values of 12 layers, 768 numbers of 4 bytes.
    expected = 2 * 12 * 768 * 4 * (12 * 20 + 3 * 50)
    assert found["train_rl, grpo"].phases["sampling"]["keys and values"].size == expected


def test_activations_and_logits_by_hand():
    config = hub(sft={"batch_size": 4, "micro_batch_size": 2})
    step = jobs(config, LENGTHS)["train_sft"].phases["optimiser step"]
    tokens = 2 * 71  # two examples of 50 + 20 tokens and an end token
    assert step["activations"].size == 12 * tokens * (8 * 768 + 2 * 3072) * 4
    assert step["logits"].size == tokens * 32768 * 4 + 50000 * 768 * 4
    recomputed = hub(sft={"batch_size": 4, "micro_batch_size": 2, "gradient_checkpointing": True})
    step = jobs(recomputed, LENGTHS)["train_sft"].phases["optimiser step"]
    assert step["activations"].size == 12 * tokens * 768 * 4 + tokens * (8 * 768 + 2 * 3072) * 4


def test_a_cpu_also_keeps_attention_scores_and_the_libraries():
    config = shipped(sft={"batch_size": 4})
    student, _ = sizes(config)
    job = jobs(config, LENGTHS)["train_sft"]
    # The batch of four is packed into three rows.
    kept = 3 * 71 * (10 * student.width + 4 * student.inner) * 4 + 3 * student.heads * 71**2 * 4
    assert job.phases["optimiser step"]["activations"].size == student.layers * kept
    assert job.states["libraries"] == memory.FIRST_USE and job.base == memory.IMPORTS
    assert "libraries" not in jobs(hub(), LENGTHS)["train_sft"].states


def test_small_blocks_of_all_phases_add_up_on_a_cpu():
    phases = {
        "a": {"x": Part(3 * MIB, MIB), "y": Part(100 * MIB)},
        "b": {"x": Part(2 * MIB, MIB), "z": Part(150 * MIB, 40 * MIB)},
    }
    cpu, gpu = (Job({"weights": 10 * MIB}, phases, base=MIB, gpu=gpu) for gpu in (False, True))
    assert cpu.largest == gpu.largest == "b"
    assert cpu.parts == {"weights": 10 * MIB, "x": 5 * MIB, "z": 150 * MIB}
    assert cpu.peak == 166 * MIB
    assert gpu.parts == {"weights": 10 * MIB, "x": 2 * MIB, "z": 150 * MIB}


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"sft": {"batch_size": 8}}, {"sft": {"batch_size": 32}}),
        ({"sft": {"micro_batch_size": 4}}, {"sft": {"micro_batch_size": None}}),
        ({"student": {"dtype": "bfloat16"}, "sft": {"lora": {}}, "rl": {"lora": {}}}, {"sft": {"lora": {}}}),
        ({"compute": {"processes": 4}}, {"compute": {"processes": 2}}),
    ],
)
def test_what_saves_memory_lowers_the_estimate(less, more):
    first, second = (jobs(shipped(**changes), LENGTHS)["train_sft"].beyond_base for changes in (less, more))
    assert first < second


def test_ppo_takes_more_than_grpo_and_a_shared_trunk_less_than_its_own():
    own, shared = (jobs(shipped(rl={"ppo": {"trunk": trunk}}), LENGTHS) for trunk in ("own", "shared"))
    grpo, ppo = (own[f"train_rl, {name}"].beyond_base for name in ("grpo", "ppo"))
    assert grpo < ppo
    assert shared["train_rl, ppo"].beyond_base < ppo


def test_the_constants_are_the_code_s():
    assert memory.ENTROPY_SAMPLES == monitor.MAX_ENTROPY_SAMPLES
    assert inspect.signature(monitor.entropy_and_kl).parameters["rows"].default == memory.ENTROPY_ROWS
    from trl.kernels import chunked_logprob
    from trl.trainer import utils

    assert memory.HEAD_TOKENS == chunked_logprob.TOKEN_CHUNK_SIZE
    assert memory.HEAD_COLUMNS == utils._CHUNKED_LOGPROB_CHUNK_SIZE


def test_activations_are_those_that_autograd_keeps():
    """A Llama of other proportions, forward pass with eager attention, against the saved tensors."""
    from transformers import LlamaConfig, LlamaModel

    shape = {"hidden_size": 48, "intermediate_size": 112, "num_attention_heads": 4, "vocab_size": 20}

    def kept(layers: int) -> int:
        model = LlamaModel(LlamaConfig(num_hidden_layers=layers, attn_implementation="eager", **shape)).train()
        weights = {value.untyped_storage().data_ptr() for value in model.parameters()}
        seen = {}

        def pack(tensor):
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in weights:
                seen[storage.data_ptr()] = (storage.nbytes(), tensor)
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
            mask = torch.ones(2, 64, dtype=torch.long)
            output = model(torch.ones(2, 64, dtype=torch.long), attention_mask=mask, use_cache=False)
        assert output.last_hidden_state.requires_grad
        return sum(size for size, _ in seen.values())

    expected = 2 * 64 * (memory.KEPT[0] * 48 + memory.KEPT[1] * 112) * 4 + 2 * 4 * 64**2 * 4
    assert kept(3) - kept(2) == pytest.approx(expected, rel=0.01)


def test_lengths_are_measured_where_questions_and_student_are_here():
    found = lengths_of(shipped(), prompt=1, judging=1, length=0.5)
    assert found.questions == SAMPLE
    assert 30 < found.longest_prompt < 80
    assert 10 < found.response < found.longest_response < found.max_new_tokens == 48
    assert found.longest().response == 48


def test_lengths_are_assumed_where_they_cannot_be_measured():
    found = lengths_of(hub(), prompt=100, judging=200, length=0.5)
    limit = hub()["solution"]["max_new_tokens"]
    assert (found.questions, found.longest_prompt, found.response) == (0, 200, limit / 2)
    assert found.judged == 200 + limit / 2


@pytest.fixture
def ram(monkeypatch):
    def set_to(mib: int):
        monkeypatch.setattr(psutil, "virtual_memory", lambda: type("Memory", (), {"total": mib * MIB}))
        monkeypatch.setattr(memory_check, "cgroup_limit", lambda: None)

    return set_to


def test_a_study_that_fits_passes(ram):
    ram(4000)
    memory_check.check_memory(shipped(), here=True)
    memory_check.check_memory(shipped(), here=False)  # compute.mem_mb is 3000


def test_a_study_that_does_not_fit_is_refused_in_one_line(ram):
    ram(300)
    with pytest.raises(InputError, match=r"^rl, ppo needs about \d.\d GiB .* this machine has 0.3 GiB; lower") as told:
        memory_check.check_memory(shipped(), here=True)
    assert len(str(told.value).splitlines()) == 1
    memory_check.check_memory(shipped(compute={"on_low_memory": "warn"}), here=True)


def test_a_hub_models_size_is_that_of_its_configuration(ram, monkeypatch, tmp_path):
    asked = []

    def look(url):
        asked.append(url)
        if "/owner/model/" not in url:
            raise OSError("no network")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", look)
    shipped_config = str(ROOT / "resources/models/student/config.json")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda name, file, revision: shipped_config)
    ram(300)
    study = shipped(student={"model": "owner/model", "revision": "v1"})
    with pytest.raises(InputError, match="^rl, ppo needs about"):
        memory_check.check_memory(study, here=True)
    assert len(asked) == 1 and asked[0].endswith("/owner/model/resolve/v1/config.json")
    memory_check.check_memory(shipped(student={"model": "owner/other"}), here=True)
    assert len(asked) == 2  # once each, since nothing retries


def test_the_warning_is_the_same_text(ram, capsys):
    ram(300)
    memory_check.check_memory(shipped(compute={"on_low_memory": "warn"}), here=True)
    assert "WARNING: rl, ppo needs about" in capsys.readouterr().err


def test_on_a_cluster_the_last_attempts_request_counts():
    small = shipped(compute={"mem_mb": 300})
    with pytest.raises(InputError, match="with compute.mem_mb 300 a job requests 0.3 GiB"):
        memory_check.check_memory(small, here=False)
    with pytest.raises(InputError, match="requests, in its last of 2 attempts, 0.6 GiB"):
        memory_check.check_memory(small, here=False, attempts=2)
    memory_check.check_memory(small, here=False, attempts=9)


def test_gpus_have_their_own_memory(monkeypatch):
    study = shipped(compute={"gpus": 1})
    assert memory_check.available(study["compute"], here=False, attempts=1) is None
    sizes_of = {0: 80 * 2**30, 1: 2**20}
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(
        torch.cuda, "get_device_properties", lambda i: type("Properties", (), {"total_memory": sizes_of[i]})
    )
    with pytest.raises(InputError, match="but a GPU of this machine has 0.0 GiB"):
        memory_check.check_memory(study, here=True)


@pytest.mark.parametrize(
    ("own", "files", "limit"),
    [
        ("0::/a/b", {"a/b/memory.max": "max", "a/memory.max": "5000"}, 5000),
        ("4:cpu:/x\n3:memory:/a", {"memory/a/memory.limit_in_bytes": "7000"}, 7000),
        ("3:memory:/a", {"memory/memory.limit_in_bytes": "9223372036854771712"}, None),
        ("3:memory:/a", {"memory/memory.limit_in_bytes": "6000"}, 6000),  # a container sees its own group as the root
        ("0::/", {}, None),
    ],
)
def test_the_control_groups_limit_is_the_smallest_on_the_way_up(tmp_path, own, files, limit):
    (tmp_path / "own").write_text(own + "\n")
    for name, text in files.items():
        path = tmp_path / "groups" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")
    assert memory_check.cgroup_limit(tmp_path / "own", tmp_path / "groups") == limit
