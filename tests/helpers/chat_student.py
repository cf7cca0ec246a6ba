"""A student with a chat template, made of a tiny one that has none: ChatML, as instruct models have it."""

import shutil
from pathlib import Path

from tokenizers.processors import TemplateProcessing
from transformers import AutoModelForCausalLM, AutoTokenizer

START, END, BOS = "<|im_start|>", "<|im_end|>", "<s>"
# It begins with the BOS token, which the tokenizer also adds to every text by itself, as Llama's does.
CHATML = (
    "{{ bos_token }}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"
)


def chat_student(tiny: str, folder: str | Path, template: str | None = CHATML) -> str:
    """A copy of the tiny model in `folder`, whose end token `</s>` is not the one that ends the template's turns."""
    shutil.copytree(tiny, folder)
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    tokenizer.add_special_tokens({"bos_token": BOS, "additional_special_tokens": [START, END]})
    bos = (BOS, tokenizer.convert_tokens_to_ids(BOS))
    tokenizer._tokenizer.post_processor = TemplateProcessing(single=f"{BOS} $A", pair=None, special_tokens=[bos])
    tokenizer.chat_template = template
    model = AutoModelForCausalLM.from_pretrained(tiny)
    model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)
