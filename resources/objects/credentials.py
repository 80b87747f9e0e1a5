"""The credentials of the object store: of one named profile, or of what the process or its machine was given.

They are the operator's own. The four roles of the contract are never asked for them, nor does anything here ask for the
roles': without a named profile no profile is read at all, since `AWS_PROFILE` is the workload role's.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import botocore.session
from botocore.credentials import CredentialResolver, create_credential_resolver
from botocore.exceptions import BotoCoreError, ClientError, ProfileNotFound, RefreshWithMFAUnsupportedError

from resources.objects.errors import ObjectStoreError

if TYPE_CHECKING:
    from obstore.store import S3Credential

WITHOUT_PROFILE = ("env", "container-role", "iam-role")
"""botocore's providers that read no profile: the variables of access keys, the role of a container, of a machine."""

RENEWED_AFTER = timedelta(minutes=5)
"""botocore renews temporary credentials ten minutes before they end, so what it gives out is good for that long."""


class MfaNeeded(Exception):
    """A profile requires an MFA code from a person."""


FAILURES = (
    BotoCoreError,
    ClientError,
    MfaNeeded,
    RuntimeError,
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
)
"""What resolving credentials is known to raise: a program that is missing, what it prints, a role that is refused."""


def credential_provider(profile: str, address: str, region: str) -> "Callable[[], S3Credential]":
    """What gives obstore credentials that are good now, as often as it asks; it raises an ObjectStoreError without.

    Args:
        profile: a profile of the AWS files; empty for none.
        address: of the object store, for the sentence that refuses.
        region: of the requests for a profile's role, where the profile names none.

    Raises:
        ObjectStoreError: there are no credentials. Nothing was requested of the object store.
    """
    from obstore.auth.boto3 import Boto3CredentialProvider

    logging.getLogger("botocore.credentials").addFilter(_without_traceback)
    # Without that AWS_PROFILE would name one.
    no_profile = None if profile else {"profile": (None, None, None, None)}
    session = botocore.session.Session(session_vars=no_profile, profile=profile or None)
    with _explained(profile, address):
        resolver = create_credential_resolver(session, region_name=session.get_config_variable("region") or region)
        if profile:
            # Else botocore would wait for somebody to type a code, in the middle of publishing.
            resolver.get_provider("assume-role")._prompter = _refuse_to_prompt
        else:
            providers = [provider for provider in resolver.providers if provider.METHOD in WITHOUT_PROFILE]
            resolver = CredentialResolver(providers)
        session.register_component("credential_provider", resolver)
        found = session.get_credentials()
    if found is None:
        reason = "neither access keys in the environment nor a role of this machine were found"
        raise _without(address, f"the profile {profile} leads to none" if profile else reason)
    provider = Boto3CredentialProvider(session, ttl=RENEWED_AFTER)

    def current() -> "S3Credential":
        with _explained(profile, address):
            return provider()

    return current


@contextmanager
def _explained(profile: str, address: str) -> Iterator[None]:
    """A block that resolves credentials. Its errors are raised as sentences, which never quote a program's output."""
    try:
        yield
    except ProfileNotFound as error:
        raise _without(address, str(error)) from None
    except FAILURES as error:
        whose = f"the profile {profile}" if profile else "the environment or this machine"
        why = f"those of {whose} cannot be had ({type(error).__name__})"
        if isinstance(error, MfaNeeded | RefreshWithMFAUnsupportedError):
            why = f"{whose} wants an MFA code, which nobody is there to type"
        elif isinstance(error, ClientError):
            why = f"{error.operation_name} with {whose} is refused ({error.response.get('Error', {}).get('Code')})"
        raise _without(address, why) from None


def _without(address: str, why: str) -> ObjectStoreError:
    return ObjectStoreError(
        f"There are no credentials for {address}: {why.rstrip('.')}. Nothing was requested there. Set "
        "CMDB_OBJECTS_PROFILE to a profile of its own that may use this bucket.",
        exit_code=2,
    )


def _without_traceback(record: logging.LogRecord) -> bool:
    """Drop the traceback of a failed renewal: botocore logs it with the output of the credential_process."""
    record.exc_info = None
    return True


def _refuse_to_prompt(_: str) -> str:
    raise MfaNeeded
