"""The credentials of the object store: of one named profile, or of what the process or its machine was given.

They are the operator's own. The four roles of the contract are never asked for them, nor does anything here ask for the
roles': without a named profile no profile is read at all, since `AWS_PROFILE` is the workload role's.
"""

from datetime import timedelta
from typing import TYPE_CHECKING

import botocore.session
from botocore.credentials import CredentialResolver, create_credential_resolver
from botocore.exceptions import BotoCoreError

from resources.objects.errors import ObjectStoreError

if TYPE_CHECKING:
    from obstore.auth.boto3 import Boto3CredentialProvider

WITHOUT_PROFILE = ("env", "container-role", "iam-role")
"""botocore's providers that read no profile: the variables of access keys, the role of a container, of a machine."""

RENEWED_AFTER = timedelta(minutes=5)
"""botocore renews temporary credentials ten minutes before they end, so what it gives out is good for that long."""


def credential_provider(profile: str, address: str) -> "Boto3CredentialProvider":
    """What gives obstore credentials that are good now, as often as it asks.

    Args:
        profile: a profile of the AWS files; empty for none.
        address: of the object store, for the sentence that refuses.

    Raises:
        ObjectStoreError: there are no credentials. Nothing was requested of the object store.
    """
    from obstore.auth.boto3 import Boto3CredentialProvider

    # Without that AWS_PROFILE would name one.
    no_profile = None if profile else {"profile": (None, None, None, None)}
    session = botocore.session.Session(session_vars=no_profile, profile=profile or None)
    if not profile:
        resolver = create_credential_resolver(session)
        providers = [provider for provider in resolver.providers if provider.METHOD in WITHOUT_PROFILE]
        session.register_component("credential_provider", CredentialResolver(providers))
    reason = "" if profile else "neither access keys in the environment nor a role of this machine were found"
    try:
        found = session.get_credentials()
    except BotoCoreError as error:
        found, reason = None, str(error).rstrip(".")
    if found is None:
        raise ObjectStoreError(
            f"There are no credentials for {address}: "
            f"{reason or f'the profile {profile} leads to none'}. Nothing was requested there. Set "
            "CMDB_OBJECTS_PROFILE to a profile of its own that may use this bucket.",
            exit_code=2,
        )
    return Boto3CredentialProvider(session, ttl=RENEWED_AFTER)
