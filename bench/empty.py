"""What a listing that nobody measures answers: the empty lists that botocore's shape of the output names.

A new listing of the product is so known to the stub, without a line here.
"""

from functools import cache

import botocore.session
from botocore.model import StructureShape


@cache
def empty_answer(service: str, operation: str) -> bytes | None:
    """The XML body with each list of the output empty; None where botocore knows no such list or the protocol is JSON.

    Args:
        service: botocore's name, such as `rds`.
        operation: as the request names it, such as `DescribeDBSubnetGroups`.
    """
    session = botocore.session.get_session()
    if service not in session.get_available_services():
        return None
    model = session.get_service_model(service)
    if operation not in model.operation_names or model.protocol not in ("ec2", "query"):
        return None
    output = model.operation_model(operation).output_shape
    inner = _lists(output) if output is not None else ""
    return around(service, operation, inner) if inner else None


@cache
def around(service: str, operation: str, inner: str) -> bytes:
    """The XML body of a service with the protocol `ec2` or `query`, around what is in it."""
    model = botocore.session.get_session().get_service_model(service)
    namespace = model.metadata.get("xmlNamespace") or f"http://ec2.amazonaws.com/doc/{model.api_version}/"
    if model.protocol == "ec2":
        inner = f"<requestId>bench</requestId>{inner}"
    else:
        inner = f"<{operation}Result>{inner}</{operation}Result>"
        inner += "<ResponseMetadata><RequestId>bench</RequestId></ResponseMetadata>"
    return f'<{operation}Response xmlns="{namespace}">{inner}</{operation}Response>'.encode()


def _lists(output: StructureShape) -> str:
    """Each list of a structure as an empty element, also within structures of it."""
    inner = ""
    for name, shape in output.members.items():
        element = shape.serialization.get("name", name)
        if shape.type_name == "list":
            inner += f"<{element}/>"
        elif isinstance(shape, StructureShape) and (nested := _lists(shape)):
            inner += f"<{element}>{nested}</{element}>"
    return inner
