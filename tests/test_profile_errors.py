"""The table of sentences for profiles that lead nowhere: each can be said, and is whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from botocore.exceptions import SSOError, UnauthorizedSSOTokenError

from resources.aws.errors import CaBundleUnreadable, TunnelRefused
from resources.aws.profile_errors import EXPLANATIONS, FAILURES, Explanation, explained
from resources.aws.profiles import AwsConfig

MADE = {
    TunnelRefused: TunnelRefused(proxy_url="http://proxy.test:3128", host="sts.test", error="403 No"),
    CaBundleUnreadable: CaBundleUnreadable(bundle="/ca.pem", error="No such file or directory"),
}
"""Exceptions whose sentences name what they were made with."""


def never_said(table: Sequence[Explanation]) -> list[Explanation]:
    """Those whose exceptions all have an earlier sentence."""
    found = []
    for number, entry in enumerate(table):
        earlier = tuple(kind for other in table[:number] if not other.having for kind in other.of)
        if all(issubclass(kind, earlier) for kind in entry.of):
            found.append(entry)
    return found


def test_no_sentence_stands_behind_one_that_takes_all_its_exceptions() -> None:
    assert never_said(EXPLANATIONS) == []
    turned = sorted(EXPLANATIONS, key=lambda entry: UnauthorizedSSOTokenError in entry.of)
    assert issubclass(UnauthorizedSSOTokenError, SSOError)
    assert [entry.of for entry in never_said(turned)][-1] == (UnauthorizedSSOTokenError,)


@pytest.mark.parametrize("entry", EXPLANATIONS, ids=lambda entry: entry.of[0].__name__)
def test_each_sentence_names_the_profile_and_is_whole(entry: Explanation, tmp_path: Path) -> None:
    (tmp_path / "config").write_text("[profile of-{mine}]\nsso_session = x\n[sso-session x]\nsso_region = us-east-1\n")
    config = AwsConfig(tmp_path / "config", tmp_path / "credentials", None)
    for kind in entry.of:
        error = MADE.get(kind) or kind.__new__(kind)
        said = explained(error, "of-{mine}", "workload", config)
        assert "of-{mine}" in said.sentence
        assert said.sentence.endswith(".") or said.sentence.endswith(str(error))
        assert said.hint.endswith(".")
        assert "{" not in (said.sentence + said.hint).replace("of-{mine}", "")


def test_whatever_resolving_credentials_raises_has_a_sentence() -> None:
    for kind in FAILURES:
        assert any(issubclass(kind, entry.of) for entry in EXPLANATIONS)
