"""Sections of single kinds of judge: simulated judges, and panels."""

import re
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from gavel.study.schema.base import Count, Fraction, NamedJudges, Section


class SimulatedBias(Section):
    """What a simulated judge prefers besides correct responses."""

    kind: Literal["length", "phrase", "format", "position"] = Field(
        description="`length`: long responses; `phrase`: those that contain `text`, such as 'the answer is correct'; "
        "`format`: those that match the regular expression `text`; `position`: the first ones of a question's group.",
    )
    strength: Fraction = Field(
        description="Weight of the bias in the score: at 0 it has no effect, at 1 nothing else but noise has one."
    )
    text: str | None = Field(
        None,
        description="The phrase, or the regular expression (Python's `re`), which may match anywhere in a response.",
    )
    length: Count = Field(200, description="`length`: characters from which on a response is not preferred further.")

    @model_validator(mode="after")
    def check_text(self) -> Self:
        if self.kind in ("phrase", "format") and not self.text:
            raise ValueError(f"text: a bias of kind {self.kind!r} needs one")
        if self.kind == "format":
            try:
                re.compile(self.text or "")
            except re.error as error:
                raise ValueError(f"text: {self.text!r} is not a regular expression ({error})") from None
        return self


class Simulated(Section):
    """A judge with set error rates, for experiments: the verifier's verdict with errors, noise and a bias. It reads the
    gold answers of unlabelled questions, so a study with it shows what such a judge would do, not what is possible
    without labels; its report says so."""

    tpr: Fraction = Field(0.9, description="Probability that it accepts a correct response.")
    fpr: Fraction = Field(
        0.1, description="Probability that it accepts an incorrect response; Youden's J is `tpr` - `fpr`."
    )
    errors: Literal["once", "each-time"] = Field(
        "once",
        description="`once`: a response gets the same verdict whenever it is judged, so that the policy can learn the "
        "judge's errors; `each-time`: errors are drawn anew, which makes them noise.",
    )
    noise: Annotated[float, Field(ge=0)] = Field(
        0.0, description="Standard deviation of normal noise on the score, which is then limited to [0, 1]."
    )
    bias: SimulatedBias | None = Field(None, description="A bias that has nothing to do with correctness.")
    weight: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="With a single-token judge: weight of the simulated score; the model's own has the rest. A judge "
        "of kind `simulated` has no model, so its weight is 1.",
    )
    seed: int = Field(
        0, description="Seed of errors and noise that are drawn `once`; in RL, others follow the run's seed."
    )


class Panel(Section):
    """Several judges as one. Each scores every response by itself, with its own model, prompt and labels."""

    judges: NamedJudges = Field(
        min_length=2,
        description="Name -> model folder, or a study's YAML file for its judge (one that is already trained), as in "
        "`replay.judges`. Pointwise judges that the jobs can load: single-token or simulated, without a server.",
    )
    combine: Literal["mean", "minimum", "mean-less-disagreement"] = Field(
        "mean",
        description="The score from the probabilities of its judges: their `mean`, their `minimum`, or "
        "`mean-less-disagreement`, the mean minus `penalty` times their standard deviation, limited to [0, 1]. A "
        "response that one of them could not judge has no score.",
    )
    penalty: Annotated[float, Field(ge=0)] = Field(
        1.0, description="`mean-less-disagreement`: weight of the standard deviation."
    )

    @model_validator(mode="after")
    def check_penalty(self) -> Self:
        if self.combine != "mean-less-disagreement" and self.penalty != 1:
            raise ValueError(f"penalty: has no effect with `combine: {self.combine}`; leave it out")
        return self
