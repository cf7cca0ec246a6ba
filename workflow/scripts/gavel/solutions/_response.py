"""What a response contains beside its solution, whatever its answer's type: thoughts, another problem, denials."""

import re

# The prompt's cues (`cue`, `heading`), and what ends or begins a turn.
CUE = re.compile(
    r"^[ \t]*+[#*_>]*+[ \t]*+(?P<cue>(?:(?:Next|New|Another)[ ])?(?:Question|Q|Problem|Instruction)"
    r"(?:[*_]*[ \t]*:|[ ]?\#?[0-9]{1,3}[*_]*[ \t]*(?:[:.)]|$)|(?<=Q)[).]))"
    r"|^[ \t]*(?P<heading>\#{1,6}[ \t]*[*_]*|[*_]{2})(?:(?:Next|New|Another)[ ])?(?:Question|Problem)[*_]*[ \t]*$"
    r"|^[ \t]*+[#*_>]*+[ \t]*+(?:Human|User)[*_]*[ \t]*:"
    r"|<\|(?:im_end|endoftext|end_of_text|eot_id|end)\|>|</s>|<end_of_turn>|<eos>",
    re.MULTILINE | re.IGNORECASE,
)
# `I don't think the answer is 5`, `if the answer is 5`: not statements.
DENIED_STATEMENT = re.compile(
    r"(?:(?:n't|\bnot|\bnever|\bcannot|\bnobody)[ ](?:\w{1,20}[ ])?"
    r"(?:think|believe|say|claim|mean|true|the[ ]case|possible|likely|right|correct|sure)(?:[ ](?:that|if|whether))?"
    r"|\b(?:(?:if|suppose|assume|assuming|whether|unless)(?:[ ]that)?|(?:false|wrong|incorrect)[ ]that)"
    # Something that was believed, or might be: `first I thought the answer is 8, but`.
    r"|\b(?:thought|assumed|believed|guessed|figured|supposed|expected|(?:might|may"
    r"|could)[ ](?:have[ ])?(?:thought|think"
    r"|say|guess|assume|believe|expect))(?:[ ](?:at[ ]first|initially|first))?(?:[ ]that)?)"
    r"(?:[ ](?:the|my|our|final|correct)){0,3}[ ]answer\b(?:(?!,?[ ]but\b|;)[^.!?\n]){0,200}",
    re.IGNORECASE,
)


def without_thoughts(text: str) -> str:
    """The text after its thoughts if something follows them, and without a thought that has not ended."""
    _, thought, solution = text.rpartition("</think>")
    if thought and solution.strip():
        text = solution
    if text.rfind("<think>") > text.rfind("</think>"):
        text = text[: text.rfind("<think>")]
    return text
