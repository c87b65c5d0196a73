"""DecodeAuthorizationMessage."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation


@operation("sts:DecodeAuthorizationMessage")
async def decode_authorization_message(call: Call, request: Shape) -> Shape:
    """Details of a refused permission from the encoded message that EC2 gives out. No service here encodes its refusals, so no message is valid."""
    raise ServiceError("InvalidAuthorizationMessageException", "Message is not valid", 400)
