"""The files, credentials, botocore sessions and clients of one role: created on first use, kept until closed."""

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.credentials import CredentialResolver
from botocore.exceptions import BotoCoreError, ClientError

from resources.aws.credentials import Credentials
from resources.aws.errors import WRONG_REGION_CODES, Failed
from resources.aws.guard import Guard
from resources.aws.listing import GLOBAL_REGION
from resources.aws.meter import Meter
from resources.aws.profiles import ConfiguredSession
from resources.aws.request_counter import RequestCounter
from resources.aws.sending import Sender
from resources.aws.service_models import ServiceModels, service_models
from resources.aws.signing_context import FixedCredentials, SharedCredentials, SigningContext, signing
from resources.contract import Role, check

CONNECT_SECONDS = 5
READ_SECONDS = 60


class Sessions:
    """The guarded sessions and clients of one role, for any number of profiles.

    Profiles with equal settings share one client per region and service. Every session is guarded and counted.
    Thread-safe.

    Args:
        role: the role whose clause guards every session.
        home_region: region of STS.
        concurrency: connections kept per client.
        counter: counts the requests of the sessions.
        sender: sends the requests of the shared clients.
    """

    def __init__(self, role: Role, home_region: str, concurrency: int, counter: RequestCounter, sender: Sender) -> None:
        self.role: Role = role
        self.home_region = home_region
        self._concurrency = concurrency
        self._counter = counter
        self._sender = sender
        self._guard = Guard(role)
        self._lock = threading.Lock()
        self._making = threading.Lock()
        self._credentials: Credentials | None = None
        self._models: ServiceModels | None = None
        self._shared: dict[str, Any] = {}
        self._clients: dict[tuple[str, str, str], Any] = {}
        self._foreign: dict[str, Any] = {}

    def region_of(self, service: str, region: str) -> str:
        """The region that a request is sent to: `region` itself, or for `aws-global` the service's home."""
        return region if region != GLOBAL_REGION else self.models.home_of(service, self.home_region)

    @property
    def credentials(self) -> Credentials:
        """The credentials of the profiles, over the AWS files as they were at first use."""
        made = self._credentials
        if made is None:
            with self._lock:
                made = self._credentials
                if made is None:
                    config = self._config(attempts=5)
                    made = Credentials(self.role, self.home_region, config, self._carry)
                    self._credentials = made
        return made

    @property
    def models(self) -> ServiceModels:
        """Botocore's data about services."""
        made = self._models
        if made is None:
            made = self._models = service_models(self.credentials.config.contract_loader)
        return made

    @property
    def client_count(self) -> int:
        """The number of shared clients."""
        return len(self._clients)

    def signing_as(
        self, profile: str, stopping: threading.Event | None = None, meter: Meter | None = None
    ) -> AbstractContextManager[SigningContext]:
        """A context in which this thread signs as `profile`, for one request.

        Raises:
            ProfileError: the profile leads to no credentials.
        """
        return signing(self.signing_context(profile, stopping, meter))

    def signing_context(
        self, profile: str, stopping: threading.Event | None = None, meter: Meter | None = None
    ) -> SigningContext:
        """What `signing_as` signs with, for a request whose pages several threads send.

        Raises:
            ProfileError: the profile leads to no credentials.
        """
        return SigningContext(profile, self.credentials.of(profile), stopping or threading.Event(), meter)

    def client(self, profile: str, service: str, region: str) -> Any:
        """The client that all profiles with the same settings share; it signs with the signing context of the thread.

        Raises:
            ProfileError: no profile is named, or none has this name.
            Failed: botocore creates no client with the settings of profile and environment.
        """
        settings = self.credentials.settings_key(profile)
        key = (settings, service, region)
        client = self._clients.get(key)
        if client is None:
            # Creating a client is neither cheap nor thread-safe.
            with self._making:
                client = self._clients.get(key)
                if client is None:
                    client = self._new_client(settings, profile, service, region)
                    if service == "s3":
                        # Before botocore's own handler, which looks the bucket's region up by HeadBucket and redirects
                        # the request there.
                        client.meta.events.register_first("needs-retry.s3", _follow_nobody)
                    self._clients[key] = client
        return client

    def foreign(self, profile: str) -> boto3.Session:
        """A guarded boto3 session of one profile, for code outside this product. It retries as boto3 does.

        Raises:
            ProfileError: the profile leads to no credentials.
        """
        credentials = self.credentials.of(profile)
        with self._making:
            if profile not in self._foreign:
                guarded = self._guarded(profile, credentials, self._config(attempts=7))
                self._foreign[profile] = self._boto3(guarded)
            return self._foreign[profile]

    def forget_clients(self) -> None:
        """Close the connections and drop the clients, which take up to 1 MB each. Credentials stay."""
        with self._making:
            for client in self._clients.values():
                client.close()
            self._sender.close()
            self._clients.clear()
            self._shared.clear()
            self._foreign.clear()

    def close(self) -> None:
        """Close the connections and drop files and credentials. The sessions may be used again."""
        self.forget_clients()
        with self._lock, self._making:
            if self._credentials is not None:
                self._credentials.close()
            self._credentials = self._models = None

    def _new_client(self, settings: str, profile: str, service: str, region: str) -> Any:
        session = self._shared_session(settings, profile)
        try:
            return session.client(service, region_name=region)
        except (BotoCoreError, ValueError) as error:
            # Raised for an invalid endpoint URL, or for an empty path of a CA bundle.
            raise Failed("failed", type(error).__name__, str(error)) from error

    def _shared_session(self, settings: str, profile: str) -> Any:
        if settings not in self._shared:
            session = self._guarded(profile, SharedCredentials(), self._config(attempts=1))
            # These clients never send an operation outside the contract, so they need no other models.
            session.register_component("data_loader", self.credentials.config.contract_loader)
            session.register("getattr", self._refuse_truncated)
            self._sender.watch(session)
            self._shared[settings] = self._boto3(session)
        return self._shared[settings]

    def _refuse_truncated(self, event_name: str, client: Any, **_: Any) -> Callable[..., None] | None:
        """The guard's refusal, in place of a client method whose operation was removed from its model."""
        model = client.meta.service_model
        method = event_name.rpartition(".")[2]
        for operation in self.credentials.config.contract_loader.operation_names(model.service_name):
            if xform_name(operation) == method:
                return lambda *_, **__: check(self.role, model.signing_name, operation)
        return None

    def _carry(self, session: Any) -> None:
        """Set up a session that fetches credentials: a response for one account must never serve another."""
        self._counter.watch(session)
        self._sender.carry(session)

    def _guarded(self, profile: str, credentials: Any, config: Config) -> Any:
        session = ConfiguredSession(self.credentials.config, profile, self.home_region, config)
        session.register_component("credential_provider", CredentialResolver([FixedCredentials(credentials)]))
        self._guard.watch(session)
        self._counter.watch(session)
        return session

    def _boto3(self, session: Any) -> boto3.Session:
        made = boto3.Session(botocore_session=session)
        paths = self.credentials.config.loader.search_paths
        # Each boto3 session adds its data folder to the loader, which our sessions share.
        paths[:] = dict.fromkeys(paths)
        return made

    def _config(self, attempts: int) -> Config:
        return Config(
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            max_pool_connections=self._concurrency,
            retries={"mode": "legacy", "total_max_attempts": attempts},
            tcp_keepalive=True,
        )


def _follow_nobody(operation: Any, response: Any, **_: Any) -> None:
    """Refuse S3's redirects to another region: a request goes to the region of its cell.

    Raises:
        botocore.exceptions.ClientError: S3 would redirect the request.
    """
    if response is None:
        return
    http_response, parsed = response
    if 300 <= http_response.status_code < 400 or parsed.get("Error", {}).get("Code") in WRONG_REGION_CODES:
        raise ClientError(parsed, operation.name)
