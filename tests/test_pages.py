"""What a page of an answer is taken for: records, whose they are, and what is no answer at all. No AWS, no client."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from resources.aws.errors import Failed
from resources.aws.listing import Listing
from resources.aws.records import TOKEN_FIELDS, Pages, record_path
from resources.aws.redaction import redacted

OWN, OTHER = "012345678901", "999999999999"
METADATA = {"RequestId": "r-1"}


def listing(records: str = "Things", **other: Any) -> Listing:
    return Listing("thing", "ec2:DescribeThings", ("workload",), "ordinary", records, **other)


def a_list(*, flattened: bool = False, **members: Any) -> SimpleNamespace:
    """botocore's shape of a list."""
    inner = SimpleNamespace(type_name="structure", members=members, serialization={})
    return SimpleNamespace(type_name="list", member=inner, serialization={"flattened": True} if flattened else {})


def a_structure(kind: str = "structure", **members: Any) -> SimpleNamespace:
    return SimpleNamespace(type_name=kind, members=members, serialization={})


def model(**members: Any) -> SimpleNamespace:
    """botocore's model of an operation whose answer has these members."""
    return SimpleNamespace(output_shape=a_structure(**members))


LISTS = model(Things=a_list())
NESTED = model(Groups=a_list(Things=a_list()))


def taken(
    asked: Listing, *answers: dict[str, Any], shapes: SimpleNamespace = LISTS, parameters: Any = None
) -> list[dict[str, Any]]:
    kept: list[dict[str, Any]] = []
    reader = Pages(asked, OWN, kept.append)
    for answer in answers:
        reader.take({**answer, "ResponseMetadata": METADATA}, shapes, parameters or {})
    assert (reader.found, reader.count) == (len(kept), len(answers))
    assert reader.last == ({**answers[-1], "ResponseMetadata": METADATA} if answers else None)
    return kept


def failed(asked: Listing, answer: dict[str, Any], shapes: SimpleNamespace = LISTS) -> tuple[Any, ...]:
    """Outcome, code and message of what was refused, and whether what AWS said is kept with it."""
    with pytest.raises(Failed) as caught:
        taken(asked, answer, shapes=shapes)
    error = caught.value
    assert error.args == (error.code, error.message)
    return error.outcome, error.code, error.message, error.raw == {**answer, "ResponseMetadata": METADATA}


# ------------------------------------------------------------------------------------------------- the way


@pytest.mark.parametrize(
    ("records", "path"),
    [
        ("@", ((), ())),
        ("A", (("A",), ())),
        ("A.B", (("A", "B"), ())),
        ("A[].B", (("A",), ("B",))),
        ("A.B[].C.D", (("A", "B"), ("C", "D"))),
    ],
)
def test_the_way_to_the_records(records: str, path: tuple[tuple[str, ...], tuple[str, ...]]) -> None:
    assert record_path(records) == path


@pytest.mark.parametrize("records", ["", "A[]", "A[].B[].C", "A | B", "[].A", "A..B", ".A", "A."])
def test_what_is_no_way_is_a_mistake(records: str) -> None:
    with pytest.raises(ValueError, match=r"is neither `Key`, `A\.B` nor `Outer\[\]\.Inner`\."):
        record_path(records)


# ------------------------------------------------------------------------------------------------- secrets


def test_a_field_that_holds_secrets_is_dropped_wherever_it_stands() -> None:
    said = {"a": 1, "b": {"secret": 2, "c": [{"secret": 3, "d": 4}, "secret"]}}
    assert redacted(said, ("secret", "other")) == {"a": 1, "b": {"c": [{"d": 4}, "secret"]}}
    assert redacted(said, ()) is said
    assert redacted("secret", ("secret",)) == "secret"


# ------------------------------------------------------------------------------------------------- records


def test_every_record_of_every_page_is_handed_on() -> None:
    pages = [{"Things": [{"a": 1}, {"a": 2}]}, {"Things": []}, {"Things": [{"a": 3}]}]
    assert taken(listing(), *pages) == [{"a": 1}, {"a": 2}, {"a": 3}]
    assert taken(listing()) == []


def test_records_inside_others_carry_what_the_listing_says() -> None:
    groups = [{"Owner": OWN, "x": 1, "Things": [{"a": 1}, {"a": 2}]}, {"Things": [{"a": 3}]}]
    asked = listing("Groups[].Things", carry=("Owner",), echo=("Parent", "Missing"))
    assert taken(asked, {"Groups": groups}, shapes=NESTED, parameters={"Parent": "p", "Other": "o"}) == [
        {"Parent": "p", "Owner": OWN, "a": 1},
        {"Parent": "p", "Owner": OWN, "a": 2},
        {"Parent": "p", "a": 3},
    ]


def test_records_carry_the_parameters_that_they_do_not_name() -> None:
    found = taken(listing(echo=("Parent",)), {"Things": [{"a": 1}]}, parameters={"Parent": "p", "Other": "o"})
    assert found == [{"Parent": "p", "a": 1}]


def test_a_structure_is_one_record_a_map_one_of_data_and_the_page_all_but_its_metadata() -> None:
    shapes = model(Thing=a_structure(), Tags=a_structure("map"))
    assert taken(listing("Thing"), {"Thing": {"a": 1}}, shapes=shapes) == [{"a": 1}]
    assert taken(listing("Tags"), {"Tags": {"a": "1"}}, shapes=shapes) == [{"Tags": {"a": "1"}}]
    assert taken(listing("@"), {"a": 1, "b": 2}, shapes=shapes) == [{"a": 1, "b": 2}]
    inner = model(Of=a_structure(Tags=a_structure("map")))
    assert taken(listing("Of.Tags"), {"Of": {"Tags": {"a": "1"}}}, shapes=inner) == [{"Tags": {"a": "1"}}]


def test_records_are_found_where_botocore_describes_nothing() -> None:
    assert taken(listing(), {"Things": [{"a": 1}]}, shapes=SimpleNamespace(output_shape=None)) == [{"a": 1}]


def test_these_fields_say_that_there_is_more_where_nobody_has_described_the_pages() -> None:
    known = {"NextToken", "nextToken", "NextPageToken", "NextMarker", "Marker", "PaginationToken"}
    assert set(TOKEN_FIELDS) == known


def test_what_is_required_may_be_empty() -> None:
    assert taken(listing(required=("Name", "Things")), {"Things": [], "Name": ""}) == []


def test_documents_as_text_are_read() -> None:
    assert taken(listing(json_text=True), {"Things": ['{"a": 1}']}) == [{"a": 1}]


def test_a_flattened_list_that_is_empty_has_no_element_and_the_response_another() -> None:
    shapes = model(Things=a_list(flattened=True))
    assert taken(listing(), {"Name": "x"}, shapes=shapes) == []
    assert taken(listing(), {"Name": "x", "Things": [{"a": 1}]}, shapes=shapes) == [{"a": 1}]
    nested = model(Groups=a_list(Things=a_list(flattened=True)))
    assert taken(listing("Groups[].Things"), {"Groups": [{"Name": "x"}]}, shapes=nested) == []
    assert failed(listing(), {}, shapes)[1] == "UnreadableAnswer"
    assert failed(listing(), {"Name": "x"})[1] == "UnreadableAnswer"


@pytest.mark.parametrize(
    ("asked", "answer", "shapes", "how"),
    [
        pytest.param(listing(), {}, LISTS, "without a list of records at Things", id="no list"),
        pytest.param(listing(), {"Things": None}, LISTS, "without a list of records at Things", id="null"),
        pytest.param(listing(), {"Things": "x"}, LISTS, "without a list of records at Things", id="text"),
        pytest.param(listing(), {"Things": [{}, "x"]}, LISTS, "without a list of records at Things", id="no records"),
        pytest.param(
            listing("Groups[].Things"),
            {"Groups": [{}]},
            NESTED,
            "without a list of records at Groups[].Things",
            id="no inner list",
        ),
        pytest.param(
            listing("A.B"), {"A": []}, model(A=a_structure(B=a_structure())), "without A.B", id="no structure"
        ),
        pytest.param(
            listing(json_text=True), {}, LISTS, "without a list of records at Things", id="no list of documents"
        ),
        pytest.param(
            listing(json_text=True), {"Things": ["{"]}, LISTS, "with something at Things that is no JSON", id="no JSON"
        ),
        pytest.param(
            listing(json_text=True), {"Things": [{}]}, LISTS, "with something at Things that is no JSON", id="no text"
        ),
        pytest.param(
            listing(json_text=True),
            {"Things": ["[" * 100_000]},
            LISTS,
            "with something at Things that is no JSON",
            id="JSON too deep",
        ),
        pytest.param(listing(required=("Name",)), {"Things": []}, LISTS, "without Name", id="without what is required"),
        pytest.param(listing(required=("Name",)), {"Things": [], "Name": None}, LISTS, "without Name", id="null there"),
    ],
)
def test_a_response_that_cannot_be_read_is_kept_and_is_no_zero(
    asked: Listing, answer: dict[str, Any], shapes: SimpleNamespace, how: str
) -> None:
    assert failed(asked, answer, shapes) == (
        "failed",
        "UnreadableAnswer",
        f"ec2:DescribeThings returned a response {how}.",
        True,
    )


def test_what_aws_could_not_look_up_is_no_response() -> None:
    asked = listing(errors="Errors")
    error = {"ErrorCode": "NotFound", "Message": "No such thing."}
    assert failed(asked, {"Errors": [error], "Things": []}) == ("failed", "NotFound", "No such thing.", True)
    assert failed(asked, {"Errors": [{}], "Things": []}) == ("failed", "", "", True)
    for answer in (
        {"Things": [{"a": 1}]},
        {"Things": [{"a": 1}], "Errors": []},
        {"Things": [{"a": 1}], "Errors": None},
    ):
        assert taken(asked, answer) == [{"a": 1}]
    assert taken(listing(), {"Errors": [error], "Things": []}) == []


def test_the_refusal_of_one_parent_is_a_record_with_its_code_and_what_it_was_requested_of() -> None:
    kept: list[dict[str, Any]] = []
    reader = Pages(listing(echo=("Bucket", "Missing")), OWN, kept.append)
    reader.take_refusal("NoSuchThing", {"Bucket": "b", "Other": "o"})
    assert kept == [{"Bucket": "b", "ErrorCode": "NoSuchThing"}]
    assert (reader.found, reader.count, reader.last) == (1, 1, {"ErrorCode": "NoSuchThing"})


# ---------------------------------------------------------------------------------------------- whose it is


def arn(account: str) -> str:
    return f"arn:aws:ec2:eu-north-1:{account}:thing/a:b"


@pytest.mark.parametrize("owner", [OWN, arn(OWN), "aws", arn("aws"), arn("")])
@pytest.mark.parametrize("is_optional", [False, True])
def test_ones_own_records_aws_own_and_those_of_nobody_are_taken(owner: str, is_optional: bool) -> None:
    record = {"Of": {"Owner": owner}}
    assert taken(listing(owner="Of.Owner", is_owner_optional=is_optional), {"Things": [record]}) == [record]


@pytest.mark.parametrize("owner", [OTHER, arn(OTHER)])
@pytest.mark.parametrize("is_optional", [False, True])
def test_a_record_of_another_account_spoils_all(owner: str, is_optional: bool) -> None:
    asked = listing(owner="Owner", is_owner_optional=is_optional)
    assert failed(asked, {"Things": [{"Owner": owner}]}) == (
        "wrong_account",
        "ForeignRecord",
        f"ec2:DescribeThings returned a record of {OTHER}, not of {OWN}.",
        False,
    )


@pytest.mark.parametrize(
    "owner",
    [None, "", 12, "12345678901", "0123456789012", "arn:aws:ec2", "arn:aws:ec2:eu-north-1:012345678901", "amazon"],
)
def test_a_record_that_names_no_account_is_not_trusted(owner: object) -> None:
    assert failed(listing(owner="Owner"), {"Things": [{"Owner": owner}]}) == (
        "failed",
        "OwnerUnknown",
        "A record of ec2:DescribeThings does not name its account at Owner.",
        False,
    )


def test_a_record_may_lack_its_owner_only_where_the_listing_says_so() -> None:
    optional = listing(owner="Of.Owner", is_owner_optional=True)
    assert taken(optional, {"Things": [{"a": 1}]}) == [{"a": 1}]
    assert failed(optional, {"Things": [{"Of": {"Owner": "nonsense"}}]})[1] == "OwnerUnknown"
    assert failed(listing(owner="Of.Owner"), {"Things": [{"Of": "text"}]})[1] == "OwnerUnknown"
