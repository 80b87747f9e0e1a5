"""The AWS config and credentials files, parsed once, and the settings of their profiles. No request is sent here."""

import json
import os
import stat
import sys
from collections.abc import Mapping
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import botocore.configloader
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.exceptions import ConfigParseError

from resources.aws.service_models import ContractLoader, OnceLoader

_CREDENTIAL_SETTINGS = frozenset(
    {
        "aws_access_key_id",
        "aws_secret_access_key",
        "aws_session_token",
        "aws_security_token",
        "aws_account_id",
        "credential_process",
        "credential_source",
        "duration_seconds",
        "external_id",
        "login_session",
        "mfa_serial",
        "output",
        "region",
        "role_arn",
        "role_session_name",
        "source_profile",
        "sso_account_id",
        "sso_account_name",
        "sso_region",
        "sso_registration_scopes",
        "sso_role_name",
        "sso_session",
        "sso_start_url",
        "web_identity_token_file",
    }
)
"""Settings of a profile that its clients do not depend on. Profiles that differ in any other setting have separate
clients."""


class AwsConfigError(Exception):
    """The AWS config or credentials file exists but cannot be read. The message names the file.

    Attributes:
        hint: what to do.
    """

    def __init__(self, sentence: str, hint: str) -> None:
        super().__init__(sentence, hint)
        self.sentence = sentence
        self.hint = hint

    def __str__(self) -> str:
        return self.sentence


@cache
def _loader(data_path: str | None) -> Any:
    """A cached loader of botocore's models. All roles share one, since the models of EC2 alone take 15 MB."""
    paths = botocore.loaders.create_loader(data_path).search_paths
    return OnceLoader(extra_search_paths=list(paths), include_default_search_paths=False)


@cache
def _contract_loader(data_path: str | None) -> ContractLoader:
    return ContractLoader(_loader(data_path))


@cache
def _environment() -> Any:
    """A session that looks up botocore's own environment variables."""
    return botocore.session.Session()


@lru_cache(maxsize=2)
def _config(config_file: Path, credentials_file: Path, data_path: str | None, _: tuple[Any, ...]) -> "AwsConfig":
    return AwsConfig(config_file, credentials_file, data_path)


def in_home(path: str) -> Path:
    """A path with the user's home folder for `~`; it stays as it is where the user has none, as in a container."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser raises without a home folder


def _state(file: Path) -> tuple[int, ...]:
    """A value that changes when the file does; empty for a file that is missing or unreadable."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


def _no_rights(file: Path, error: OSError) -> AwsConfigError:
    return AwsConfigError(
        f"{file} cannot be read: {error.strerror}.",
        "Let the user of this process read it and enter its folder, or set AWS_CONFIG_FILE and "
        "AWS_SHARED_CREDENTIALS_FILE to files that it may read.",
    )


class AwsConfig:
    """The AWS config and credentials files, located as every AWS tool locates them, and parsed once."""

    def __init__(self, config_file: Path, credentials_file: Path, data_path: str | None) -> None:
        self.config_file = config_file
        self.credentials_file = credentials_file
        self.loader = _loader(data_path)
        self.contract_loader = _contract_loader(data_path)
        self._settings_keys: dict[str, str] = {}

    @classmethod
    def now(cls) -> "AwsConfig":
        """The present files: parsed once in a process, and again after one of them has changed."""
        variable = _environment().get_config_variable
        files = [in_home(variable(name)) for name in ("config_file", "credentials_file")]
        # From the environment alone: reading the profile's own setting would parse the files here.
        return _config(*files, variable("data_path", methods=("env",)), tuple(_state(file) for file in files))

    @cached_property
    def whole(self) -> dict[str, Any]:
        """Both files merged.

        Raises:
            AwsConfigError: one of them cannot be read.
        """
        self._check_rights()
        try:
            session = botocore.session.Session()
            session.set_config_variable("config_file", str(self.config_file))
            session.set_config_variable("credentials_file", str(self.credentials_file))
            whole: dict[str, Any] = session.full_config
        except (ConfigParseError, OSError) as error:
            hint = "Fix the file; `aws configure list-profiles` shows where it breaks."
            cause = getattr(error, "kwargs", {}).get("error")
            if sys.getfilesystemencoding() != "utf-8" and isinstance(cause, UnicodeDecodeError):
                hint = "Set PYTHONUTF8=1: the locale is not UTF-8, and the file is more than ASCII."
            raise AwsConfigError(
                f"The AWS config cannot be read: {self.config_file} or {self.credentials_file} is malformed.", hint
            ) from error
        return whole

    def _check_rights(self) -> None:
        """Check that both files can be opened: botocore takes one that cannot for one that is missing or empty.

        Raises:
            AwsConfigError: one cannot be opened, or lies in a folder that may not be entered and there is no other.
        """
        closed: AwsConfigError | None = None
        has_file = False
        for file in (self.config_file, self.credentials_file):
            try:
                is_file = stat.S_ISREG(file.stat().st_mode)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                # The other file's variable may lead elsewhere from a home that is another user's, as in a container.
                closed = closed or _no_rights(file, error)
                continue
            # To open a pipe would wait for whoever writes into it.
            if is_file:
                try:
                    file.open("rb").close()
                except OSError as error:
                    raise _no_rights(file, error) from error
                has_file = True
        if closed is not None and not has_file:
            raise closed

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """The settings of each profile, by name."""
        profiles: dict[str, dict[str, Any]] = self.whole["profiles"]
        return profiles

    @property
    def exists(self) -> bool:
        """Whether one of the two files exists."""
        return self.config_file.is_file() or self.credentials_file.is_file()

    @cached_property
    def _config_alone(self) -> Any:
        return botocore.configloader.load_config(str(self.config_file))

    @cached_property
    def _credentials_alone(self) -> Any:
        return botocore.configloader.raw_config_parse(str(self.credentials_file))

    def parse_config(self, _: str) -> Any:
        """The parsed config file, for botocore's providers, which would parse it again for each profile."""
        return self._config_alone

    def parse_credentials(self, _: str) -> Any:
        """The parsed credentials file, for botocore's providers, which would parse it again for each profile."""
        return self._credentials_alone

    def settings_key(self, profile: str) -> str:
        """A key that is equal for profiles that may share clients."""
        key = self._settings_keys.get(profile)
        if key is None:
            settings = {k: v for k, v in self.profiles[profile].items() if k not in _CREDENTIAL_SETTINGS}
            key = self._settings_keys[profile] = json.dumps(settings, sort_keys=True, default=str)
        return key

    def signs_in_with(self, profile: str) -> tuple[str, str]:
        """The profile at the end of the `source_profile` chain, and the command that signs it in."""
        profile, _ = self._end_of_chain(profile)
        settings = self.profiles.get(profile, {})
        if "login_session" in settings:
            return profile, f"aws login --profile {profile}"
        if any(name.startswith("sso_") for name in settings):
            return profile, f"aws sso login --profile {profile}"
        return profile, ""

    def has_loop(self, profile: str) -> bool:
        """Whether the `source_profile` chain of a profile comes back to a profile of it."""
        _, is_loop = self._end_of_chain(profile)
        return is_loop

    def _end_of_chain(self, profile: str) -> tuple[str, bool]:
        """The profile at which a `source_profile` chain ends, and whether that is one which it passed before."""
        seen: set[str] = set()
        while (source := self.profiles.get(profile, {}).get("source_profile")) and profile not in seen:
            seen.add(profile)
            profile = source
        return profile, profile in seen

    def chain_settings(self, profile: str) -> Mapping[str, Any]:
        """The settings of a profile, completed by those of the profile at the end of its chain."""
        source, _ = self.signs_in_with(profile)
        return {**self.profiles.get(source, {}), **self.profiles.get(profile, {})}


class ConfiguredSession(botocore.session.Session):  # type: ignore[misc]  # botocore publishes no types
    """A botocore session over an already parsed config, with shared models."""

    def __init__(self, config: AwsConfig, profile: str, region: str, client_config: Config) -> None:
        self._shared_config = config
        super().__init__(profile=profile)
        self.register_component("data_loader", config.loader)
        self.set_config_variable("region", region)
        # Tokens of STS's global endpoint, which `legacy` leads to, are refused by regions that are opted into.
        self.set_config_variable("sts_regional_endpoints", "regional")
        self.set_default_client_config(client_config)

    @property
    def full_config(self) -> dict[str, Any]:
        """The parsed config, which botocore reads here."""
        return self._shared_config.whole


def available_profiles() -> list[str]:
    """Names of the profiles in the AWS config and credentials files, in their order; empty where there is no file.

    Raises:
        AwsConfigError: a file cannot be read.
    """
    return list(AwsConfig.now().profiles)
