"""Credentials of named profiles of the AWS config file, renewed before they expire.

Only the named profile is used: no environment variables, no container or instance metadata, no `AWS_PROFILE`. The one
exception is `credential_source` of an assumed role, which the profile itself names. This module requests no resources;
`resources.aws.client` does, and keeps these sessions private.
"""

import json
import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from botocore.config import Config
from botocore.credentials import (
    AssumeRoleProvider,
    CanonicalNameCredentialSourcer,
    ConfigProvider,
    ContainerProvider,
    CredentialResolver,
    EnvProvider,
    InstanceMetadataProvider,
    ProcessProvider,
    ProfileProviderBuilder,
    RefreshableCredentials,
    SharedCredentialProvider,
)
from botocore.utils import (
    InstanceMetadataFetcher,
    JSONFileCache,
    create_nested_client,
    get_login_token_cache_directory,
    resolve_imds_endpoint_mode,
)

from resources.aws.credential_process import CREDENTIAL_PROCESSES
from resources.aws.profile_errors import FAILURES, MfaNeeded, ProfileError, explained, no_credentials, refuse_unknown
from resources.aws.profiles import AwsConfig, ConfiguredSession, in_home
from resources.contract import Role

_NESTED_CLIENTS_KEPT = 16

ABSENT_SECONDS = 10.0
"""How long a `credential_source` without credentials is not tried again."""


class _NestedClients(ConfiguredSession):
    """Caches the clients that resolving credentials needs; botocore would create one for each profile.

    An STS or SSO client costs CPU and a connection. With hundreds of roles such clients are most of the start-up time.
    """

    def __init__(self, config: AwsConfig, profile: str, region: str, client_config: Config) -> None:
        super().__init__(config, profile, region, client_config)
        self._making = threading.RLock()
        self._kept: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def create_client(self, service_name: str, *args: Any, **settings: Any) -> Any:
        """A client, shared by calls with the same service, credentials and signature version."""
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
                # A `signin` client gets event handlers of its own profile, so it is never shared.
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
    """A cache with one value per key, computed once for all threads; different keys do not block each other.

    None is not kept.
    """

    def __init__(self, make: Callable[[str], Any]) -> None:
        self._make = make
        self._values: dict[str, Any] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    def __call__(self, key: str) -> Any:
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            value = self._values.get(key)
            if value is None:
                value = self._values[key] = self._make(key)
            return value


class _SourceProvider:
    """A botocore provider for AssumeRole that returns the already resolved credentials of a source profile."""

    METHOD = "shared-source-profile"

    def __init__(self, sources: _Memo, profile: str) -> None:
        self._sources = sources
        self._profile = profile

    def load(self) -> Any:
        """The credentials of the source profile; they refresh themselves."""
        return self._sources(self._profile)


def _token_json(token: dict[str, Any]) -> str:
    """A token of SSO as its file has it, for every AWS tool: botocore's cache would write times that end in `UTC`."""
    return json.dumps(token, default=lambda moment: moment.strftime("%Y-%m-%dT%H:%M:%SZ"))


class _Chain(ProfileProviderBuilder):  # type: ignore[misc]  # botocore publishes no types
    """botocore's credential providers of one profile, over files that are parsed once."""

    def __init__(self, session: ConfiguredSession, config: AwsConfig, region: str) -> None:
        # With a shared cache two profiles of one role would share a session name.
        super().__init__(
            session,
            region_name=region,
            sso_token_cache=JSONFileCache(str(in_home("~/.aws/sso/cache")), dumps_func=_token_json),
            login_token_cache=JSONFileCache(get_login_token_cache_directory()),
        )
        self._aws_config = config

    def _create_process_provider(self, profile_name: str) -> Any:
        return ProcessProvider(
            profile_name=profile_name, load_config=lambda: self._aws_config.whole, popen=CREDENTIAL_PROCESSES
        )

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
    """The providers of AssumeRole's source profiles, cached because many roles share one source."""

    def __init__(self, session: ConfiguredSession, config: AwsConfig, region: str) -> None:
        super().__init__(session, config, region)
        chain = super().providers
        self._sources = _Memo(lambda name: CredentialResolver(chain(name, disable_env_vars=True)).load_credentials())

    def providers(self, profile_name: str, disable_env_vars: bool = True) -> list[Any]:
        """One provider that returns the source profile's credentials, and resolves them the first time."""
        return [_SourceProvider(self._sources, profile_name)]


class _NamedSources(CanonicalNameCredentialSourcer):  # type: ignore[misc]  # botocore publishes no types
    """The credentials of each `credential_source`, loaded once for all roles: each load takes three requests.

    A machine's metadata service throttles, and botocore takes a throttle for a source that does not exist.
    """

    def __init__(self, providers: list[Any]) -> None:
        super().__init__(providers)
        self._loaded = _Memo(self._load)
        self._absent_at: dict[str, float] = {}

    def source_credentials(self, source_name: str) -> Any:
        """Botocore's credentials of a source, which refresh themselves; None where the source has none."""
        return self._loaded(source_name)

    def _load(self, name: str) -> Any:
        # The roles wait for each other here, and a service that is not there takes seconds to be missed.
        absent_at = self._absent_at.get(name)
        if absent_at is not None and time.monotonic() - absent_at < ABSENT_SECONDS:
            return None
        found = super().source_credentials(name)
        if found is None:
            self._absent_at[name] = time.monotonic()
        return found


class _AssumeRole(AssumeRoleProvider):  # type: ignore[misc]  # botocore publishes no types
    """botocore's provider of one role. A source profile that is a role itself is assumed once for all its roles.

    Args:
        of_role: the credentials of a source profile.
        settings: as of botocore's provider.
    """

    def __init__(self, config: AwsConfig, profile: str, of_role: _Memo, **settings: Any) -> None:
        super().__init__(load_config=lambda: config.whole, profile_name=profile, **settings)
        self._aws_config = config
        self._own_profile = profile
        self._of_role = of_role

    def _load_creds_via_assume_role(self, profile_name: str) -> Any:
        # botocore refuses a loop, and a source that waits for itself would wait without an end.
        if profile_name == self._own_profile or self._aws_config.has_loop(profile_name):
            return super()._load_creds_via_assume_role(profile_name)
        return self._of_role(profile_name)


class _Group:
    """The private botocore session of all profiles with equal client settings."""

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
        self._source_roles = _Memo(self.load)
        self._named_sources = _NamedSources([EnvProvider(), ContainerProvider(), self._instance_metadata()])

    def load(self, profile: str) -> Any:
        """Botocore's credentials of a profile; None where the profile has none."""
        assume_role = _AssumeRole(
            self._config,
            profile,
            self._source_roles,
            client_creator=self._client,
            cache={},
            prompter=_refuse_to_prompt,
            credential_sourcer=self._named_sources,
            profile_provider_builder=self._sources,
        )
        chain = self._chain.providers(profile, disable_env_vars=True)
        credentials = CredentialResolver([assume_role, *chain]).load_credentials()
        if isinstance(credentials, RefreshableCredentials):
            # botocore calls this before each request; its own version looks up the local time zone through dateutil
            # each time.
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
            # As botocore itself does: an instance may have its metadata at an IPv6 or another address.
            config={
                "ec2_metadata_service_endpoint": variable("ec2_metadata_service_endpoint"),
                "ec2_metadata_service_endpoint_mode": resolve_imds_endpoint_mode(self.session),
                "ec2_metadata_v1_disabled": variable("ec2_metadata_v1_disabled"),
            },
        )
        return InstanceMetadataProvider(fetcher)


def _without_traceback(record: logging.LogRecord) -> bool:
    """Drop the traceback of a failed refresh: botocore logs it with the output of the credential_process."""
    record.exc_info = None
    return True


def _now() -> datetime:
    return datetime.now(UTC)


def _refuse_to_prompt(_: str) -> str:
    raise MfaNeeded


class Credentials:
    """The credentials of any number of profiles, for one role. Thread-safe.

    Args:
        role: named in error messages.
        region: region of STS for assumed roles.
        client_config: time-outs and retries of the clients that resolve credentials.
        register: called with each private session, to count its requests and set up its connections.
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
        """A key that is equal for profiles that may share clients.

        Raises:
            ProfileError: no profile is named, or none has this name.
        """
        refuse_unknown(profile, self.role, self.config)
        return self.config.settings_key(profile)

    def of(self, profile: str) -> Any:
        """Botocore's credentials of a profile, which refresh themselves. Repeated calls are cheap.

        Raises:
            ProfileError: the profile has no credentials.
        """
        refuse_unknown(profile, self.role, self.config)
        try:
            credentials = self._credentials(profile)
        except FAILURES as error:
            raise self.explain(error, profile) from None
        if credentials is None:
            raise no_credentials(profile, self.role, self.config)
        return credentials

    def frozen(self, profile: str) -> Any:
        """A snapshot of the profile's credentials, valid for signing now.

        Raises:
            ProfileError: the credentials are invalid and cannot be renewed.
        """
        credentials = self.of(profile)
        try:
            return credentials.get_frozen_credentials()
        except FAILURES as error:
            # The cause is dropped: it can hold the output of a credential_process, which must not reach a log.
            raise self.explain(error, profile) from None

    def close(self) -> None:
        """Close the connections and drop the credentials."""
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

    def explain(self, error: BaseException, profile: str) -> ProfileError:
        """The `ProfileError` for an exception of botocore. It never quotes the output of a process, nor a secret."""
        return explained(error, profile, self.role, self.config)
