"""Certificate authorities of RDS, the same for all who have databases."""

from __future__ import annotations

import datetime as dt
from typing import Any

from simulator.databases import estate_of
from simulator.network import Network
from simulator.pages import Output

CALL = ("rds", "DescribeCertificates")
RESULT = "Certificates"
TRUTH = "certificates"

AUTHORITIES = (("rds-ca-rsa2048-g1", 2061), ("rds-ca-rsa4096-g1", 2121))
"""Name, and the year in which it ends."""


def rows(network: Network, account_id: str, region: str) -> list[dict[str, Any]]:
    """Wherever there is a database."""
    if not estate_of(network, account_id, region).instances:
        return []
    return [
        {
            "arn": f"arn:aws:rds:{region}:{account_id}:cert:{name}",
            "account_id": account_id,
            "region": region,
            "tags": {},
            "name": name,
            "ends_in": year,
        }
        for name, year in AUTHORITIES
    ]


def shown(row: dict[str, Any]) -> Output:
    """As AWS writes it: its ARN names no account."""
    return {
        "CertificateIdentifier": row["name"],
        "CertificateType": "CA",
        "Thumbprint": "5d8a2b6f0c7e",
        "ValidFrom": dt.datetime(2021, 5, 21, 22, tzinfo=dt.UTC),
        "ValidTill": dt.datetime(row["ends_in"], 5, 21, 23, tzinfo=dt.UTC),
        "CertificateArn": f"arn:aws:rds:{row['region']}::cert:{row['name']}",
        "CustomerOverride": False,
    }
