"""The settings file: `NAME=value` lines of the variables that the product reads, for every command and for Dagster.

The file stands behind the environment: a variable that the environment sets wins over its line. It holds no secret, so
a variable that is none of the product's settings is refused.
"""

import os
import re
import shlex
import stat
from collections.abc import Mapping, MutableMapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path

from pipelines.settings import AWS_SERVICE_SOURCE, AWS_SOURCES, Settings, SettingsError, read_each
from resources.installation import WORKING_FOLDER

VARIABLE = "CMDB_SETTINGS"
"""The variable that names another settings file; `/dev/null` is a file without settings."""

NAME = "cmdb.env"

OTHERS = (*AWS_SOURCES, "AWS_CA_BUNDLE", "CMDB_PORT")
"""Variables that may stand in the file beside those of `Settings`."""

COMMENT = re.compile(r"(?<=\s)(?<!\\\s)#")
"""Where a comment may begin in a line: at the beginning of a word, as in a shell."""

BEGIN = """\
# Settings of the CMDB, written by `cmdb init`. The environment wins over this file.
# Every variable: docs/reference/environment.md. No secret belongs here.
"""


def settings_path(environment: Mapping[str, str]) -> Path:
    """The settings file: the one that `CMDB_SETTINGS` names, or `cmdb.env` in the working folder."""
    named = environment.get(VARIABLE, "").strip()
    path = Path(named).expanduser() if named else Path(NAME)
    return path if path.is_absolute() else WORKING_FOLDER / path


def variables() -> tuple[str, ...]:
    """The names that a line may have, but for the endpoint of a single service."""
    own = [str(one.validation_alias) for one in Settings.model_fields.values() if one.validation_alias]
    return (*own, *OTHERS)


def load(environment: MutableMapping[str, str]) -> None:
    """Add the settings of the file to an environment, as far as that does not set them.

    The lines that can be used are added even where another one cannot.

    Raises:
        SettingsError: a line cannot be used, or the file cannot be read. The message has a sentence for each line, with
            file, line and setting.
    """
    path = settings_path(environment)
    text = _text(path, is_named=bool(environment.get(VARIABLE, "").strip()))
    problems: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        try:
            name, value = _setting(line)
            if not value or environment.get(name, "").strip():
                continue
            read_each({name: value})
        except SettingsError as error:
            problems.append(f"{path}, line {number}: {str(error).removesuffix(' Nothing was requested.')}")
        else:
            environment[name] = value
    if problems:
        raise SettingsError(" ".join([*problems, "Nothing was requested."]))


def written(settings: Mapping[str, str]) -> str:
    """The text of a settings file. Shells, systemd and `load` read the same values from it."""
    return BEGIN + "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())


def _text(path: Path, *, is_named: bool) -> str:
    """The file's text; empty where there is no file and none is named.

    Raises:
        SettingsError: it cannot be read, or somebody else may have written it.
    """
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            # A file that was merely found starts programs (CMDB_ALERT_COMMAND): it must be the user's own.
            if not is_named and (found.st_uid not in (os.getuid(), 0) or found.st_mode & stat.S_IWOTH):
                raise SettingsError(
                    f"{path} was not read, since another user may have written it. Give it an owner and rights of your "
                    f"own (`chmod o-w`), or name it in {VARIABLE}. Nothing was requested."
                )
            return file.read().decode()
    except FileNotFoundError as error:
        if not is_named:
            return ""
        raise SettingsError(f"{VARIABLE} names {path}, which is not there. Nothing was requested.") from error
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise SettingsError(f"{path} cannot be read: {reason}. Nothing was requested.") from error


def _setting(text: str) -> tuple[str, str]:
    """Name and value of a line; the value is empty for an empty line, a comment or a setting without one.

    Raises:
        SettingsError: the line is no setting.
    """
    text = text.strip()
    if not text or text.startswith("#"):
        return "", ""
    name, equals, rest = text.removeprefix("export ").partition("=")
    name = name.strip()
    if not equals or not name.isidentifier():
        raise SettingsError("This is no setting: write NAME=value.")
    if name not in variables() and not name.startswith(AWS_SERVICE_SOURCE):
        near = get_close_matches(name, variables(), n=1)
        hint = f" Did you mean {near[0]}?" if near else " docs/reference/environment.md lists those that may."
        raise SettingsError(f"{name} is no setting that may stand here.{hint}")
    for begin in COMMENT.finditer(rest):
        with suppress(ValueError):
            # No quotation mark is open before it.
            shlex.split(rest[: begin.start()])
            rest = rest[: begin.start()]
            break
    try:
        words = shlex.split(rest)
    except ValueError as error:
        raise SettingsError(f"The value of {name} has a quotation mark that is not closed.") from error
    if len(words) > 1:
        raise SettingsError(f"The value of {name} has spaces: put it in quotation marks.")
    return name, words[0] if words and words[0].strip() else ""
