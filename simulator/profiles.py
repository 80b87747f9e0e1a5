"""The AWS config files of the organisation's people: three kinds of identity, and profiles with mistakes."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import re
import shlex
import sys
from pathlib import Path
from typing import Any

from simulator.access import BOOTSTRAP_KEY, ROLE_NAMES, SECRET_KEY, SSO_TOKEN, Access, session_token
from simulator.search import view_arn
from simulator.wire import INVALID_HOST
from simulator.world import WorldError

ENDPOINT = f"http://{INVALID_HOST}"
"""Not the loopback itself: s3control puts the account id before any host, which must not need resolving."""

SSO_REGION = "us-east-1"

# What a vault tool does: credentials as JSON on standard output. Standard library only, so that it is quick.
VAULT = '''"""Prints temporary credentials of the role in its first argument, for credential_process."""

import http.client
import json
import re
import sys
from urllib.parse import urlencode

connection = http.client.HTTPConnection("127.0.0.1", {port}, timeout=30)
form = {{"Action": "AssumeRole", "Version": "2011-06-15", "RoleArn": sys.argv[1], "RoleSessionName": "vault"}}
headers = {{
    "Content-Type": "application/x-www-form-urlencoded",
    "Authorization": "AWS4-HMAC-SHA256 Credential={key}/20260101/us-east-1/sts/aws4_request, Signature=0",
}}
connection.request("POST", "/", urlencode(form), headers)
response = connection.getresponse()
text = response.read().decode()
if response.status != 200:
    sys.exit("vault: " + re.sub(r"<[^>]+>", " ", text).strip())
names = ("AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration")
found = {{name: re.search(f"<{{name}}>(.*?)</{{name}}>", text).group(1) for name in names}}
print(json.dumps({{"Version": 1, **found}}))
'''


class ConfigFile:
    """The AWS config file, where people correct their profiles or spoil them."""

    def __init__(self, directory: Path) -> None:
        self._path = directory.resolve() / ".aws" / "config"

    def _change_point_profile(self, profile: str, account_id: str) -> dict[str, Any]:
        """Let a profile's role be the one of the same name in another account."""
        head = f"[profile {shlex.quote(profile)}]"
        before, found, rest = self._path.read_text(encoding="utf-8").partition(f"{head}\n")
        own, _, others = rest.partition("\n\n")
        pointed = re.sub(r"(role_arn = arn:aws:iam::)\d{12}:", rf"\g<1>{account_id}:", own)
        if not found or (pointed == own and account_id not in own):
            raise WorldError(f"there is no profile {profile} with a role")
        written = self._path.with_suffix(".new")
        written.write_text(f"{before}{head}\n{pointed}\n\n{others}", encoding="utf-8")
        written.replace(self._path)
        return {"profile": profile, "account_id": account_id}


def write_profiles(directory: Path, access: Access, port: int) -> dict[str, str]:
    """Write the files below `directory`, which becomes HOME; the environment that leads to them."""
    world, tenant = access.world, access.world.tenant
    home = directory.resolve()
    cache = home / ".aws" / "sso" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    vault = home / "vault.py"
    vault.write_text(VAULT.format(port=port, key=BOOTSTRAP_KEY))

    source = f"{tenant}Bootstrap"
    region = world.regions[0]
    sections = [
        f"[sso-session {tenant}]",
        f"sso_start_url = https://{tenant}.awsapps.com/start",
        f"sso_region = {SSO_REGION}",
        "sso_registration_scopes = sso:account:access",
        "",
    ]

    def profile(name: str, *settings: str, endpoint: str = ENDPOINT) -> None:
        sections.extend(
            [
                f"[profile {shlex.quote(name)}]",
                *settings,
                f"region = {region}",
                f"endpoint_url = {endpoint}",
                "",
            ]
        )

    def role(account_id: str, role_name: str) -> tuple[str, ...]:
        return (
            f"role_arn = arn:aws:iam::{account_id}:role/{role_name}",
            f"source_profile = {source}",
            "role_session_name = cmdb",
        )

    def sso(account_id: str) -> tuple[str, ...]:
        return (
            f"sso_session = {tenant}",
            f"sso_account_id = {account_id}",
            f"sso_role_name = {ROLE_NAMES['billing']}",
        )

    operations_arn = f"arn:aws:iam::{world.operations}:role/{ROLE_NAMES['operations']}"
    command = shlex.join([sys.executable, "-I", "-S", str(vault), operations_arn])
    profile(source)
    profile(f"{tenant}Management", *role(world.management, ROLE_NAMES["management"]))
    profile(f"{tenant}Operations", f"credential_process = {command}")
    profile(f"{tenant}Billing", *sso(world.billing))
    for account in world.accounts.values():
        if account.kind == "workload" and account.profile:
            profile(account.profile, *role(account.account_id, ROLE_NAMES["workload"]))

    # Operations at home in the management account: right where it is declared.
    profile(f"{tenant}OperationsInManagement", *role(world.management, ROLE_NAMES["operations"]))

    # A delegated administrator, which may read the organisation and is not its management account.
    for administrator in list(access.governance.delegations() if access.governance else ())[:1]:
        profile(f"{tenant}DelegatedManagement", *role(administrator, ROLE_NAMES["management"]))

    # Mistakes that people make. None of these names matches the glob of the workload profiles.
    profile(f"{tenant}OperationsMisrouted", *role(world.management, ROLE_NAMES["management"]))
    profile(f"{tenant}NoSuchRole", *role(world.operations, "DoesNotExist"))
    profile(f"{tenant}BillingMember", *role(access.billing_member, ROLE_NAMES["billing"]))
    profile(f"{tenant}Expired")
    profile(f"{tenant}Unreachable", endpoint="http://127.0.0.1:1")

    (home / ".aws" / "config").write_text("\n".join(sections), encoding="utf-8")
    (home / ".aws" / "credentials").write_text(_credentials(access, source), encoding="utf-8")
    token = {
        "startUrl": f"https://{tenant}.awsapps.com/start",
        "region": SSO_REGION,
        "accessToken": SSO_TOKEN,
        "expiresAt": (dt.datetime.now(dt.UTC) + dt.timedelta(hours=12)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    (cache / f"{hashlib.sha1(tenant.encode(), usedforsecurity=False).hexdigest()}.json").write_text(json.dumps(token))

    first = world.reachable()
    proxy = f"http://127.0.0.1:{port}"
    direct = "127.0.0.1,localhost"
    return {
        "HOME": str(home),
        "AWS_CONFIG_FILE": str(home / ".aws" / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(home / ".aws" / "credentials"),
        "AWS_MANAGEMENT_PROFILE": f"{tenant}Management",
        "AWS_OPERATIONS_PROFILE": f"{tenant}Operations",
        "AWS_BILLING_PROFILE": f"{tenant}Billing",
        "AWS_PROFILE": (first[0].profile or "") if first else "",
        "AWS_DEFAULT_REGION": region,
        "CMDB_OPERATIONS_ACCOUNT": world.operations,
        "CMDB_BILLING_ACCOUNT": world.billing,
        "CMDB_REFERENCE": str(Path(__file__).resolve().with_name("reference")),
        "CMDB_EXPLORER_VIEW": view_arn(world),
        "CMDB_CURRENCY": "NZD",
        # What leads to a real organisation stays out.
        "CMDB_SETTINGS": os.devnull,
        # Both spellings: the lower one wins where the machine has it set.
        "HTTP_PROXY": proxy,
        "http_proxy": proxy,
        "NO_PROXY": direct,
        "no_proxy": direct,
    }


def _credentials(access: Access, source: str) -> str:
    """Long-lived keys of the bootstrap user, a session whose time is over, and keys that lead nowhere."""
    tenant, world = access.world.tenant, access.world
    secret = f"aws_secret_access_key = {SECRET_KEY}"
    old = session_token(world.operations, ROLE_NAMES["operations"], "old", 1)
    return "\n".join(
        [
            f"[{source}]",
            f"aws_access_key_id = {BOOTSTRAP_KEY}",
            secret,
            "",
            f"[{tenant}Expired]",
            "aws_access_key_id = ASIA0000000000000OLD",
            secret,
            f"aws_session_token = {old}",
            "",
            f"[{tenant}Unreachable]",
            f"aws_access_key_id = {BOOTSTRAP_KEY}",
            secret,
            "",
        ]
    )
