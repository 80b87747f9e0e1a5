"""Who the profiles of one role are, by STS, with the very credentials that their questions are signed with."""

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
"""How long an identity, as STS gave it, is good for; a refusal is asked again sooner."""
REFUSAL_AGE = timedelta(seconds=30)

MANY_PROFILES = 50
"""From so many on, what identifying them leaves behind is removed at once."""


class Identities:
    """Who each profile is, asked once and kept for a while. Safe for threads.

    Args:
        sessions: whose credentials are used.
        requests: sends for one page, with patience.
        concurrency: profiles that are asked at the same time.
    """

    def __init__(self, sessions: Sessions, requests: RetryingSender, concurrency: int) -> None:
        self._sessions = sessions
        self._requests = requests
        self._concurrency = concurrency
        self._lock = threading.Lock()
        self._known: dict[str, tuple[datetime, Identity | ProfileError]] = {}
        self._identifying: dict[str, threading.Lock] = {}

    def identify(self, profile: str) -> Identity:
        """Who a profile is. Kept for five minutes.

        Raises:
            ProfileError: it leads to no account; the error has the cure.
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
        """Who a question was signed as: where credentials were renewed since STS was asked, it is asked again.

        They may lead to another account now, and many records do not name theirs.

        Raises:
            ProfileError: as `identify`.
        """
        if [*context.access_keys] == [known.access_key]:
            return known
        profile = context.profile
        with self._one_at_a_time(profile):
            # Of many questions at once only the first asks.
            kept = self._known.get(profile)
            if kept is not None and kept[1] == known:
                del self._known[profile]
        return self.identify(profile)

    def identify_all(self, profiles: Iterable[str]) -> dict[str, Identity | ProfileError]:
        """Who each profile is; a profile that leads nowhere keeps its error."""
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

        def keep(response: tuple[str, Identity | ProfileError]) -> None:
            found[response[0]] = response[1]

        FanOut(
            new,
            place=lambda profile: (self._sessions.home_region, profile),
            work=work,
            deliver=keep,
            threads=self._concurrency,
            per_account=1,
        ).run()
        # Each assumed role leaves an STS client of botocore's own behind, and clients are cycles: thousands of them
        # would wait for a collection that comes late, since little else is allocated meanwhile. For a few it is not
        # worth the third of a second that it takes to go through everything that Dagster and botocore have loaded.
        if len(new) >= MANY_PROFILES:
            gc.collect()
        return {name: found[name] for name in names}

    def forget(self) -> None:
        """Keep no identity any more."""
        self._known.clear()

    def _one_at_a_time(self, profile: str) -> threading.Lock:
        with self._lock:
            return self._identifying.setdefault(profile, threading.Lock())

    def _kept(self, profile: str) -> Identity | ProfileError | None:
        """Who a profile is, where that was asked a moment ago."""
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
                content = self._requests.send_by_name(
                    context, "sts", "GetCallerIdentity", self._sessions.home_region, {}
                )
            except Failed as failure:
                raise self._no_identity(profile, failure) from None
        account, arn = str(content.get("Account", "")), str(content.get("Arn", ""))
        if not re.fullmatch(r"\d{12}", account) or not arn:
            raise ProfileError(
                f"What answered GetCallerIdentity with profile {profile} is not AWS: it names no account.",
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
                f"What answered GetCallerIdentity with profile {profile} is not AWS ({failure.code}).",
                "wrong_endpoint",
                profile,
                self._sessions.role,
                "Check endpoint_url of the profile, and the proxy.",
            )
        return self._sessions.credentials.explain(cause, profile)
