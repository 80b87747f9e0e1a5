"""The page of the read operations that the contract grants, `docs/reference/operations.md`, and what it is judged by.

`python -m tools.docs.operations` writes it, `--check` fails when it is stale, or when `operations.csv` beside this
module does not name exactly the operations that no listing requests.
"""

import csv
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import botocore
from botocore.loaders import Loader
from botocore.model import ServiceModel

from pipelines.catalogue.registry import listings
from pipelines.settings import REPOSITORY
from resources.contract import iam_action, roles_allowing
from tools.docs.dictionary import settle

PAGE = REPOSITORY / "docs" / "reference" / "operations.md"

TABLE = Path(__file__).with_name("operations.csv")

PINS = REPOSITORY / "requirements" / "run.txt"

SERVICES = (
    "ec2",
    "rds",
    "lambda",
    "s3",
    "s3control",
    "docdb",
    "neptune",
    "lambda-core",
    "lambda-microvms",
    "lambda-web",
)
"""The services of the workload role's clause, and those that sign their requests by the same names."""

REASONS: Mapping[str, tuple[str, str]] = {
    "not_built": ("not built yet", "A person would look for it."),
    "new": ("new at AWS", "AWS documents it since 2026; it is built when people have it."),
    "one_by_one": ("one by one", "AWS responds for one named resource at a time: a request for each, every night."),
    "told_elsewhere": ("known already", "The records of another listing tell it."),
    "same_call": ("same request", "The same request by another service's name."),
    "offer": ("an offer", "What AWS offers or charges, not what the account has."),
    "passing": ("passing", "A task, a quote or an event: it ends, and nothing of it is left to keep."),
    "setting": ("a setting", "A setting or a quota of the account, not a resource."),
    "content": ("content", "What is inside a resource, which may be confidential."),
    "analysis": ("an analysis", "A person ran an analysis, and AWS keeps the result."),
    "outposts": ("Outposts", "It exists only with AWS's hardware in the customer's building."),
    "retired": ("retired", "AWS does not offer it any more."),
}
"""Why an operation is left out, by the word in `operations.csv`: the label on the page, and the sentence."""

INTRODUCTION = """# Read operations

Generated from botocore's models, the catalogue and `tools/docs/operations.csv` by `make docs`; do not edit.

[The contract](../concepts/contract.md) grants these operations of EC2, RDS, Lambda and S3, and of the services that
sign their requests by the same names. Each is requested by the listings that are named, or is left out for a reason.
What is left out is in no count and no finding of the inventory.

The page is judged with botocore {version}, which `requirements/` pins, since each botocore knows other operations. A
botocore that knows more requests no more: only the catalogue's listings are requested. `tests/test_operations.py` fails
when the pinned one has an operation that the file does not name, and warns with any other.
"""


@dataclass(frozen=True)
class Operation:
    """An operation of botocore's models that the contract grants.

    Attributes:
        service: botocore's service name, such as `s3control`.
        name: AWS's operation name.
    """

    service: str
    name: str

    @property
    def call(self) -> str:
        """`ec2:DescribeVpcs`."""
        return f"{self.service}:{self.name}"


@dataclass(frozen=True)
class LeftOut:
    """A line of `operations.csv`: `ec2:DescribeTags`, or `docdb:*` for all of a service.

    Attributes:
        reason: a word of `REASONS`.
        words: what else is to be said of the operation.
    """

    operation: str
    reason: str
    words: str


def pinned_version() -> str:
    """The version of botocore that `requirements/run.txt` pins.

    Raises:
        LookupError: the file pins none.
    """
    for line in PINS.read_text(encoding="utf-8").splitlines():
        name, found, version = line.partition("==")
        if found and name == "botocore":
            return version.split()[0]
    raise LookupError(f"{PINS} pins no botocore.")


def granted() -> list[Operation]:
    """Every operation of the installed botocore that the contract grants, by service and name.

    A service that an older botocore lacks has none.
    """
    found, known = [], Loader().list_available_services("service-2")
    for service in SERVICES:
        if service not in known:
            continue
        # A loader keeps every model that it read, so each has one of its own.
        model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
        found += [
            Operation(service, name)
            for name in sorted(model.operation_names)
            if roles_allowing(iam_action(model.signing_name, name))
        ]
    return found


def used() -> dict[str, list[str]]:
    """The names of the listings that request an operation, by its call."""
    found: dict[str, list[str]] = {}
    for listing in listings().values():
        found.setdefault(listing.call, []).append(listing.name)
    return found


def left_out() -> list[LeftOut]:
    """The lines of `operations.csv`."""
    with TABLE.open(encoding="utf-8", newline="") as file:
        return [LeftOut(row["operation"], row["reason"], row["words"]) for row in csv.DictReader(file)]


def problems(operations: Iterable[Operation], by_listing: Mapping[str, object], lines: Iterable[LeftOut]) -> list[str]:
    """A sentence for each operation that is not named exactly once, and for each line that is wrong."""
    lines, found = list(lines), []
    unclaimed = {operation.call for operation in operations}
    for call in sorted(unclaimed):
        claims = [line.operation for line in lines if fnmatchcase(call, line.operation)]
        if call in by_listing and claims:
            found.append(f"{call} is requested by a listing: delete {claims[0]} from {TABLE.name}.")
        elif call not in by_listing and not claims:
            found.append(f"{call} is requested by no listing: name it in {TABLE.name}, with a reason.")
        elif len(claims) > 1:
            found.append(f"{call} is named by {len(claims)} lines of {TABLE.name}: {', '.join(claims)}.")
    for line in lines:
        if not any(fnmatchcase(call, line.operation) for call in unclaimed):
            found.append(f"{line.operation} of {TABLE.name} is no operation that the contract grants: delete it.")
        if line.reason not in REASONS:
            found.append(f"{line.operation} of {TABLE.name} has the reason {line.reason}: use one of {list(REASONS)}.")
    return found


def page() -> str:
    """The page, of the installed botocore."""
    operations, by_listing, lines = granted(), used(), left_out()
    reason_of = {
        operation.call: line
        for operation in operations
        for line in lines
        if operation.call not in by_listing and fnmatchcase(operation.call, line.operation)
    }
    counts = Counter(line.reason for line in reason_of.values())
    requested = sum(operation.call in by_listing for operation in operations)
    text = [
        INTRODUCTION.format(version=botocore.__version__),
        "| | what it means | operations |",
        "| --- | --- | --: |",
        f"| requested | A listing of the catalogue requests it. | {requested} |",
        *(f"| {label} | {sentence} | {counts[word]} |" for word, (label, sentence) in REASONS.items() if counts[word]),
        f"| in all | | {len(operations)} |",
    ]
    for service in dict.fromkeys(operation.service for operation in operations):
        own = [operation for operation in operations if operation.service == service]
        text += [
            "",
            f"## {service}",
            "",
            f"Requested: {sum(operation.call in by_listing for operation in own)} of {len(own)} operations.",
            "",
            "| operation | requested by | left out because | what it is |",
            "| --- | --- | --- | --- |",
        ]
        for operation in own:
            names = ", ".join(f"`{name}`" for name in by_listing.get(operation.call, ()))
            line = reason_of.get(operation.call)
            why, words = (REASONS.get(line.reason, (line.reason, ""))[0], line.words) if line else ("", "")
            text.append(f"| `{operation.name}` | {names} | {why} | {words} |")
    return "\n".join(text) + "\n"


def main(arguments: list[str]) -> int:
    """Write the page, or with `--check` say whether it and the file are current; the exit code."""
    is_check = "--check" in arguments
    if botocore.__version__ != pinned_version():
        print(
            f"docs/reference/operations.md is judged with botocore {pinned_version()}, and {botocore.__version__} is "
            "installed; nothing was written or compared.",
            file=sys.stderr,
        )
        return 0
    faults = problems(granted(), used(), left_out())
    for sentence in faults:
        print(sentence, file=sys.stderr)
    return max(settle(PAGE, page(), "docs/reference/operations.md", check=is_check), bool(faults))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
