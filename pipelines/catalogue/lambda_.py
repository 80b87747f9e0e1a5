"""Lambda: functions and their tags."""

from pipelines.catalogue.names import FUNCTION
from resources.aws.listing import Each, Listing

# The operations role has no part in Lambda: where the hub has such resources, a workload profile of its own asks.
LISTINGS: tuple[Listing, ...] = (
    Listing(
        FUNCTION,
        "lambda:ListFunctions",
        resource_type="AWS::Lambda::Function",
        roles=("workload",),
        zero="witnessed",
        records="Functions",
        key=("FunctionArn",),
        owner="FunctionArn",
        # More than 50 Lambda does not put on a page.
        parameters={"MaxItems": 50},
        # The variables of a function's environment hold its passwords.
        redact=("Environment",),
    ),
    Listing(
        "lambda_function_tag",
        "lambda:ListTags",
        roles=("workload",),
        # Each function has its record, if one without tags.
        zero="impossible",
        records="@",
        required=("Tags",),
        key=("Resource",),
        echo=("Resource",),
        each=Each(
            "Resource",
            of=(FUNCTION,),
            field="FunctionArn",
            in_one_cell=True,
            own_errors=("AccessDeniedException",),
        ),
        skip_codes={"ResourceNotFoundException": "parent_gone"},
    ),
)
