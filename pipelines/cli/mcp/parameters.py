"""The parameters that several tools take, as the client's schema shows them."""

from typing import Annotated

from pydantic import Field

Account = Annotated[str, Field(description="AWS account, 12 digits; empty for all.", pattern=r"^(\d{12})?$")]
Region = Annotated[str, Field(description="AWS region, or aws-global; empty for all.", pattern=r"^([a-z0-9-]+)?$")]
Limit = Annotated[int, Field(description="Rows that are shown.", ge=1, le=1000)]
ResourceType = Annotated[
    str,
    Field(
        description="AWS's name, such as AWS::EC2::Instance; empty for all.",
        pattern=r"^(AWS::[A-Za-z0-9]+::[A-Za-z0-9]+)?$",
    ),
]


def named(*values: str) -> frozenset[str]:
    """The values that were given; an empty one narrows nothing."""
    return frozenset(value for value in values if value)
