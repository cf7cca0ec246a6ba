"""Passwords and keys: found in a config's addresses and commands, and hidden in whatever is printed or written.

Secrets belong into environment variables. The config refuses one that it recognises (`refuse`) and takes `${NAME}` in
its place, which is filled in where it is used and nowhere before (`filled`). What is written for people goes through
`redacted` all the same, for servers and libraries quote addresses and keys in what they say. A secret of an unknown
form, in a place that says nothing, is not recognised.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "<hidden>"
UNSET = "NOT_SHOWN_BECAUSE_NOT_SET"  # in place of an `api_key_env` that may be the key itself
SHORTEST = 6  # characters of a secret that is hidden wherever it stands: shorter ones stand in ordinary words too
# What those who need no key write in its place.
PLACEHOLDERS = {"dummy", "empty", "false", "no-key", "nokey", "none", "not-needed", "null", "true"}

# What the name of a flag, variable, header or option ends with whose value is a secret; then single last words of one.
_ENDS = ("apikey", "api_key", "access_key", "auth_key", "private_key", "secret_key", "passphrase", "passwd", "password")
_LAST = {"auth", "authorization", "bearer", "cookie", "credential", "credentials", "pass", "passcode", "psw", "pw"}
_LAST |= {"pwd", "secret", "sig", "signature"}
# Before `token`: then it is a tokenizer's.
_TOKENIZER = {"bos", "cls", "end", "eos", "first", "image", "last", "mask", "new", "next", "pad", "per", "sep", "stop"}
_TOKENIZER |= {"start", "unk"}
# Each pattern begins where a run of its letters does, or a long line without blanks would take minutes.
_NAMED = re.compile(r"""(?<![A-Za-z0-9_.-])(?P<name>[A-Za-z0-9_.-]+)["']?\s*(?:=|:(?!//))\s*\[?""")
_FLAG = re.compile(r"""(?<![A-Za-z0-9_-])["']?--?(?P<name>[A-Za-z][\w.-]*)["']?,?\s+(?![-{])""")
# A quote that is not closed may hold a secret up to the line's end.
_VALUE = re.compile(r"""[bru]?"[^"\n]*"?|[bru]?'[^'\n]*'?|[^\s"'&;,)\]}]+\}?""")
_SCHEME = re.compile(r"\b((?:bearer|basic)\s+)([A-Za-z0-9+/=_.~-]{6,})", re.I)
_USER = re.compile(r"(?<![a-z0-9+.-])(?!sqlite)([a-z][a-z0-9+.-]*:/{1,2})([^\s'\"<>]+)@", re.I)
_BARE_USER = re.compile(r"(?:(?<=//)|(?<![\w/.-]))[\w.-]+:[^\s@/:'\"]+@(?=[\w\[-])")
# As curl and docker have it; `--user 1000:1000` is a user and a group.
_LOGIN = re.compile(r"""(?<![\w-])(-[uU]|--(?:proxy-)?user)(["']?,?\s+["']?|=["']?)([^\s:'"]+):([^\s'"]+)""")
_FORMS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"sk-[A-Za-z0-9_-]{8,}|hf_[A-Za-z0-9]{8,}|gh[pousr]_[A-Za-z0-9]{16,}|github_pat_\w{16,}|glpat-[\w-]{16,}|"
    r"xox[a-z]-[\w-]{10,}|nvapi-[\w-]{16,}|gsk_\w{16,}|xai-\w{16,}|pplx-\w{16,}|r8_\w{16,}|dapi[0-9a-f]{16,}|"
    r"AKIA[0-9A-Z]{16}|AIza[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}(?:\.[\w-]*)?"
    r")"
)
_PORT = re.compile(r"(?:\[[^\]]*\]|[^:\[]*)(?::(?P<port>.*))?", re.DOTALL)
_NAMED_REFERENCE = re.compile(r";?[\w.-]*=\$\{\w+\}(?=[/;]|$)")
_REFERENCE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_KEY = re.compile(r"[A-Za-z_][A-Za-z_-]{0,40}[0-9]{0,2}")
_ENV_NAME = re.compile(r"[A-Z_][A-Z0-9_]*")
_SECRET_VARIABLE = re.compile(
    r"(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|PGPASSWORD|CREDENTIALS?)$|^PGPASSWORD$"
)

# What a database's address may say after `?`; anything else may be a secret.
DATABASE_OPTIONS = {
    "application_name", "cache", "charset", "client_encoding", "connect_timeout", "connection timeout", "driver",
    "encrypt", "host", "mode", "port", "read_timeout", "sslcert", "sslkey", "ssl_ca", "ssl_cert", "ssl_key", "sslmode",
    "sslrootcert", "target_session_attrs", "timeout", "trusted_connection", "trustservercertificate", "uri",
    "write_timeout",
}  # fmt: skip

# Keys of a config whose values may be or hold a secret, and sections of which others may be one by mistake.
_HOLDERS = {"api_key_env", "base_url", "command", "uri"}
_SECTIONS = {"chat_template_kwargs", "server", "tracking", "vllm"}

_known: set[str] = set()


def remember(*secrets: str | None) -> None:
    """Hide these texts from now on, wherever they stand."""
    _known.update(text for text in secrets if text and _worth_hiding(text))


def redacted(text: str) -> str:
    """A text without the secrets that are known or that look like some."""
    text = str(text)
    for secret in sorted(_known | _of_environment(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _forms_hidden(text)


def _forms_hidden(text: str) -> str:
    """A text without what looks like a secret."""
    text = _USER.sub(lambda match: match[0] if _harmless(match[2]) else f"{match[1]}{HIDDEN}@", text)
    text = _BARE_USER.sub(f"{HIDDEN}@", text)
    text = _LOGIN.sub(_without_login, text)
    text = _SCHEME.sub(rf"\1{HIDDEN}", text)
    return _FORMS.sub(HIDDEN, _values_hidden(_values_hidden(text, _NAMED), _FLAG))


def _without_login(match: re.Match[str]) -> str:
    flag, between, name, word = match.groups()
    harmless = _harmless(word) or word == name or word.startswith("//") or (name + word).isdigit()
    return match[0] if harmless else f"{flag}{between}{HIDDEN}"


def _values_hidden(text: str, names: re.Pattern[str]) -> str:
    """A text without the values that follow names of secrets."""
    parts, done = [], 0
    while match := names.search(text, done):
        parts.append(text[done : match.end()])
        done = match.end()
        after_mark = text[max(0, match.start() - 1) : match.start()] in ("?", "&") or match["name"].startswith("-")
        if _announces(match["name"], alone=names is _FLAG or after_mark) and (value := _VALUE.match(text, done)):
            parts.append(value[0] if _harmless(value[0].strip("bru\"'")) else HIDDEN)
            done = value.end()
    return "".join([*parts, text[done:]])


def _announces(name: str, alone: bool) -> bool:
    """Whether a secret follows such a name; `alone`: of a flag or a query's option, where `key` says so too."""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().replace("-", "_").replace(".", "_").strip("_")
    *before, last = words.split("_")
    if words.endswith(_ENDS) or last in _LAST or (alone and words == "key"):
        return True
    return last.endswith("token") and not (before and before[-1] in _TOKENIZER) and last != "detoken"


def redacted_config(value: Any, key: str = "") -> Any:
    """A config, or a part of one, without secrets, to be shown and kept."""
    if isinstance(value, Mapping):
        return {name: redacted_config(part, str(name)) for name, part in value.items()}
    if key == "api_key_env":
        return value if value is None or value == "OPENAI_API_KEY" or os.environ.get(str(value)) else UNSET
    if _announces(key, alone=False) and value is not None:
        return HIDDEN
    if isinstance(value, list | tuple):
        if key == "command":
            return [_hide(word, before) for before, word in zip(["", *value], value, strict=False)]
        return [redacted_config(part, key) for part in value]
    if not isinstance(value, str):
        return value
    if key == "command" or "://" in value:
        return redacted(redacted_url(value) if key in ("base_url", "uri") else value)
    return _FORMS.sub(HIDDEN, value)


def redacted_url(url: str) -> str:
    """An address without name, password, suspicious options and fragment."""
    place, mark, options = redacted(url).partition("?")
    place, options = place.partition("#")[0], options.partition("#")[0]
    if not mark:
        return place
    kept = [part for part in options.split("&") if unquote(part.partition("=")[0]).lower() in DATABASE_OPTIONS]
    hidden = len(kept) < len(options.split("&"))
    return f"{place}?{'&'.join([*kept, *([HIDDEN] if hidden else [])])}"


def refuse_in_url(url: str, references: bool = False) -> None:
    """Raises `ValueError`, which does not repeat the address, where one of a server or a database holds a secret.

    Args:
        references: `${NAME}` may stand for one.
    """
    hint = "write ${NAME} in its place and export NAME" if references else "hand it over in the environment"
    invalid = "is not a valid address (not shown, in case it holds a password)"
    try:
        parts = urlsplit(url)
        user, options = parts.netloc.rpartition("@")[0], parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise ValueError(invalid) from None
    forms = dict.fromkeys((url, unquote(url)))  # a sign may be written as `%40`
    found = next((match[2] for form in forms for match in _USER.finditer(form)), user)
    if found and not (references and _harmless(found)):
        raise ValueError(f"a name or password in it would be written into results; {hint}")
    port = _PORT.fullmatch(parts.netloc.rpartition("@")[2])
    if not port or not (re.fullmatch("[0-9]{0,5}", port["port"] or "") or (references and _harmless(port["port"]))):
        raise ValueError(invalid)
    if parts.fragment:
        raise ValueError(f"ends with a '#' and more, which is not sent; if that is a key, {hint}")
    if parts.scheme in ("http", "https") and (options or parts.query):
        raise ValueError(f"ends with a '?' and more (not shown); if that is a key, {hint}")
    for name, value in options:
        if name.lower() not in DATABASE_OPTIONS or redacted(value) != value:
            shown = repr(name) if redacted(name) == name and len(name) <= 30 else "one of its options"
            raise ValueError(f"{shown} after '?' may be a secret, which would be written into results; {hint}")
    path = unquote(parts.path)
    if parts.scheme != "sqlite" and re.search("[;=]", _NAMED_REFERENCE.sub("", path) if references else path):
        raise ValueError(f"has a ';' or '=' and more in its path (not shown); if that is a key, {hint}")
    if any(_forms_hidden(form) != form for form in forms):
        raise ValueError(f"holds what looks like a key (not shown); {hint}")


def refuse_in_command(command: str | Sequence[str]) -> None:
    """Raises `ValueError`, which does not repeat it, where a command holds what looks like a secret."""
    words = [command] if isinstance(command, str) else command
    found = any(_hide(word, before) != word for before, word in zip(["", *words], words, strict=False))
    if found:
        raise ValueError(
            "holds what looks like a password or key (not shown), which would be written into results and logs; write "
            "${NAME} in its place and export NAME"
        )


def refuse_as_name(name: str) -> None:
    """Raises `ValueError`, which does not repeat it, where the name of an environment variable is none."""
    digits = sum(letter.isdigit() for letter in name)
    long = len(name) >= 16 and "_" not in name and digits >= 3
    if not _ENV_NAME.fullmatch(name) or long or _FORMS.search(name):
        raise ValueError(
            "names the environment variable that holds the key, in capital letters such as OPENAI_API_KEY; what was "
            "found is no such name and is not shown, in case it is the key: export it and write the variable's name"
        )


def refuse_in_options(options: Mapping[str, Any]) -> None:
    """Raises `ValueError`, which does not repeat it, where an option of a model's or template's holds a secret."""
    for name, value in options.items():
        secret = _announces(name, alone=True) and not isinstance(value, bool) and not _harmless(str(value))
        if secret or _forms_hidden(str(value)) != str(value):
            raise ValueError(
                f"{_forms_hidden(name)!r} holds what looks like a password or key (not shown), which would be written "
                "into results and logs; leave it out"
            )


def shown(place: Sequence[str], value: Any) -> str | None:
    """A wrong value in a config as an error may repeat it; None where it may not."""
    if any(part in _HOLDERS or _announces(part, alone=True) for part in place):
        return None
    if any(part in _SECTIONS for part in place) and not isinstance(value, int | float | None):
        return None
    return redacted(repr(value))


def shown_key(name: str) -> str | None:
    """An unknown key as an error may repeat it; None of what is no name but a value that stands in a key's place."""
    return redacted(name) if _KEY.fullmatch(name) and not _FORMS.search(name) else None


def filled(text: str, key: str) -> str:
    """A text with the environment's values in place of `${NAME}`, which are hidden from then on.

    Raises:
        ValueError: a variable is not set; the message names `key` and the variable.
    """

    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match[1])
        if not found:
            raise ValueError(f"{key}: needs the environment variable {match[1]}, which is not set; export it")
        remember(found)
        return found

    return _REFERENCE.sub(value, text)


def _hide(word: str, before: str) -> str:
    """A command's word without secrets; the word before it may be a flag that announces one."""
    flag = re.fullmatch(r"--?([A-Za-z][\w.-]*)", before)
    if flag and _announces(flag[1], alone=True) and not word.startswith("-") and not _harmless(word):
        return HIDDEN
    if flag and _LOGIN.sub(_without_login, f"{before} {word}") != f"{before} {word}":
        return HIDDEN
    return redacted(word)


def _harmless(value: str) -> bool:
    """Whether a value is known to be no secret: hidden already, a reference, a slot, or a word for none."""
    if HIDDEN in value or value.lower() in PLACEHOLDERS:
        return True
    return bool(re.fullmatch(r"(?:\$\{?\w*\}?|\{\w*\}?|[\s:])*", value))


def _worth_hiding(text: str) -> bool:
    return len(text) >= SHORTEST and text.lower() not in PLACEHOLDERS


def _of_environment() -> set[str]:
    values = (value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name))
    return {value for value in values if _worth_hiding(value)}
