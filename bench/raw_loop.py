"""The floor: the same calls as signed HTTP, and nothing else. Threads, kept connections, records counted.

    python -m bench.raw_loop WORK.json

botocore's signer signs, urllib3 sends, the standard library's parser reads the XML; no models, no retries, nothing is
kept. It asks what `bench.ours` asks: credentials, identity and regions of each account, each page of each listing, and
CloudTrail for each account and region.
"""

import json
import sys
import threading
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import urllib3
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from bench.canned import LISTINGS, Canned
from bench.work import Result, Work, role_arn

FORM = "application/x-www-form-urlencoded; charset=utf-8"
VERSIONS = {"ec2": "2016-11-15", "rds": "2014-10-31", "sts": "2011-06-15"}
OWN = {"DescribeSnapshots": "&Owner.1=self", "DescribeImages": "&Owner.1=self"}
LOOK_UPS = 4
"""So many steps of the product's each ask CloudTrail once about an account and region."""


class Loop:
    """Sends signed requests through one pool of connections."""

    def __init__(self, work: Work, certificate: str) -> None:
        self.work = work
        self.pool = urllib3.PoolManager(
            maxsize=work.concurrency, ca_certs=certificate, retries=False, timeout=60, block=True
        )
        self.errors = 0
        self.lock = threading.Lock()

    def send(self, credentials: Credentials, service: str, region: str, body: str, target: str = "") -> bytes:
        """One request; an answer that is no success is an error."""
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target} if target else {}
        request = AWSRequest("POST", f"{self.work.url}/", {"Content-Type": FORM, **headers}, body.encode())
        SigV4Auth(credentials, service, region).add_auth(request)
        answer = self.pool.request("POST", request.url, body=request.data, headers=dict(request.headers.items()))
        if answer.status != 200:
            with self.lock:
                self.errors += 1
        return answer.data

    def query(
        self, credentials: Credentials, service: str, region: str, action: str, more: str = ""
    ) -> ElementTree.Element:
        """One request of the query protocol, parsed."""
        body = f"Action={action}&Version={VERSIONS[service]}{more}"
        return ElementTree.fromstring(self.send(credentials, service, region, body))

    def assume(self, base: Credentials, account: str) -> Credentials:
        """An account's credentials, and the look at whose they are."""
        arn = quote(role_arn(account), safe="")
        said = self.query(base, "sts", "us-east-1", "AssumeRole", f"&RoleArn={arn}&RoleSessionName=bench")
        found = {part.tag.rpartition("}")[2]: part.text for part in said.iter()}
        own = Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"])
        self.query(own, "sts", "us-east-1", "GetCallerIdentity")
        self.query(own, "ec2", "us-east-1", "DescribeRegions", "&AllRegions=true")
        return own

    def count(self, credentials: Credentials, region: str, listing: Canned) -> int:
        """How many records a listing has, page by page."""
        limit = {"ec2": "&MaxResults=1000", "rds": "&MaxRecords=100"}[listing.service] if listing.is_paged else ""
        found, token = 0, ""
        while True:
            more = limit + OWN.get(listing.action, "") + token
            root = self.query(credentials, listing.service, region, listing.action, more)
            last = None
            for part in root.iter():
                name = part.tag.rpartition("}")[2]
                if name == listing.wrapper:
                    found += len(part)
                elif name in ("nextToken", "Marker"):
                    last = part.text
            if not last:
                return found
            token = f"&{'NextToken' if listing.service == 'ec2' else 'Marker'}={last}"

    def look_up(self, credentials: Credentials, region: str) -> None:
        """CloudTrail's word about an account and region."""
        body = json.dumps({"LookupAttributes": [{"AttributeKey": "Username", "AttributeValue": "bench"}]})
        target = "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101.LookupEvents"
        json.loads(self.send(credentials, "cloudtrail", region, body, target))


def main() -> int:
    """Ask, and print what was found."""
    work = Work.load(Path(sys.argv[1]))
    loop = Loop(work, sys.argv[2])
    base = Credentials("AKIAbase", "s" * 40)
    counts: Counter[str] = Counter({listing.name: 0 for listing in LISTINGS})
    with ThreadPoolExecutor(work.concurrency) as pool:
        credentials = dict(
            zip(work.accounts, pool.map(lambda account: loop.assume(base, account), work.accounts), strict=True)
        )

        def units() -> Iterator[tuple[str, str, Canned]]:
            for listing in LISTINGS:
                for account in work.accounts:
                    for region in work.regions:
                        yield account, region, listing

        def unit(place: tuple[str, str, Canned]) -> tuple[str, int]:
            account, region, listing = place
            return listing.name, loop.count(credentials[account], region, listing)

        for name, found in pool.map(unit, units()):
            counts[name] += found
        places = [(account, region) for account in work.accounts for region in work.regions] * LOOK_UPS
        list(pool.map(lambda place: loop.look_up(credentials[place[0]], place[1]), places))
    Result(dict(sorted(counts.items())), loop.errors, {}).print()
    return 0


if __name__ == "__main__":
    sys.exit(main())
