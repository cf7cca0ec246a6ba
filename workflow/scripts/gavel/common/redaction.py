"""Passwords and keys: refused in a config's URLs and commands, and redacted in everything printed or written.

Secrets belong in environment variables. The config refuses a secret that it recognises (`reject_secrets_in_url` and
others) and accepts `${NAME}` in its place, which is filled in only where it is used (`expand_variables`). Output for
people still goes through `redact`, since servers and libraries quote URLs and keys in their messages. A secret of an
unknown form, in a place that does not identify it as one, is not recognised.
"""

import os
import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

HIDDEN = "<hidden>"
UNSET = "NOT_SHOWN_BECAUSE_NOT_SET"  # in place of an `api_key_env` that may be the key itself
MIN_LENGTH = 6  # characters of a secret that is redacted wherever it occurs; shorter ones occur in ordinary words too
# What users without a key write in its place.
PLACEHOLDERS = {"dummy", "empty", "false", "no-key", "nokey", "none", "not-needed", "null", "true"}

# A value is a secret if the name of its flag, variable, header or option ends with one of these, or if the last word of
# the name is one of the second list.
_ENDS = ("apikey", "api_key", "access_key", "auth_key", "private_key", "secret_key", "passphrase", "passwd", "password")
_LAST = {"auth", "authorization", "bearer", "cookie", "credential", "credentials", "pass", "passcode", "psw", "pw"}
_LAST |= {"pwd", "secret", "sig", "signature"}
# Before `token`, these words make it a token of a tokenizer, not a secret.
_TOKENIZER = {"bos", "cls", "end", "eos", "first", "image", "last", "mask", "new", "next", "pad", "per", "sep", "stop"}
_TOKENIZER |= {"start", "unk"}
# Each pattern starts at the beginning of a run of its letters; otherwise a long line without spaces would take minutes.
_NAMED = re.compile(r"""(?<![A-Za-z0-9_.-])(?P<name>[A-Za-z0-9_.-]+)["']?\s*(?:=|:(?!//))\s*\[?""")
_FLAG = re.compile(r"""(?<![A-Za-z0-9_-])["']?--?(?P<name>[A-Za-z][\w.-]*)["']?,?\s+(?![-{])""")
# An unclosed quote may contain a secret up to the end of the line.
_VALUE = re.compile(r"""[bru]?"[^"\n]*"?|[bru]?'[^'\n]*'?|[^\s"'&;,)\]}]+\}?""")
_SCHEME = re.compile(r"\b((?:bearer|basic)\s+)([A-Za-z0-9+/=_.~-]{6,})", re.I)
_USER = re.compile(r"(?<![a-z0-9+.-])(?!sqlite)([a-z][a-z0-9+.-]*:/{1,2})([^\s'\"<>]+)@", re.I)
_BARE_USER = re.compile(r"(?:(?<=//)|(?<![\w/.-]))[\w.-]+:[^\s@/:'\"]+@(?=[\w\[-])")
# As in curl and docker; `--user 1000:1000` is a user and a group.
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

# Options that may follow `?` in a database's URL; any other may be a secret.
DATABASE_OPTIONS = {
    "application_name", "cache", "charset", "client_encoding", "connect_timeout", "connection timeout", "driver",
    "encrypt", "host", "mode", "port", "read_timeout", "sslcert", "sslkey", "ssl_ca", "ssl_cert", "ssl_key", "sslmode",
    "sslrootcert", "target_session_attrs", "timeout", "trusted_connection", "trustservercertificate", "uri",
    "write_timeout",
}  # fmt: skip

# Config keys whose values may be or contain a secret, and sections in which other keys may contain one by mistake.
_HOLDERS = {"api_key_env", "base_url", "command", "uri"}
_SECTIONS = {"chat_template_kwargs", "server", "tracking", "vllm"}

_known: set[str] = set()


def register_secrets(*secrets: str | None) -> None:
    """From now on, redact these texts wherever they occur."""
    _known.update(text for text in secrets if text and _worth_hiding(text))


def redact(text: str) -> str:
    """The text without known secrets and without what looks like a secret."""
    text = str(text)
    for secret in sorted(_known | _of_environment(), key=len, reverse=True):
        text = text.replace(secret, HIDDEN)
    return _forms_hidden(text)


def _forms_hidden(text: str) -> str:
    """The text without what looks like a secret."""
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
    """The text without the values that follow the names of secrets."""
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
    """Whether a secret follows such a name. `alone`: in the name of a flag or a query option, where `key` alone is
    enough."""
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower().replace("-", "_").replace(".", "_").strip("_")
    *before, last = words.split("_")
    if words.endswith(_ENDS) or last in _LAST or (alone and words == "key"):
        return True
    return last.endswith("token") and not (before and before[-1] in _TOKENIZER) and last != "detoken"


def redact_config(value: Any, key: str = "") -> Any:
    """A config, or a part of one, with its secrets redacted, for display and storage."""
    if isinstance(value, Mapping):
        return {name: redact_config(part, str(name)) for name, part in value.items()}
    if key == "api_key_env":
        return value if value is None or value == "OPENAI_API_KEY" or os.environ.get(str(value)) else UNSET
    if _announces(key, alone=False) and value is not None:
        return HIDDEN
    if isinstance(value, list | tuple):
        if key == "command":
            return [_hide(word, before) for before, word in zip(["", *value], value, strict=False)]
        return [redact_config(part, key) for part in value]
    if not isinstance(value, str):
        return value
    if key == "command" or "://" in value:
        return redact(redact_url(value) if key in ("base_url", "uri") else value)
    return _FORMS.sub(HIDDEN, value)


def redact_url(url: str) -> str:
    """A URL without user name, password, suspicious options and fragment."""
    place, mark, options = redact(url).partition("?")
    place, options = place.partition("#")[0], options.partition("#")[0]
    if not mark:
        return place
    kept = [part for part in options.split("&") if unquote(part.partition("=")[0]).lower() in DATABASE_OPTIONS]
    hidden = len(kept) < len(options.split("&"))
    return f"{place}?{'&'.join([*kept, *([HIDDEN] if hidden else [])])}"


def reject_secrets_in_url(url: str, references: bool = False) -> None:
    """Raises `ValueError` if the URL of a server or database contains a secret; the message does not repeat the URL.

    Args:
        references: whether `${NAME}` may stand for a secret.
    """
    hint = "write ${NAME} in its place and export NAME" if references else "pass it in an environment variable"
    invalid = "is not a valid URL (not shown, in case it contains a password)"
    try:
        parts = urlsplit(url)
        user, options = parts.netloc.rpartition("@")[0], parse_qsl(parts.query, keep_blank_values=True)
    except ValueError:
        raise ValueError(invalid) from None
    forms = dict.fromkeys((url, unquote(url)))  # `@` may be written as `%40`
    found = next((match[2] for form in forms for match in _USER.finditer(form)), user)
    if found and not (references and _harmless(found)):
        raise ValueError(f"contains a user name or password, which would be written into results; {hint}")
    port = _PORT.fullmatch(parts.netloc.rpartition("@")[2])
    if not port or not (re.fullmatch("[0-9]{0,5}", port["port"] or "") or (references and _harmless(port["port"]))):
        raise ValueError(invalid)
    if parts.fragment:
        raise ValueError(f"has a fragment after '#', which is not sent; if that is a key, {hint}")
    if parts.scheme in ("http", "https") and (options or parts.query):
        raise ValueError(f"has options after '?' (not shown); if they contain a key, {hint}")
    for name, value in options:
        if name.lower() not in DATABASE_OPTIONS or redact(value) != value:
            shown = repr(name) if redact(name) == name and len(name) <= 30 else "one of its options"
            raise ValueError(f"{shown} after '?' may be a secret, which would be written into results; {hint}")
    path = unquote(parts.path)
    if parts.scheme != "sqlite" and re.search("[;=]", _NAMED_REFERENCE.sub("", path) if references else path):
        raise ValueError(f"has a ';' or '=' in its path (not shown); if a key follows it, {hint}")
    if any(_forms_hidden(form) != form for form in forms):
        raise ValueError(f"contains what looks like a key (not shown); {hint}")


def reject_secrets_in_command(command: str | Sequence[str]) -> None:
    """Raises `ValueError` if a command contains what looks like a secret; the message does not repeat it."""
    words = [command] if isinstance(command, str) else command
    found = any(_hide(word, before) != word for before, word in zip(["", *words], words, strict=False))
    if found:
        raise ValueError(
            "contains what looks like a password or key (not shown), which would be written into results and logs; "
            "write ${NAME} in its place and export NAME"
        )


def check_variable_name(name: str) -> None:
    """Raises `ValueError` if this is not the name of an environment variable; the message does not repeat it."""
    digits = sum(letter.isdigit() for letter in name)
    long = len(name) >= 16 and "_" not in name and digits >= 3
    if not _ENV_NAME.fullmatch(name) or long or _FORMS.search(name):
        raise ValueError(
            "expected the name of the environment variable that contains the key, in capital letters such as "
            "OPENAI_API_KEY; the value found is not such a name and is not shown, in case it is the key. Export the "
            "key and write the variable's name"
        )


def reject_secrets_in_options(options: Mapping[str, Any]) -> None:
    """Raises `ValueError` if an option of a model or template contains a secret; the message does not repeat it."""
    for name, value in options.items():
        secret = _announces(name, alone=True) and not isinstance(value, bool) and not _harmless(str(value))
        if secret or _forms_hidden(str(value)) != str(value):
            raise ValueError(
                f"{_forms_hidden(name)!r} contains what looks like a password or key (not shown), which would be "
                "written into results and logs; leave it out"
            )


def displayable_value(place: Sequence[str], value: Any) -> str | None:
    """A wrong value in a config, as an error may repeat it; None if an error must not show it."""
    if any(part in _HOLDERS or _announces(part, alone=True) for part in place):
        return None
    if any(part in _SECTIONS for part in place) and not isinstance(value, int | float | None):
        return None
    return redact(repr(value))


def displayable_key(name: str) -> str | None:
    """An unknown key, as an error may repeat it; None if it is not a name but a value written in place of a key."""
    return redact(name) if _KEY.fullmatch(name) and not _FORMS.search(name) else None


def expand_variables(text: str, key: str) -> str:
    """The text with each `${NAME}` replaced by the environment variable's value, which is redacted from then on.

    Raises:
        ValueError: a variable is not set; the message names `key` and the variable.
    """

    def value(match: re.Match[str]) -> str:
        secret = os.environ.get(match[1])
        if not secret:
            raise ValueError(f"{key}: needs the environment variable {match[1]}, which is not set; export it")
        register_secrets(secret)
        return secret

    return _REFERENCE.sub(value, text)


def _hide(word: str, before: str) -> str:
    """A word of a command without secrets; the word before it may be a flag that takes a secret."""
    flag = re.fullmatch(r"--?([A-Za-z][\w.-]*)", before)
    if flag and _announces(flag[1], alone=True) and not word.startswith("-") and not _harmless(word):
        return HIDDEN
    if flag and _LOGIN.sub(_without_login, f"{before} {word}") != f"{before} {word}":
        return HIDDEN
    return redact(word)


def _harmless(value: str) -> bool:
    """Whether a value is known not to be a secret: already redacted, a reference, a template slot, or a placeholder."""
    if HIDDEN in value or value.lower() in PLACEHOLDERS:
        return True
    return bool(re.fullmatch(r"(?:\$\{?\w*\}?|\{\w*\}?|[\s:])*", value))


def _worth_hiding(text: str) -> bool:
    return len(text) >= MIN_LENGTH and text.lower() not in PLACEHOLDERS


def _of_environment() -> set[str]:
    values = (value for name, value in os.environ.items() if _SECRET_VARIABLE.search(name))
    return {value for value in values if _worth_hiding(value)}
