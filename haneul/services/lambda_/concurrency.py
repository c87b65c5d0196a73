"""PutFunctionConcurrency, GetFunctionConcurrency, DeleteFunctionConcurrency: concurrency set aside for a function, which is its limit too."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import function_not_found, invalid
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.limits import ACCOUNT_CONCURRENCY, UNRESERVED_CONCURRENCY_MIN
from haneul.services.lambda_.names import function_resource, target_of
from haneul.services.lambda_.provisioned_concurrency import provisioned_elsewhere, provisioned_of
from haneul.services.lambda_.records import Function, function_key, reserved_key
from haneul.services.lambda_.service import Lambda
from haneul.store.port import Transaction
from haneul.store.records import encode


async def _reserve(call: Call, request: Shape, wanted: int | None) -> None:
    target = target_of(call, request)
    if target.qualifier:
        raise invalid(
            "This operation is permitted on Lambda functions only. Aliases and versions do not support this operation. "
            "Please specify either a function name or an unqualified function ARN."
        )

    def work(tx: Transaction) -> None:
        function = read(tx, function_key(target), Function)
        if function is None:
            raise function_not_found(target.arn)
        total = (read(tx, reserved_key(target.space), int) or 0) - (function.reserved_concurrency or 0) + (wanted or 0)
        if wanted is not None and wanted < (provisioned := provisioned_of(tx, target)):
            raise invalid(f"ReservedConcurrentExecutions {wanted} should not be lower than function's total provisioned concurrency [{provisioned}].")
        # What other functions keep ready of the unreserved concurrency is as good as reserved.
        if wanted is not None and ACCOUNT_CONCURRENCY - total - provisioned_elsewhere(tx, target) < UNRESERVED_CONCURRENCY_MIN:
            raise invalid(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of "
                f"[{UNRESERVED_CONCURRENCY_MIN}]."
            )
        function.reserved_concurrency = wanted
        tx.put(reserved_key(target.space), encode(total))
        tx.put(function_key(target), encode(function))

    await call.cloud.store.transact(work)


@operation("lambda:PutFunctionConcurrency", resource=function_resource)
async def put_function_concurrency(call: Call, request: Shape) -> Shape:
    """Set concurrency aside for a function, all its versions together; 0 stops it. AWS Lambda API Reference, PutFunctionConcurrency."""
    wanted: int = request["ReservedConcurrentExecutions"]
    await _reserve(call, request, wanted)
    return {"ReservedConcurrentExecutions": wanted}


@operation("lambda:GetFunctionConcurrency", resource=function_resource)
async def get_function_concurrency(call: Call, request: Shape) -> Shape:
    function = call.service(Lambda).functions.resolve(target_of(call, request)._replace(qualifier=None)).function
    return {} if function.reserved_concurrency is None else {"ReservedConcurrentExecutions": function.reserved_concurrency}


@operation("lambda:DeleteFunctionConcurrency", resource=function_resource)
async def delete_function_concurrency(call: Call, request: Shape) -> Shape:
    await _reserve(call, request, None)
    return {}
