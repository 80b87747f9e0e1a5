"""The files, credentials, botocore sessions and clients of one role: made when first needed, kept until closed."""

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
    """What one role asks AWS with, through any number of profiles that share one client per region and service.

    Every session is guarded and counted. Safe for threads.

    Args:
        role: whose clause guards every session.
        home_region: where STS is asked.
        concurrency: connections kept per client.
        counter: counts what the sessions send.
        sender: sends what the shared clients ask.
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
        """Where a service is sent what has no region: to its one place, or home."""
        return region if region != GLOBAL_REGION else self.models.home_of(service, self.home_region)

    @property
    def credentials(self) -> Credentials:
        """The credentials of the profiles, over the AWS files as they were when this was first needed."""
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
        """What botocore knows about services."""
        made = self._models
        if made is None:
            made = self._models = service_models(self.credentials.config.contract_loader)
        return made

    @property
    def client_count(self) -> int:
        """How many shared clients there are."""
        return len(self._clients)

    def signing_as(
        self, profile: str, stopping: threading.Event | None = None, meter: Meter | None = None
    ) -> AbstractContextManager[SigningContext]:
        """Sign as `profile` in this thread, for the length of one question.

        Raises:
            ProfileError: the profile leads to no credentials.
        """
        credentials = self.credentials.of(profile)
        return signing(SigningContext(profile, credentials, stopping or threading.Event(), meter))

    def client(self, profile: str, service: str, region: str) -> Any:
        """The client that all profiles with the same settings share; it signs for the context of its thread.

        Raises:
            ProfileError: the profile is not named, or there is none of that name.
            Failed: botocore makes no client with the settings of profile and environment.
        """
        settings = self.credentials.settings_key(profile)
        key = (settings, service, region)
        client = self._clients.get(key)
        if client is None:
            # Making a client is neither cheap nor safe in threads.
            with self._making:
                client = self._clients.get(key)
                if client is None:
                    client = self._new_client(settings, profile, service, region)
                    if service == "s3":
                        # Before botocore's own, which asks HeadBucket where the bucket is and goes there.
                        client.meta.events.register_first("needs-retry.s3", _follow_nobody)
                    self._clients[key] = client
        return client

    def foreign(self, profile: str) -> boto3.Session:
        """A guarded session of one profile, for code that is not ours. Retries as boto3 does.

        Raises:
            ProfileError: the profile leads to no credentials.
        """
        credentials = self.credentials.of(profile)
        with self._making:
            if profile not in self._foreign:
                guarded = self._guarded(profile, credentials, self._config(attempts=7))
                self._foreign[profile] = self._boto3(guarded)
            return self._foreign[profile]

    def close(self) -> None:
        """Close the connections and forget files and credentials. May be used again."""
        with self._lock, self._making:
            for client in self._clients.values():
                client.close()
            self._sender.close()
            self._clients.clear()
            self._shared.clear()
            self._foreign.clear()
            if self._credentials is not None:
                self._credentials.close()
            self._credentials = self._models = None

    def _new_client(self, settings: str, profile: str, service: str, region: str) -> Any:
        session = self._shared_session(settings, profile)
        try:
            return session.client(service, region_name=region)
        except (BotoCoreError, ValueError) as error:
            # An address that is none, a bundle of certificates without a name.
            raise Failed("failed", type(error).__name__, str(error)) from error

    def _shared_session(self, settings: str, profile: str) -> Any:
        if settings not in self._shared:
            session = self._guarded(profile, SharedCredentials(), self._config(attempts=1))
            # Nothing but what the contract allows is ever asked through these clients.
            session.register_component("data_loader", self.credentials.config.contract_loader)
            session.register("getattr", self._refuse_truncated)
            self._sender.watch(session)
            self._shared[settings] = self._boto3(session)
        return self._shared[settings]

    def _refuse_truncated(self, event_name: str, client: Any, **_: Any) -> Callable[..., None] | None:
        """What a shared client has in place of an operation that was cut from its model: the guard's refusal."""
        model = client.meta.service_model
        method = event_name.rpartition(".")[2]
        for operation in self.credentials.config.contract_loader.operation_names(model.service_name):
            if xform_name(operation) == method:
                return lambda *_, **__: check(self.role, model.signing_name, operation)
        return None

    def _carry(self, session: Any) -> None:
        """Set up a session that credentials are asked for with: what answers one account must never be another's."""
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
        # Each boto3 session adds its data folder to the loader, which ours share.
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
    """Let S3 send nobody to another region: a question is asked where its cell is.

    Raises:
        botocore.exceptions.ClientError: it would.
    """
    if response is None:
        return
    http_response, parsed = response
    if 300 <= http_response.status_code < 400 or parsed.get("Error", {}).get("Code") in WRONG_REGION_CODES:
        raise ClientError(parsed, operation.name)
