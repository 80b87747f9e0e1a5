"""Lambda: functions and their tags."""

from pipelines.catalogue.names import FUNCTION
from resources.aws.listing import Each, Listing

# The operations role has no permissions in Lambda: if the hub account has functions, it needs a workload profile.
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
        # Lambda returns at most 50 functions on a page.
        parameters={"MaxItems": 50},
        # The environment variables of a function may hold passwords.
        redact=("Environment",),
    ),
    Listing(
        "lambda_function_tag",
        "lambda:ListTags",
        roles=("workload",),
        # Lambda returns a record for each function, also for one without tags.
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
