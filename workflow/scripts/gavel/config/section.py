"""What every section of the config is made of."""

import re
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]

_LEADING_ZERO = re.compile(r"\s*[-+]?0[0-9_]+\s*")
_EXPONENT = re.compile(r"\s*[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+\s*")


class Section(BaseModel):
    """A closed section: an unknown key is an error, and so is a value that YAML has made of something else."""

    model_config = ConfigDict(extra="forbid", populate_by_name=False, protected_namespaces=(), allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def as_meant(cls, value: Any, info: ValidationInfo) -> Any:
        """No number or text from `yes`, no `010`; `1e-5` and `1e3`, which YAML 1.1 leaves texts, are numbers."""
        kinds = _kinds(cls.model_fields[info.field_name].annotation)
        if dict in kinds or any(issubclass(kind, BaseModel) for kind in kinds):
            return value
        values = value if isinstance(value, list | tuple) else [value]
        numeric = kinds & {int, float} and str not in kinds
        if bool not in kinds and any(isinstance(one, bool) for one in values):
            raise ValueError(
                f"expected {'a number' if numeric else 'text'}; YAML reads yes, no, on and off as true and false, "
                "unless they stand in quotes"
            )
        if not numeric:
            return value
        if any(isinstance(one, str) and _LEADING_ZERO.fullmatch(one) for one in values):
            raise ValueError("write the number without a leading 0")
        found = [float(one) if isinstance(one, str) and _EXPONENT.fullmatch(one) else one for one in values]
        return found if isinstance(value, list | tuple) else found[0]


def _kinds(annotation: Any) -> set[type]:
    """The types in an annotation: `list[int] | None` has int and NoneType."""
    inner = get_args(annotation)
    if get_origin(annotation) is Annotated:
        return _kinds(inner[0])
    if get_origin(annotation) is Literal:
        return {type(option) for option in inner}
    if get_origin(annotation) is dict:
        return {dict}
    return {kind for part in inner for kind in _kinds(part)} if inner else {annotation}
