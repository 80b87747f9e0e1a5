"""Why a named profile leads to no AWS account: one sentence, and a hint how to fix it.

No sentence quotes the output of a credential_process, nor a secret.
"""

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    CredentialRetrievalError,
    HTTPClientError,
    InfiniteLoopConfigError,
    InvalidChecksumConfigError,
    InvalidConfigError,
    InvalidDefaultsMode,
    InvalidRetryConfigurationError,
    LoginError,
    MissingDependencyException,
    PartialCredentialsError,
    RefreshWithMFAUnsupportedError,
    SSLError,
    SSOError,
    TokenRetrievalError,
    UnauthorizedSSOTokenError,
)
from botocore.parsers import ResponseParserError

from resources.aws.clock import SET_THE_CLOCK, clock_error
from resources.aws.errors import (
    EXPIRED_CODES,
    UNKNOWN_KEY_CODES,
    UNREADABLE,
    CaBundleUnreadable,
    TunnelRefused,
    is_throttle,
)
from resources.aws.profiles import AwsConfig, AwsConfigError
from resources.aws.redaction import without_secrets
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
    "throttled",
    "failed",
]


class ProfileError(Exception):
    """A named profile does not lead to an AWS account. `str()` says which and why; `hint` says what to do.

    Attributes:
        reason: the kind of failure, one word.
        error_code: AWS's error code, where AWS responded.
    """

    def __init__(
        self,
        sentence: str,
        reason: Reason,
        profile: str,
        role: Role,
        hint: str,
        error_code: str | None = None,
    ) -> None:
        super().__init__(sentence, reason, profile, role, hint, error_code)
        self.sentence = sentence
        self.reason: Reason = reason
        self.profile = profile
        self.role: Role = role
        self.hint = hint
        self.error_code = error_code

    def __str__(self) -> str:
        return self.sentence

    def again(self) -> "ProfileError":
        """A copy of this error without the traceback that this one has gathered."""
        return ProfileError(self.sentence, self.reason, self.profile, self.role, self.hint, self.error_code)


class MfaNeeded(Exception):
    """A profile requires an MFA code from a person."""


class ProcessTimedOut(Exception):
    """A credential_process did not end within `PROCESS_SECONDS`."""


PROCESS_SECONDS = 60.0

FAILURES = (
    BotoCoreError,
    ClientError,
    ResponseParserError,
    MfaNeeded,
    ProcessTimedOut,
    RuntimeError,
    OSError,
    *UNREADABLE,
)
"""The exceptions that resolving credentials is known to raise."""


@dataclass(frozen=True)
class Explanation:
    """The error message and hint for a group of exceptions.

    Attributes:
        of: the exceptions.
        sentence, hint: templates. They may name `{profile}`, the `{source}` at the end of its chain, the
            `{config_file}`, `{error}` and its `{kind}`, the `{network}` failure, and how to `{renew}` the credentials.
        having: a setting; the explanation applies only where the profile or the end of its chain has this setting.
    """

    of: tuple[type[BaseException], ...]
    sentence: str
    reason: Reason
    hint: str
    having: str = ""


_RUN_BY_HAND = "Run the credential_process by hand: `aws configure get credential_process --profile {source}` shows it."

EXPLANATIONS = (
    Explanation((UnauthorizedSSOTokenError,), "The sign-in of profile {profile} has expired.", "expired", "{renew}"),
    Explanation(
        (SSOError, TokenRetrievalError, LoginError),
        "The sign-in of profile {profile} has expired or was never made.",
        "expired",
        "{renew}",
    ),
    Explanation(
        (MfaNeeded, RefreshWithMFAUnsupportedError),
        "Profile {profile} wants an MFA code, which nobody is there to type.",
        "no_credentials",
        "Use SSO, or a role without mfa_serial, for unattended work.",
    ),
    Explanation(
        (ProcessTimedOut,),
        f"The credential_process of profile {{profile}} did not end in {PROCESS_SECONDS:.0f} s; "
        "it may wait for somebody to type.",
        "failed",
        _RUN_BY_HAND,
    ),
    Explanation(
        (MissingDependencyException,),
        "Profile {profile} uses `aws login`, which this Python environment cannot read.",
        "failed",
        "Install botocore[crt], or use an SSO profile.",
    ),
    Explanation(
        (PartialCredentialsError, InvalidConfigError, InfiniteLoopConfigError),
        "Profile {profile} is not complete: {error}",
        "no_credentials",
        "Fix it in {config_file}.",
    ),
    Explanation(
        (InvalidChecksumConfigError, InvalidDefaultsMode, InvalidRetryConfigurationError),
        "A setting of profile {profile} has no such value: {error}",
        "failed",
        "Fix it in {config_file} or in its AWS_… variable.",
    ),
    Explanation(
        (CaBundleUnreadable,),
        "The CA bundle of profile {profile} cannot be used: {network}.",
        "failed",
        "Check ca_bundle of profile {profile}, AWS_CA_BUNDLE and REQUESTS_CA_BUNDLE.",
    ),
    Explanation(
        (SSLError,),
        "The TLS certificate of the endpoint of profile {profile} is not trusted.",
        "wrong_endpoint",
        "Check endpoint_url, or set ca_bundle in the profile (AWS_CA_BUNDLE) to your proxy's CA.",
    ),
    Explanation(
        (TunnelRefused,),
        "AWS cannot be reached with profile {profile}: {network}.",
        "unreachable",
        "Let the proxy allow that host, check the user in HTTPS_PROXY, or name the host in NO_PROXY.",
    ),
    Explanation(
        (ConnectionError, HTTPClientError),
        "AWS cannot be reached with profile {profile}: {network}.",
        "unreachable",
        "Check the network, HTTPS_PROXY, and endpoint_url of the profile.",
    ),
    Explanation(
        (CredentialRetrievalError, OSError, ValueError, TypeError, AttributeError, RecursionError),
        "The credential_process of profile {profile} failed ({kind}).",
        "failed",
        _RUN_BY_HAND,
        having="credential_process",
    ),
    Explanation(
        (CredentialRetrievalError,),
        "The credential_source of profile {profile} has no credentials.",
        "no_credentials",
        "Run this where that source exists, or give the profile a source_profile.",
    ),
    Explanation(
        (OSError,),
        "A file that profile {profile} needs cannot be used: {error}.",
        "failed",
        "Check that it is there, and that the user of this process may use it.",
    ),
    Explanation((RuntimeError,), "The credentials of profile {profile} came expired.", "expired", "{renew}"),
    Explanation(
        (BaseException,),
        "The credentials of profile {profile} cannot be had: {kind}.",
        "failed",
        "`aws sts get-caller-identity --profile {profile}` shows the same.",
    ),
)
"""The first match applies. The order matters: some of these exceptions are subclasses of others."""

_NETWORK = {
    "EndpointConnectionError": "nothing responds at the endpoint",
    "ProxyConnectionError": "the proxy does not respond",
    "CaBundleUnreadable": "{bundle}: {error}",
    "TunnelRefused": "the proxy refuses a tunnel to {host}: {error}",
    "ConnectTimeoutError": "the endpoint did not respond in time",
    "ReadTimeoutError": "the endpoint did not respond in time",
    "ConnectionClosedError": "the connection was closed",
    "UnclearResponse": "what came back may belong to another request",
}
"""Of exceptions on the way to AWS, what happened. A text may name what the exception was made with."""


def explained(error: BaseException, profile: str, role: Role, config: AwsConfig) -> ProfileError:
    """The `ProfileError` for an exception that botocore raised."""
    source, sign_in = config.signs_in_with(profile)
    settings = config.chain_settings(profile)
    if sign_in:
        renew = f"Run `{sign_in}`."
    elif "credential_process" in settings:
        renew = _RUN_BY_HAND.format(source=source)
    else:
        renew = f"Put fresh credentials into profile {source}."
    if isinstance(error, ClientError):
        return _explained_response(error, profile, role, renew)
    found = next(
        entry
        for entry in EXPLANATIONS
        if isinstance(error, entry.of) and (not entry.having or entry.having in settings)
    )
    kind = type(error).__name__
    words = {
        "profile": profile,
        "source": source,
        "config_file": config.config_file,
        "error": error,
        "kind": kind,
        "network": _NETWORK.get(kind, kind).format(**getattr(error, "kwargs", {})),
        "renew": renew,
    }
    return ProfileError(found.sentence.format(**words), found.reason, profile, role, found.hint.format(**words))


def _explained_response(error: Any, profile: str, role: Role, renew: str) -> ProfileError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    message = str(without_secrets(error.response.get("Error", {}).get("Message", "")))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    what = f"{error.operation_name} with profile {profile}"

    def say(sentence: str, reason: Reason, hint: str) -> ProfileError:
        return ProfileError(sentence, reason, profile, role, hint, code)

    clock = clock_error(error.response, datetime.now(UTC))
    if clock is not None:
        return say(f"{what} failed ({code}). {clock} AWS reported: {message}", "wrong_clock", SET_THE_CLOCK)
    if is_throttle(error.response):
        return say(
            f"AWS throttles {what} ({code}): {message}",
            "throttled",
            "Try again once fewer profiles are requested at the same time; nothing is wrong with the profile.",
        )
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
            f"The response to {what} is not from AWS ({code}).", "wrong_endpoint", "Check endpoint_url of the profile."
        )
    return say(f"{what} failed ({code}): {message}", "failed", "Try again; the service may be down.")


def no_credentials(profile: str, role: Role, config: AwsConfig) -> ProfileError:
    """The error of a profile that configures no source of credentials."""
    return ProfileError(
        f"Profile {profile} has no credentials.",
        "no_credentials",
        profile,
        role,
        f"Give it a role_arn, an SSO session, a credential_process or keys, in {config.config_file}.",
    )


def refuse_unknown(profile: str, role: Role, config: AwsConfig) -> None:
    """Check that a profile is named and exists.

    Raises:
        ProfileError: no profile is named, the files cannot be read, or they have no profile of this name.
    """
    if not profile:
        variable = CONTRACT[role].profile_env
        raise ProfileError(
            f"No profile is named for {role}: {variable} is not set, and no other profile is ever used in its place.",
            "not_named",
            profile,
            role,
            f"Set {variable} to the name of a profile in the AWS config file.",
        )
    try:
        profiles = config.profiles
    except AwsConfigError as error:
        raise ProfileError(str(error), "failed", profile, role, error.hint) from None
    if profile in profiles:
        return
    if not config.exists:
        raise ProfileError(
            f"Profile {profile} is nowhere: there is no AWS config file at {config.config_file}.",
            "no_config_file",
            profile,
            role,
            "Run `aws configure sso`, or set AWS_CONFIG_FILE to the file that has the profile.",
        )
    near = difflib.get_close_matches(profile, profiles, n=3)
    raise ProfileError(
        f"There is no profile {profile} in {config.config_file}.",
        "unknown_profile",
        profile,
        role,
        f"Did you mean {' or '.join(near)}?" if near else "Add it there, or name another.",
    )
