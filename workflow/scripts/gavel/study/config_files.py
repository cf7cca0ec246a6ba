"""Reading config files, with errors where YAML would silently read something else than was meant.

A YAML loader silently keeps the last of two equal keys and reads `010` as 8, `1:30` as 90 and `2024-01-01` as a date.
Snakemake loads the study's files itself, so the workflow checks them here again. Keys and values are validated
elsewhere (`gavel.study.schema.study`).
"""

import json
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml

from gavel.common.errors import InputError
from gavel.common.files import NOT_UTF8, has_lone_surrogate
from gavel.common.nested import merge
from gavel.common.paths import ROOT
from gavel.common.redaction import displayable_value

DEFAULT = "config/config.yaml"  # the default study, relative to the working directory
PATHS = {"results_dir", "path", "model"}  # keys where `~` probably means the home folder, not null
_TAG = "tag:yaml.org,2002:"
_NAMED = re.compile(r"\b(alias|anchor|tag handle|tag)(?= ')")  # in PyYAML's messages, before the name
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_SURROGATE = "invalid Unicode: lone surrogate (\\ud800 to \\udfff); write the character itself"


def check_command_line(files: Sequence[str | Path], overrides: Iterable[str], config: dict[str, Any]) -> None:
    """Check Snakemake's `--configfile` and `--config`, and the config that it merged from them.

    Args:
        files: in the order given; none for the default study.
        overrides: `name=value` entries of `--config`; without files they change the default study.
        config: all of them merged.

    Raises:
        InputError: YAML would read a value as something else than was meant, a key is given twice, or there are files
            but none of them sets `study`.
    """
    for path in files:
        read(path)
    _check_overrides(overrides)
    if "study" in config:
        return
    if files:
        names = ", ".join(map(_shown, files))
        raise InputError(
            f"{names}: `study` is missing, so the results would overwrite the default study's; add a line such as "
            "`study: mine` (to change single keys of the default study, use --config without --configfile)"
        )
    if Path(DEFAULT).exists():
        read(DEFAULT)


def find(name: str | Path) -> str:
    """The path of a config file: from the working directory, or else one that ships with Gavel (`config/demo.yaml`)."""
    shipped = ROOT / name
    return str(shipped) if shipped.is_file() and not Path(name).exists() else str(name)


def read_changed(name: str | Path, overlays: Iterable[str | Path] = (), settings: Sequence[str] = ()) -> dict[str, Any]:
    """A study's config with changes, as Snakemake merges them; files are found as `find` finds them.

    Args:
        overlays: files with the keys that they change, such as the paths on one machine; later ones win.
        settings: `key=value` entries with dotted keys, which win over all files.

    Raises:
        InputError: as `read` does, or an entry is malformed.
    """
    found = read(find(name))
    for overlay in overlays:
        found = merge(found, read(find(overlay)))
    return merge(found, nested(settings))


def nested(settings: Sequence[str]) -> dict[str, Any]:
    """`["rl.steps=8"]` as `{"rl": {"steps": 8}}`; values are YAML. Raises `InputError` if an entry is malformed."""
    found: dict[str, Any] = {}
    for entry in settings:
        key, equals, text = entry.partition("=")
        if not equals or not all(key.split(".")):
            raise InputError(f"--set {key}: expected KEY=VALUE with a key as in the config, such as rl.steps=20")
        try:
            if (node := yaml.compose(text, Loader=yaml.SafeLoader)) is not None:
                _Checker("--set").check(node, key)
            value: Any = yaml.safe_load(text)
        except yaml.YAMLError:
            raise InputError(f"--set {key}: the value is not valid YAML; put text in quotes") from None
        for part in reversed(key.split(".")):
            value = {part: value}
        found = merge(found, value)
    _check_overrides(settings, "--set")
    return found


def read(path: str | Path) -> dict[str, Any]:
    """The plain values of a config file, YAML or JSON.

    Raises:
        InputError: the file is missing, not UTF-8, neither YAML nor JSON, or not a mapping; a key is given twice or is
            not text; or YAML reads a value as something else than was meant. The message gives file, line and key.
    """
    name = _shown(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{name}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{name}: {NOT_UTF8}") from None
    try:
        config = _json(text, name)  # first, as Snakemake does
        if config is None:
            config = _yaml(text, name)
    except RecursionError:
        raise InputError(f"{name}: nested too deeply; a study's config has only a few levels") from None
    if not isinstance(config, dict):
        kind = "nothing" if config is None else type(config).__name__
        raise InputError(f"{name}: expected a study's config, found {kind}; write `key: value` lines at the top level")
    return config


def _yaml(text: str, name: str) -> Any:
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        if node is not None:
            _Checker(name).check(node)
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        place = error.problem_mark or error.context_mark
        where = f"{name}:{place.line + 1}" if place else name
        raise InputError(f"{where}: not valid YAML ({_problem(error)})") from None
    except yaml.YAMLError as error:
        raise InputError(f"{name}: not valid YAML ({str(error).splitlines()[0]})") from None
    except InputError:
        raise
    except (ValueError, LookupError, AttributeError, TypeError):  # from `!!int x`; its message would repeat x
        raise InputError(f"{name}: not valid YAML (a value does not match its tag, as in `!!int x`)") from None


def _problem(error: yaml.MarkedYAMLError) -> str:
    """PyYAML's message without names of aliases and tags: a password that begins with * or ! is mistaken for one."""
    problem = str(error.problem or error.context)
    place = error.problem_mark or error.context_mark
    named = _NAMED.search(problem)
    if named and place:
        sign = {"alias": "*", "anchor": "&"}.get(named[1], "!")
        return (
            f"{problem[: named.start()]}{named[0]} in column {place.column + 1}; put text that begins with {sign} in "
            "quotes"
        )
    return problem + ("; indent with spaces" if "'\\t'" in problem else "")


class _Pairs(list[tuple[str, Any]]):
    """The key-value pairs of a JSON object; keys may repeat."""


def _json(text: str, name: str) -> Any:
    """A JSON document; None if the text is not JSON."""

    def plain(value: Any, path: str) -> Any:
        if isinstance(value, _Pairs):
            section = {}
            for key, inner in value:
                if key in section:
                    raise InputError(f"{name}: key {_dotted(path, key)!r} is given twice; keep one of them")
                section[key] = plain(inner, _dotted(path, key))
            return section
        if isinstance(value, list):
            return [plain(inner, _dotted(path, place)) for place, inner in enumerate(value)]
        if isinstance(value, str) and has_lone_surrogate(value):
            raise InputError(f"{name}: {path}: {_SURROGATE}")
        return value

    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except ValueError:
        return None
    return plain(pairs, "")


class _Checker:
    """Walks the nodes of a YAML document.

    Args:
        name: the file's name, for messages.
        typed: whether plain values get types; those of `--config` stay text.
    """

    def __init__(self, name: str, typed: bool = True) -> None:
        self.name, self.typed = name, typed
        self._open: set[int] = set()
        self._done: set[int] = set()

    def check(self, node: yaml.Node, path: str = "") -> None:
        """Raises `InputError` for an error in a node or below it."""
        if id(node) in self._open:
            raise self._error(node, path, "contains itself (an alias `*name` inside its own anchor `&name`)")
        if id(node) in self._done:
            return
        self._open.add(id(node))
        if isinstance(node, yaml.MappingNode):
            self._mapping(node, path)
        elif isinstance(node, yaml.SequenceNode):
            for place, inner in enumerate(node.value):
                self.check(inner, _dotted(path, place))
        elif isinstance(node, yaml.ScalarNode):
            self._scalar(node, path)
        self._open.discard(id(node))
        self._done.add(id(node))

    def _mapping(self, node: yaml.MappingNode, path: str) -> None:
        first: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self._error(key, path, "has a key that is a list or a section; write the key as text")
            key_path = _dotted(path, key.value)
            if key.value in first:
                before = f", first on line {first[key.value]}" if self.typed else ""
                raise InputError(f"{self._place(key)}: key {key_path!r} is given twice{before}; keep one of them")
            first[key.value] = key.start_mark.line + 1
            if key.tag == f"{_TAG}merge":  # `<<: *common`; the keys beside it may override its keys
                self.check(value, path)
                continue
            if key.tag != f"{_TAG}str":
                kind = key.tag.removeprefix(_TAG)
                raise self._error(key, key_path, f"YAML reads the key {key.value!r} as {kind}; put the key in quotes")
            if has_lone_surrogate(key.value):
                raise self._error(key, key_path, _SURROGATE)
            self.check(value, key_path)

    def _scalar(self, node: yaml.ScalarNode, path: str) -> None:
        kind, text = node.tag.removeprefix(_TAG), node.value
        if has_lone_surrogate(text):
            raise self._error(node, path, _SURROGATE)
        if not self.typed:
            return
        value = text if displayable_value(path.split("."), text) else "this value"
        if kind in ("int", "float") and ":" in text:
            raise self._error(
                node, path, f"YAML reads {value} as a base-60 number; write a plain number, or put text in quotes"
            )
        if kind == "int" and _OCTAL.fullmatch(text):
            raise self._error(
                node,
                path,
                f"YAML reads {value} as an octal number; write it without the leading 0, or put text in quotes",
            )
        if kind == "int" and len(text) > sys.get_int_max_str_digits():
            raise self._error(node, path, "is a number with too many digits")
        if kind == "float" and text.lstrip("+-").lower() in (".inf", ".nan"):
            raise self._error(node, path, f"expected a finite number, found {text}")
        if kind == "null" and text == "~" and path.rpartition(".")[2] in PATHS:
            raise self._error(node, path, "YAML reads ~ as null; put a path in quotes, or leave the key out")
        if kind == "timestamp":
            raise self._error(node, path, f"YAML reads {value} as a date; put it in quotes")

    def _error(self, node: yaml.Node, path: str, problem: str) -> InputError:
        return InputError(f"{self._place(node)}: {f'{path}: ' if path else ''}{problem}")

    def _place(self, node: yaml.Node) -> str:
        return f"{self.name}:{node.start_mark.line + 1}" if self.typed else self.name


def _check_overrides(entries: Iterable[str], option: str = "--config") -> None:
    """Raises `InputError` if a key occurs twice among `key=value` entries, or an entry's value is not valid."""
    seen: list[str] = []
    for entry in entries:
        key, _, value = entry.partition("=")
        if has_lone_surrogate(entry):  # how Python represents command-line bytes that are not UTF-8
            raise InputError(f"{option}: {key.encode('ascii', 'replace').decode()}: not UTF-8 text; write it in UTF-8")
        try:
            node = yaml.compose(value, Loader=yaml.BaseLoader)
            if node is not None:
                _Checker(option, typed=False).check(node, key)
            given = _leaves(node, key)
        except yaml.YAMLError:  # Snakemake takes the value as text
            given = [key]
        except RecursionError:
            raise InputError(f"{option}: {key}: nested too deeply; a study's config has only a few levels") from None
        for path in given:
            if any(f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.") for other in seen):
                raise InputError(f"{option}: key {path!r} is given twice; keep one of them")
        seen += given


def _leaves(node: yaml.Node | None, path: str) -> list[str]:
    if not isinstance(node, yaml.MappingNode) or not node.value:
        return [path]
    return [leaf for key, value in node.value for leaf in _leaves(value, _dotted(path, key.value))]


def _dotted(path: str, key: object) -> str:
    return f"{path}.{key}" if path else str(key)


def _shown(path: str | Path) -> str:
    """A path for messages, relative to the working directory if it is inside it."""
    path = Path(path)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
