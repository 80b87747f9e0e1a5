"""Lambda: functions, their tags and URLs, what makes them run, and the layers that they share."""

from pipelines.catalogue.family import SELDOM
from pipelines.catalogue.names import FUNCTION
from resources.aws.listing import Each, Listing

NO_URLS = "AccessDeniedException: Unable to determine service/operation name to be authorized"
"""How Lambda refuses requests for URLs in a region that has none: it does not know the operation there, whoever asks.

The regions are listed at https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html.
"""

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
    Listing(
        "lambda_function_url",
        "lambda:ListFunctionUrlConfigs",
        roles=("workload",),
        # Lambda returns a page for each function, also for one without a URL.
        zero="impossible",
        records="@",
        required=("FunctionUrlConfigs",),
        no_key="Each page of a function's URLs is a record.",
        parameters={"MaxItems": 50},
        echo=("FunctionName",),
        each=Each(
            "FunctionName",
            of=(FUNCTION,),
            field="FunctionArn",
            in_one_cell=True,
            own_errors=("AccessDeniedException",),
        ),
        skip_codes={"ResourceNotFoundException": "parent_gone", NO_URLS: "not_offered"},
    ),
    Listing(
        "lambda_event_source_mapping",
        "lambda:ListEventSourceMappings",
        resource_type="AWS::Lambda::EventSourceMapping",
        roles=("workload",),
        zero="witnessed",
        records="EventSourceMappings",
        key=("UUID",),
        owner="FunctionArn",
        parameters={"MaxItems": 100},
        every=SELDOM,
        arn_form="lambda:event-source-mapping:",
    ),
    Listing(
        "lambda_layer",
        "lambda:ListLayers",
        resource_type="AWS::Lambda::LayerVersion",
        roles=("workload",),
        zero="witnessed",
        records="Layers",
        key=("LayerArn",),
        owner="LayerArn",
        parameters={"MaxItems": 50},
        every=SELDOM,
        arn_form="lambda:layer:",
    ),
)
