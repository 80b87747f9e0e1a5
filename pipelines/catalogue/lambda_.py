"""Lambda: functions, their tags and URLs, what makes them run and what they run on, and what they share."""

from pipelines.catalogue.family import MONTHLY, RARELY, SELDOM
from pipelines.catalogue.names import FUNCTION
from resources.aws.listing import Each, Listing

NOT_THERE = "AccessDeniedException: Unable to determine service/operation name to be authorized"
"""How Lambda refuses an operation in a region that does not have it, such as that for URLs: whoever asks.

The regions of URLs are listed at https://docs.aws.amazon.com/lambda/latest/dg/urls-configuration.html.
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
        # The environment variables of a function may hold passwords; AWS marks the messages of its errors as sensitive.
        redact=("Environment", "Message"),
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
        every=SELDOM,
        skip_codes={"ResourceNotFoundException": "parent_gone", NOT_THERE: "not_offered"},
    ),
    Listing(
        "lambda_function_version",
        # One list of the versions of all functions: ListVersionsByFunction takes a request for each function.
        "lambda:ListFunctions",
        roles=("workload",),
        # Each function has its unpublished version, $LATEST.
        zero="impossible",
        records="Functions",
        key=("FunctionArn", "Version"),
        owner="FunctionArn",
        parameters={"FunctionVersion": "ALL", "MaxItems": 50},
        redact=("Environment", "Message"),
        each=Each("", of=(FUNCTION,), field="FunctionArn", is_by_parent=True),
        every=MONTHLY,
    ),
    Listing(
        "lambda_alias",
        "lambda:ListAliases",
        resource_type="AWS::Lambda::Alias",
        roles=("workload",),
        # Lambda returns a page for each function, also for one without an alias. Where it refuses one of them, the
        # aliases of none are known: a function without rows is one without aliases.
        zero="impossible",
        records="@",
        required=("Aliases",),
        no_key="Each page of a function's aliases is a record.",
        parameters={"MaxItems": 50},
        echo=("FunctionName",),
        each=Each("FunctionName", of=(FUNCTION,), field="FunctionArn", in_one_cell=True),
        every=RARELY,
        arn_form="lambda:function:",
        skip_codes={"ResourceNotFoundException": "parent_gone"},
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
        every=RARELY,
        arn_form="lambda:layer:",
    ),
    Listing(
        "lambda_code_signing_config",
        "lambda:ListCodeSigningConfigs",
        resource_type="AWS::Lambda::CodeSigningConfig",
        roles=("workload",),
        zero="witnessed",
        records="CodeSigningConfigs",
        key=("CodeSigningConfigArn",),
        owner="CodeSigningConfigArn",
        parameters={"MaxItems": 50},
        each=Each("", of=(FUNCTION,), field="FunctionArn"),
        every=RARELY,
        arn_form="lambda:code-signing-config:",
        skip_codes={NOT_THERE: "not_offered"},
    ),
    Listing(
        "lambda_capacity_provider",
        "lambda:ListCapacityProviders",
        resource_type="AWS::Lambda::CapacityProvider",
        roles=("workload",),
        zero="witnessed",
        records="CapacityProviders",
        key=("CapacityProviderArn",),
        owner="CapacityProviderArn",
        parameters={"MaxItems": 50},
        # It has instances only while functions run on it, so it is requested where there are functions.
        each=Each("", of=(FUNCTION,), field="FunctionArn"),
        every=RARELY,
        arn_form="lambda:capacity-provider:",
        skip_codes={NOT_THERE: "not_offered"},
    ),
)
