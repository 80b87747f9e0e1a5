"""Identities of one role's profiles by STS, with the credentials that also sign the profiles' requests."""

import gc
import re
import threading
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from resources.aws.errors import UNREADABLE, Failed
from resources.aws.messages import Identity
from resources.aws.profile_errors import ProfileError
from resources.aws.retry import RetryingSender
from resources.aws.sessions import Sessions
from resources.aws.signing_context import SigningContext
from resources.aws.thread_pool import FanOut

IDENTITY_AGE = timedelta(minutes=5)
"""How long an identity from STS is cached; a refusal is retried sooner, after `REFUSAL_AGE`."""
REFUSAL_AGE = timedelta(seconds=30)

MANY_PROFILES = 50
"""From this number of profiles on, `identify_all` collects garbage at its end."""


class Identities:
    """A cache of each profile's identity. Thread-safe.

    Args:
        sessions: provides the credentials.
        requests: sends one page, with retries.
        concurrency: profiles that are identified at the same time.
    """

    def __init__(self, sessions: Sessions, requests: RetryingSender, concurrency: int) -> None:
        self._sessions = sessions
        self._requests = requests
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._known: dict[str, tuple[datetime, Identity | ProfileError]] = {}
        self._identifying: dict[str, threading.Lock] = {}

    def identify(self, profile: str) -> Identity:
        """The identity of a profile, cached for five minutes.

        Raises:
            ProfileError: the profile leads to no account; the error has the hint.
        """
        with self._one_at_a_time(profile):
            who = self._kept(profile)
            if isinstance(who, ProfileError):
                raise who.again()
            if who is not None:
                return who
            try:
                identity = self._who(profile)
            except ProfileError as error:
                self._known[profile] = (datetime.now(UTC), error.again())
                raise
            self._known[profile] = (identity.checked_at, identity)
            return identity

    def signer(self, context: SigningContext, known: Identity) -> Identity:
        """The identity that signed a request. STS is called again if the credentials were renewed since `known`.

        Renewed credentials may lead to another account, and many records do not name their account.

        Raises:
            ProfileError: as `identify`.
        """
        # Without a key nothing was sent.
        if [*context.access_keys] in ([], [known.access_key]):
            return known
        profile = context.profile
        with self._one_at_a_time(profile):
            # Of many concurrent requests only the first drops the identity and calls STS again.
            kept = self._known.get(profile)
            if kept is not None and kept[1] == known:
                del self._known[profile]
        return self.identify(profile)

    def identify_all(self, profiles: Iterable[str]) -> dict[str, Identity | ProfileError]:
        """The identity of each profile, or the error of a profile that leads to no account."""
        names = list(dict.fromkeys(profiles))
        found: dict[str, Identity | ProfileError] = {}
        new = []
        for name in names:
            who = self._kept(name)
            if who is None:
                new.append(name)
            else:
                found[name] = who.again() if isinstance(who, ProfileError) else who

        def work(profile: str) -> tuple[str, Identity | ProfileError]:
            try:
                return profile, self.identify(profile)
            except ProfileError as error:
                return profile, error.again()

        def keep(identified: tuple[str, Identity | ProfileError]) -> None:
            found[identified[0]] = identified[1]

        FanOut(
            new,
            place=lambda profile: (self._sessions.home_region, profile),
            work=work,
            deliver=keep,
            threads=self._concurrency,
            per_account=1,
        ).run()
        # Each assumed role leaves a botocore STS client behind, and clients are reference cycles. Thousands of them
        # would wait for a late collection, since little else is allocated meanwhile. For a few profiles a collection is
        # not worth its third of a second: it traverses everything that Dagster and botocore have loaded.
        if len(new) >= MANY_PROFILES:
            gc.collect()
        return {name: found[name] for name in names}

    def forget(self) -> None:
        """Drop all cached identities."""
        self._known.clear()

    def _one_at_a_time(self, profile: str) -> threading.Lock:
        with self._lock:
            return self._identifying.setdefault(profile, threading.Lock())

    def _kept(self, profile: str) -> Identity | ProfileError | None:
        """The cached identity or error of a profile; None where there is none or it is too old."""
        known = self._known.get(profile)
        if known is None:
            return None
        checked_at, who = known
        age = IDENTITY_AGE if isinstance(who, Identity) else REFUSAL_AGE
        return who if datetime.now(UTC) - checked_at < age else None

    def _who(self, profile: str) -> Identity:
        role = self._sessions.role
        with self._sessions.signing_as(profile) as context:
            try:
                caller = self._requests.send_by_name(
                    context, "sts", "GetCallerIdentity", self._sessions.home_region, {}
                )
            except Failed as failure:
                raise self._no_identity(profile, failure) from None
        account, arn = str(caller.get("Account", "")), str(caller.get("Arn", ""))
        if not re.fullmatch(r"\d{12}", account) or not arn:
            raise ProfileError(
                f"The response to GetCallerIdentity with profile {profile} is not from AWS: it names no account.",
                "wrong_endpoint",
                profile,
                role,
                "Check endpoint_url of the profile.",
            )
        return Identity(role, profile, account, arn, datetime.now(UTC), next(reversed(context.access_keys)))

    def _no_identity(self, profile: str, failure: Failed) -> ProfileError:
        cause = failure.__cause__
        if isinstance(cause, ProfileError):
            return cause.again()
        if cause is None or isinstance(cause, UNREADABLE):
            return ProfileError(
                f"The response to GetCallerIdentity with profile {profile} is not from AWS ({failure.code}).",
                "wrong_endpoint",
                profile,
                self._sessions.role,
                "Check endpoint_url of the profile, and the proxy.",
            )
        return self._sessions.credentials.explain(cause, profile)
