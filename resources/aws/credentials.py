"""Credentials of named profiles of the AWS config file, and the sentence that says why there are none.

Only the named profile speaks: no environment variables, no container or instance metadata, no `AWS_PROFILE`
(`credential_source` of an assumed role may mean those, since then the profile itself says so).
Nothing here asks AWS about resources; that is `resources.aws.client`, which keeps these sessions to itself.
"""

import difflib
import json
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import botocore.configloader
import botocore.loaders
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    AssumeRoleProvider,
    CanonicalNameCredentialSourcer,
    ConfigProvider,
    ContainerProvider,
    CredentialResolver,
    EnvProvider,
    InstanceMetadataProvider,
    ProfileProviderBuilder,
    RefreshableCredentials,
    SharedCredentialProvider,
)
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConfigParseError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    InfiniteLoopConfigError,
    InvalidConfigError,
    LoginError,
    MissingDependencyException,
    PartialCredentialsError,
    SSLError,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError
from botocore.utils import (
    InstanceMetadataFetcher,
    JSONFileCache,
    create_nested_client,
    get_login_token_cache_directory,
)

from resources.aws.clock import SET_THE_CLOCK, clock_error
from resources.aws.errors import EXPIRED_CODES, UNKNOWN_KEY_CODES, UNREADABLE
from resources.aws.redaction import without_secrets
from resources.aws.service_models import ContractLoader, OnceLoader
from resources.contract import CONTRACT, Role

Reason = Literal[
    "not_named",
    "no_config_file",
    "unknown_profile",
    "no_credentials",
    "expired",
    "refused",
    "unreachable",
    "wrong_endpoint",
    "wrong_clock",
    "failed",
]

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
"""Settings of a profile that its clients do not depend on. Whatever else differs gets clients of its own."""

_NESTED_CLIENTS_KEPT = 16


class ProfileError(Exception):
    """A named profile does not lead to an AWS account. `str()` says what and why; `cure` what to do about it.

    Attributes:
        reason: the kind of failure, one word.
        error_code: AWS's own, where AWS answered.
    """

    def __init__(
        self,
        sentence: str,
        reason: Reason,
        profile: str,
        role: Role,
        cure: str,
        error_code: str | None = None,
    ) -> None:
        super().__init__(sentence, reason, profile, role, cure, error_code)
        self.sentence = sentence
        self.reason: Reason = reason
        self.profile = profile
        self.role: Role = role
        self.cure = cure
        self.error_code = error_code

    def __str__(self) -> str:
        return self.sentence

    def again(self) -> "ProfileError":
        """The same error without the traceback that this one has gathered."""
        return ProfileError(self.sentence, self.reason, self.profile, self.role, self.cure, self.error_code)


class AwsConfigError(Exception):
    """The AWS config or credentials file is there and cannot be read. The message names it."""


class _MfaNeeded(Exception):
    """A profile wants a code from a person."""


@cache
def _loader(data_path: str | None) -> Any:
    """What reads botocore's models, and keeps them: one for all roles, since those of EC2 alone take 15 MB."""
    paths = botocore.loaders.create_loader(data_path).search_paths
    return OnceLoader(extra_search_paths=list(paths), include_default_search_paths=False)


@cache
def _contract_loader(data_path: str | None) -> ContractLoader:
    return ContractLoader(_loader(data_path))


@cache
def _environment() -> Any:
    """What looks up botocore's own variables."""
    return botocore.session.Session()


@lru_cache(maxsize=2)
def _config(config_file: Path, credentials_file: Path, data_path: str | None, _: tuple[Any, ...]) -> "AwsConfig":
    return AwsConfig(config_file, credentials_file, data_path)


def _state(file: Path) -> tuple[int, ...]:
    """What changes when a file does; empty where there is none that can be looked at."""
    try:
        found = file.stat()
    except OSError:
        return ()
    return (found.st_mtime_ns, found.st_size, found.st_ino, found.st_mode)


class AwsConfig:
    """The AWS config and credentials files, found as every AWS tool finds them and parsed once."""

    def __init__(self, config_file: Path, credentials_file: Path, data_path: str | None) -> None:
        self.config_file = config_file
        self.credentials_file = credentials_file
        self.loader = _loader(data_path)
        self.contract_loader = _contract_loader(data_path)
        self._settings_keys: dict[str, str] = {}

    @classmethod
    def now(cls) -> "AwsConfig":
        """The files as they are now: parsed once in a process, and again when one of them has changed."""
        variable = _environment().get_config_variable
        files = [Path(variable(name)).expanduser() for name in ("config_file", "credentials_file")]
        # By the environment alone: the profile's own setting would mean parsing the files here.
        return _config(*files, variable("data_path", methods=("env",)), tuple(_state(file) for file in files))

    @cached_property
    def whole(self) -> dict[str, Any]:
        """Both files as one.

        Raises:
            AwsConfigError: one of them cannot be read.
        """
        try:
            session = botocore.session.Session()
            session.set_config_variable("config_file", str(self.config_file))
            session.set_config_variable("credentials_file", str(self.credentials_file))
            whole: dict[str, Any] = session.full_config
        except (ConfigParseError, OSError) as error:
            raise AwsConfigError(
                f"The AWS config cannot be read: {self.config_file} or {self.credentials_file} is malformed."
            ) from error
        return whole

    @property
    def profiles(self) -> dict[str, dict[str, Any]]:
        """Settings by profile."""
        profiles: dict[str, dict[str, Any]] = self.whole["profiles"]
        return profiles

    @property
    def exists(self) -> bool:
        """Whether there is anything to read."""
        return self.config_file.is_file() or self.credentials_file.is_file()

    @cached_property
    def _config_alone(self) -> Any:
        return botocore.configloader.load_config(str(self.config_file))

    @cached_property
    def _credentials_alone(self) -> Any:
        return botocore.configloader.raw_config_parse(str(self.credentials_file))

    def parse_config(self, _: str) -> Any:
        """For botocore's providers, which would parse the file again for each profile."""
        return self._config_alone

    def parse_credentials(self, _: str) -> Any:
        """For botocore's providers, which would parse the file again for each profile."""
        return self._credentials_alone

    def settings_key(self, profile: str) -> str:
        """Equal for profiles whose clients may be shared."""
        key = self._settings_keys.get(profile)
        if key is None:
            settings = {k: v for k, v in self.profiles[profile].items() if k not in _CREDENTIAL_SETTINGS}
            key = self._settings_keys[profile] = json.dumps(settings, sort_keys=True, default=str)
        return key

    def signs_in_with(self, profile: str) -> tuple[str, str]:
        """The profile at the end of the chain of `source_profile`s, and the command that signs it in."""
        seen: set[str] = set()
        while (source := self.profiles.get(profile, {}).get("source_profile")) and profile not in seen:
            seen.add(profile)
            profile = source
        settings = self.profiles.get(profile, {})
        if "login_session" in settings:
            return profile, f"aws login --profile {profile}"
        if any(name.startswith("sso_") for name in settings):
            return profile, f"aws sso login --profile {profile}"
        return profile, ""


class ConfiguredSession(botocore.session.Session):  # type: ignore[misc]  # botocore publishes no types
    """A botocore session over a config that is parsed already, with the models that others have loaded."""

    def __init__(self, config: AwsConfig, profile: str, region: str, client_config: Config) -> None:
        self._shared_config = config
        super().__init__(profile=profile)
        self.register_component("data_loader", config.loader)
        self.set_config_variable("region", region)
        self.set_default_client_config(client_config)

    @property
    def full_config(self) -> dict[str, Any]:
        """The parsed files."""
        return self._shared_config.whole


class _NestedClients(ConfiguredSession):
    """Makes the clients that resolving credentials needs; botocore would make one for each profile.

    An STS or SSO client costs CPU and a connection: with hundreds of roles that is most of the start.
    """

    def __init__(self, config: AwsConfig, profile: str, region: str, client_config: Config) -> None:
        super().__init__(config, profile, region, client_config)
        self._making = threading.RLock()
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def create_client(self, service_name: str, *args: Any, **settings: Any) -> Any:
        """A client, the same one for the same service, credentials and signing."""
        config = settings.get("config")
        key = (
            service_name,
            settings.get("region_name"),
            settings.get("aws_access_key_id"),
            settings.get("aws_session_token"),
            getattr(config, "region_name", None),
            str(getattr(config, "signature_version", None)),
        )
        with self._making:
            if service_name not in ("sts", "sso") or args:
                # `signin` gets handlers of its own profile: never shared.
                return super().create_client(service_name, *args, **settings)
            if key not in self._kept:
                client = super().create_client(service_name, **settings)
                self._kept[key] = client
                if len(self._kept) > _NESTED_CLIENTS_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]

    def close(self) -> None:
        """Close the connections."""
        with self._making:
            for client in self._kept.values():
                client.close()
            self._kept.clear()


class _Memo:
    """One value a key, made once however many threads ask; different keys do not wait for each other."""

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make
        self._values: dict[str, Any] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def __call__(self, key: str) -> Any:
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if key not in self._values:
                self._values[key] = self._make(key)
            return self._values[key]


class _SourceProvider:
    """Hands botocore's AssumeRole the credentials of a source profile that is resolved already."""

    METHOD = "shared-source-profile"

    def __init__(self, sources: _Memo, profile: str) -> None:
        self._sources = sources
        self._profile = profile

    def load(self) -> Any:
        """The source's credentials; they refresh themselves."""
        return self._sources(self._profile)


class _Chain(ProfileProviderBuilder):  # type: ignore[misc]  # botocore publishes no types
    """botocore's providers of one profile, reading the files once."""

    def __init__(self, session: ConfiguredSession, config: AwsConfig, region: str) -> None:
        # Without a cache of their own two profiles of one role would share a session name.
        super().__init__(
            session,
            region_name=region,
            sso_token_cache=JSONFileCache(str(Path("~/.aws/sso/cache").expanduser())),
            login_token_cache=JSONFileCache(get_login_token_cache_directory()),
        )
        self._aws_config = config

    def _create_shared_credential_provider(self, profile_name: str) -> Any:
        return SharedCredentialProvider(
            profile_name=profile_name,
            creds_filename=str(self._aws_config.credentials_file),
            ini_parser=self._aws_config.parse_credentials,
        )

    def _create_config_provider(self, profile_name: str) -> Any:
        return ConfigProvider(
            profile_name=profile_name,
            config_filename=str(self._aws_config.config_file),
            config_parser=self._aws_config.parse_config,
        )


class _Sources(_Chain):
    """The same for AssumeRole's source profiles: many roles have one source."""

    def __init__(self, session: ConfiguredSession, config: AwsConfig, region: str) -> None:
        super().__init__(session, config, region)
        chain = super().providers
        self._sources = _Memo(lambda name: CredentialResolver(chain(name, disable_env_vars=True)).load_credentials())

    def providers(self, profile_name: str, disable_env_vars: bool = True) -> list[Any]:
        """One provider, which has the source's credentials or resolves them."""
        return [_SourceProvider(self._sources, profile_name)]


class _Group:
    """The private session of profiles with equal client settings."""

    def __init__(
        self,
        config: AwsConfig,
        profile: str,
        region: str,
        client_config: Config,
        register: Callable[[Any], None],
    ) -> None:
        self._config = config
        self._region = region
        self.session = _NestedClients(config, profile, region, client_config)
        register(self.session)
        self._chain = _Chain(self.session, config, region)
        self._sources = _Sources(self.session, config, region)

    def load(self, profile: str) -> Any:
        """Botocore's credentials of the profile; None where it has none."""
        assume_role = AssumeRoleProvider(
            load_config=lambda: self._config.whole,
            client_creator=self._client,
            cache={},
            profile_name=profile,
            prompter=_refuse_to_prompt,
            credential_sourcer=CanonicalNameCredentialSourcer(
                [EnvProvider(), ContainerProvider(), self._instance_metadata()]
            ),
            profile_provider_builder=self._sources,
        )
        chain = self._chain.providers(profile, disable_env_vars=True)
        credentials = CredentialResolver([assume_role, *chain]).load_credentials()
        if isinstance(credentials, RefreshableCredentials):
            # Asked before each request; botocore finds out the local time zone for it, as dateutil does that.
            credentials._time_fetcher = _now
        return credentials

    def _client(self, service: str, **settings: Any) -> Any:
        return create_nested_client(self.session, service, **{"region_name": self._region, **settings})

    def _instance_metadata(self) -> Any:
        variable = self.session.get_config_variable
        fetcher = InstanceMetadataFetcher(
            timeout=variable("metadata_service_timeout"),
            num_attempts=variable("metadata_service_num_attempts"),
            user_agent=self.session.user_agent(),
        )
        return InstanceMetadataProvider(fetcher)


def _without_traceback(record: logging.LogRecord) -> bool:
    """A refresh that failed is logged by botocore with what the credential_process printed: not by us."""
    record.exc_info = None
    return True


def _now() -> datetime:
    return datetime.now(UTC)


def _refuse_to_prompt(_: str) -> str:
    raise _MfaNeeded


class Credentials:
    """The credentials of any number of profiles, for one role. Safe for threads.

    Args:
        role: for the sentences.
        region: where STS is asked for assumed roles.
        client_config: time-outs and retries of the clients that resolve credentials.
        register: given each private session, to count and to carry what it sends.
    """

    def __init__(self, role: Role, region: str, client_config: Config, register: Callable[[Any], None]) -> None:
        self.role = role
        self.config = AwsConfig.now()
        logging.getLogger("botocore.credentials").addFilter(_without_traceback)
        self._region = region
        self._client_config = client_config
        self._register = register
        self._groups: dict[str, _Group] = {}
        self._lock = threading.Lock()
        self._credentials = _Memo(self._load)

    def settings_key(self, profile: str) -> str:
        """Equal for profiles whose clients may be shared.

        Raises:
            ProfileError: the profile is not named, or there is none of that name.
        """
        self._require(profile)
        return self.config.settings_key(profile)

    def of(self, profile: str) -> Any:
        """Botocore's credentials of a profile. They refresh themselves, and may be asked for over and over.

        Raises:
            ProfileError: there are none.
        """
        self._require(profile)
        try:
            credentials = self._credentials(profile)
        except FAILURES as error:
            raise self.explain(error, profile) from None
        if credentials is None:
            raise ProfileError(
                f"Profile {profile} has no credentials.",
                "no_credentials",
                profile,
                self.role,
                f"Give it a role_arn, an SSO session, a credential_process or keys, in {self.config.config_file}.",
            )
        return credentials

    def frozen(self, profile: str) -> Any:
        """The profile's credentials as they are good to sign with now.

        Raises:
            ProfileError: they are not, and cannot be renewed.
        """
        credentials = self.of(profile)
        try:
            return credentials.get_frozen_credentials()
        except FAILURES as error:
            # Without the cause: what a credential_process printed does not belong in a log.
            raise self.explain(error, profile) from None

    def close(self) -> None:
        """Close the connections and forget the credentials."""
        with self._lock:
            for group in self._groups.values():
                group.session.close()
            self._groups.clear()
            self._credentials = _Memo(self._load)

    def _load(self, profile: str) -> Any:
        key = self.config.settings_key(profile)
        with self._lock:
            if key not in self._groups:
                self._groups[key] = _Group(self.config, profile, self._region, self._client_config, self._register)
            group = self._groups[key]
        return group.load(profile)

    def _require(self, profile: str) -> None:
        if not profile:
            variable = CONTRACT[self.role].profile_env
            raise ProfileError(
                f"No profile is named for {self.role}: {variable} is not set, "
                "and no other profile is ever used in its place.",
                "not_named",
                profile,
                self.role,
                f"Set {variable} to the name of a profile in the AWS config file.",
            )
        try:
            profiles = self.config.profiles
        except AwsConfigError as error:
            raise ProfileError(
                str(error),
                "failed",
                profile,
                self.role,
                "Mend the file; `aws configure list-profiles` says where it breaks.",
            ) from None
        if profile in profiles:
            return
        if not self.config.exists:
            raise ProfileError(
                f"Profile {profile} is nowhere: there is no AWS config file at {self.config.config_file}.",
                "no_config_file",
                profile,
                self.role,
                "Run `aws configure sso`, or set AWS_CONFIG_FILE to the file that has the profile.",
            )
        near = difflib.get_close_matches(profile, profiles, n=3)
        raise ProfileError(
            f"There is no profile {profile} in {self.config.config_file}.",
            "unknown_profile",
            profile,
            self.role,
            f"Did you mean {' or '.join(near)}?" if near else "Add it there, or name another.",
        )

    def explain(self, error: BaseException, profile: str) -> ProfileError:
        """The sentence for what botocore raised. Never quotes what a process printed, nor a secret."""

        def say(sentence: str, reason: Reason, cure: str, code: str | None = None) -> ProfileError:
            return ProfileError(sentence, reason, profile, self.role, cure, code)

        source, sign_in = self.config.signs_in_with(profile)
        renew = f"Run `{sign_in}`." if sign_in else f"Put fresh credentials into profile {source}."
        match error:
            case ClientError():
                return self._explain_answer(error, profile, renew)
            case SSOError() | TokenRetrievalError() | LoginError():
                never = "" if isinstance(error, UnauthorizedSSOTokenError) else " or was never made"
                return say(f"The sign-in of profile {profile} has expired{never}.", "expired", renew)
            case _MfaNeeded():
                return say(
                    f"Profile {profile} wants an MFA code, which nobody is there to type.",
                    "no_credentials",
                    "Use SSO, or a role without mfa_serial, for unattended work.",
                )
            case MissingDependencyException():
                return say(
                    f"Profile {profile} uses `aws login`, which this Python environment cannot read.",
                    "failed",
                    "Install botocore[crt], or use an SSO profile.",
                )
            case PartialCredentialsError() | InvalidConfigError() | InfiniteLoopConfigError():
                return say(
                    f"Profile {profile} is not complete: {error}",
                    "no_credentials",
                    f"Mend it in {self.config.config_file}.",
                )
            case SSLError():
                return say(
                    f"The TLS certificate of the endpoint of profile {profile} is not trusted.",
                    "wrong_endpoint",
                    "Check endpoint_url, or set ca_bundle in the profile (AWS_CA_BUNDLE) to your proxy's CA.",
                )
            case ConnectionError() | HTTPClientError():
                return say(
                    f"AWS cannot be reached with profile {profile}: {_network(error)}.",
                    "unreachable",
                    "Check the network, HTTPS_PROXY, and endpoint_url of the profile.",
                )
            case CredentialRetrievalError() if "credential_process" not in self._chain_settings(profile):
                return say(
                    f"The credential_source of profile {profile} has no credentials.",
                    "no_credentials",
                    "Run this where that source exists, or give the profile a source_profile.",
                )
            case (
                CredentialRetrievalError()
                | OSError()
                | ValueError()
                | TypeError()
                | AttributeError()
                | RecursionError()
            ):
                return say(
                    f"The credential_process of profile {profile} failed ({type(error).__name__}).",
                    "failed",
                    f"Run it by hand: `aws configure get credential_process --profile {source}` shows it.",
                )
            case RuntimeError():
                return say(f"The credentials of profile {profile} came expired.", "expired", renew)
        return say(
            f"The credentials of profile {profile} cannot be had: {type(error).__name__}.",
            "failed",
            f"`aws sts get-caller-identity --profile {profile}` shows the same.",
        )

    def _explain_answer(self, error: Any, profile: str, renew: str) -> ProfileError:
        code = str(error.response.get("Error", {}).get("Code", ""))
        message = str(without_secrets(error.response.get("Error", {}).get("Message", "")))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        what = f"{error.operation_name} with profile {profile}"

        def say(sentence: str, reason: Reason, cure: str) -> ProfileError:
            return ProfileError(sentence, reason, profile, self.role, cure, code)

        clock = clock_error(error.response, _now())
        if clock is not None:
            return say(f"{what} failed ({code}). {clock} AWS said: {message}", "wrong_clock", SET_THE_CLOCK)
        if code in EXPIRED_CODES:
            return say(f"The credentials of profile {profile} have expired ({code}).", "expired", renew)
        if code in UNKNOWN_KEY_CODES:
            return say(f"AWS does not accept the keys of profile {profile} ({code}).", "refused", renew)
        if error.operation_name.startswith("AssumeRole") and status in (400, 403):
            return say(
                f"AWS refused {what}: {message}",
                "refused",
                "Check the role_arn, the role's trust policy and the rights of its source_profile.",
            )
        if status in (401, 403):
            return say(f"AWS refused {what} ({code}): {message}", "refused", "Check the profile's permissions.")
        if 300 <= status < 400:
            return say(message, "wrong_endpoint", "Check endpoint_url of the profile, and the proxy.")
        if status == 404 or code in ("UnknownOperationException", "InvalidAction"):
            return say(
                f"What answered {what} is not AWS ({code}).",
                "wrong_endpoint",
                "Check endpoint_url of the profile.",
            )
        return say(f"{what} failed ({code}): {message}", "failed", "Try again; the service may be down.")

    def _chain_settings(self, profile: str) -> Mapping[str, Any]:
        source, _ = self.config.signs_in_with(profile)
        return {**self.config.profiles.get(source, {}), **self.config.profiles.get(profile, {})}


FAILURES = (BotoCoreError, ClientError, ResponseParserError, _MfaNeeded, RuntimeError, OSError, *UNREADABLE)
"""What resolving credentials is known to raise."""


def _network(error: BaseException) -> str:
    words = {
        "EndpointConnectionError": "nothing answers at the endpoint",
        "ProxyConnectionError": "the proxy does not answer",
        "ConnectTimeoutError": "the endpoint did not answer in time",
        "ReadTimeoutError": "the endpoint did not answer in time",
        "ConnectionClosedError": "the connection was closed",
        "UnclearResponse": "what came back may belong to another request",
    }
    return words.get(type(error).__name__, type(error).__name__)


def available_profiles() -> list[str]:
    """The profiles of the AWS config and credentials files, in their order; none where there is no file.

    Raises:
        AwsConfigError: a file cannot be read.
    """
    return list(AwsConfig.now().profiles)
