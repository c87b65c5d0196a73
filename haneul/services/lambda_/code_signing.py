"""Code signing configurations: whose signatures code must bear, and which functions ask for them.

There is no signer here, so no package bears a signature: a configuration that enforces refuses every deployment, as AWS refuses unsigned code,
and one that warns lets it pass. Source: AWS Lambda Developer Guide, "Using code signing to verify code integrity with Lambda".
"""

from __future__ import annotations

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import conflict, function_not_found, invalid, not_found
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.limits import LIST_PAGE_ITEMS_MAX
from haneul.services.lambda_.names import Target, function_resource, target_of
from haneul.services.lambda_.pages import page
from haneul.services.lambda_.records import CodeSigning, Function, code_signing_key, code_signing_use_key, function_key
from haneul.services.lambda_.tag_checks import check_tags
from haneul.services.lambda_.times import iso_time
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

_ID_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"
_PUBLISHERS_MAX = 20


def _resource(call: Call, request: Shape) -> str:
    return str(request["CodeSigningConfigArn"])


@operation("lambda:CreateCodeSigningConfig")
async def create_code_signing_config(call: Call, request: Shape) -> Shape:
    """Make a configuration that functions can be given. AWS Lambda API Reference, CreateCodeSigningConfig."""
    check_tags(request.get("Tags", {}))
    config = CodeSigning(f"csc-{call.cloud.ids.text(17, _ID_ALPHABET)}", [], call.now, tags=dict(request.get("Tags", {})))
    _apply(config, request)
    await call.cloud.store.transact(lambda tx: tx.put(code_signing_key(_space(call), config.config_id), encode(config)))
    return {"CodeSigningConfig": _shown(call, config)}


@operation("lambda:UpdateCodeSigningConfig", resource=_resource)
async def update_code_signing_config(call: Call, request: Shape) -> Shape:
    """Change what a request names; it holds for deployments from then on."""
    config_id = _config_id(call, request["CodeSigningConfigArn"])

    def work(tx: Transaction) -> CodeSigning:
        config = _find(tx, call, config_id)
        _apply(config, request)
        config.last_modified = call.now
        tx.put(code_signing_key(_space(call), config_id), encode(config))
        return config

    return {"CodeSigningConfig": _shown(call, await call.cloud.store.transact(work))}


@operation("lambda:GetCodeSigningConfig", resource=_resource)
async def get_code_signing_config(call: Call, request: Shape) -> Shape:
    return {"CodeSigningConfig": _shown(call, _find(call.cloud.store, call, _config_id(call, request["CodeSigningConfigArn"])))}


@operation("lambda:DeleteCodeSigningConfig", resource=_resource)
async def delete_code_signing_config(call: Call, request: Shape) -> Shape:
    """Remove a configuration that no function uses."""
    config_id = _config_id(call, request["CodeSigningConfigArn"])

    def work(tx: Transaction) -> None:
        _find(tx, call, config_id)
        for _ in tx.range(*prefix_range(pack((*_space(call), "code-signing-use", config_id))), limit=1):
            raise conflict("Cannot delete the code signing configuration because it is used by one or more functions.")
        tx.delete(code_signing_key(_space(call), config_id))

    await call.cloud.store.transact(work)
    call.status = 204
    return {}


@operation("lambda:ListCodeSigningConfigs")
async def list_code_signing_configs(call: Call, request: Shape) -> Shape:
    def show(_: bytes, value: bytes) -> Shape:
        return _shown(call, decode(value, CodeSigning))

    return page(call.cloud.store, pack((*_space(call), "code-signing")), request, "CodeSigningConfigs", show, limit_max=LIST_PAGE_ITEMS_MAX)


@operation("lambda:ListFunctionsByCodeSigningConfig", resource=_resource)
async def list_functions_by_code_signing_config(call: Call, request: Shape) -> Shape:
    """The ARNs of the functions that use a configuration."""
    config_id = _config_id(call, request["CodeSigningConfigArn"])
    _find(call.cloud.store, call, config_id)

    def show(key: bytes, _: bytes) -> Shape:
        return {"arn": call.arn(f"function:{unpack(key)[5]!s}")}

    found = page(call.cloud.store, pack((*_space(call), "code-signing-use", config_id)), request, "FunctionArns", show, limit_max=LIST_PAGE_ITEMS_MAX)
    return {**found, "FunctionArns": [one["arn"] for one in found["FunctionArns"]]}


@operation("lambda:PutFunctionCodeSigningConfig", resource=function_resource)
async def put_function_code_signing_config(call: Call, request: Shape) -> Shape:
    """Let a configuration hold for a function, from its next deployment on."""
    target = target_of(call, request)._replace(qualifier=None)
    arn = request["CodeSigningConfigArn"]

    def work(tx: Transaction) -> None:
        function = _function(tx, target)
        use_config(tx, call, target, function, arn)
        tx.put(function_key(target), encode(function))

    await call.cloud.store.transact(work)
    return {"CodeSigningConfigArn": arn, "FunctionName": target.name}


@operation("lambda:GetFunctionCodeSigningConfig", resource=function_resource)
async def get_function_code_signing_config(call: Call, request: Shape) -> Shape:
    """The configuration of a function; without one only the function's name, as on AWS."""
    target = target_of(call, request)._replace(qualifier=None)
    function = _function(call.cloud.store, target)
    return {"FunctionName": target.name, **({"CodeSigningConfigArn": function.code_signing_arn} if function.code_signing_arn else {})}


@operation("lambda:DeleteFunctionCodeSigningConfig", resource=function_resource)
async def delete_function_code_signing_config(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)._replace(qualifier=None)

    def work(tx: Transaction) -> None:
        function = _function(tx, target)
        use_config(tx, call, target, function, "")
        tx.put(function_key(target), encode(function))

    await call.cloud.store.transact(work)
    call.status = 204
    return {}


def use_config(tx: Transaction, call: Call, target: Target, function: Function, arn: str) -> None:
    """Give a function's record (which the caller writes) another configuration, or none with ""."""
    if arn:
        tx.put(code_signing_use_key(_space(call), _wanted(tx, call, arn).config_id, target.name), b"")
    if function.code_signing_arn and function.code_signing_arn != arn:
        tx.delete(code_signing_use_key(_space(call), function.code_signing_arn.rpartition(":")[2], target.name))
    function.code_signing_arn = arn


def check_signature(call: Call, arn: str) -> None:
    """Whether unsigned code, or an unsigned layer, may be deployed to a function that has the configuration `arn` ("": none)."""
    if not arn:
        return
    if _wanted(call.cloud.store, call, arn).untrusted == "Enforce":
        message = "Lambda cannot deploy the function. The function or layer might be signed using a signature that the client is not configured to accept. Check the provided signature for the function."
        raise ServiceError("CodeVerificationFailedException", message, 400, fields={"Type": "User"})


def _wanted(reader: Reader, call: Call, arn: str) -> CodeSigning:
    """The configuration that a function is to have; one that is missing has an error of its own there."""
    try:
        return _find(reader, call, _config_id(call, arn))
    except ServiceError as error:
        raise ServiceError("CodeSigningConfigNotFoundException", error.message, 404, fields={"Type": "User"}) from None


def _space(call: Call) -> tuple[str, str, str]:
    return ("lambda", call.account, call.region)


def _config_id(call: Call, arn: str) -> str:
    parsed = parse_arn(arn)
    if parsed is None or (parsed.account, parsed.region) != (call.account, call.region):
        raise _missing(arn)
    return arn.rpartition(":")[2]


def _missing(arn: str) -> ServiceError:
    return not_found(f"The code signing configuration cannot be found. Check that the provided configuration is not deleted: {arn}.")


def _find(reader: Reader, call: Call, config_id: str) -> CodeSigning:
    found = read(reader, code_signing_key(_space(call), config_id), CodeSigning)
    if found is None:
        raise _missing(call.arn(f"code-signing-config:{config_id}"))
    return found


def _function(reader: Reader, target: Target) -> Function:
    function = read(reader, function_key(target), Function)
    if function is None:
        raise function_not_found(target.arn)
    return function


def _apply(config: CodeSigning, request: Shape) -> None:
    publishers = (request.get("AllowedPublishers") or {}).get("SigningProfileVersionArns")
    if publishers is not None:
        if not 1 <= len(publishers) <= _PUBLISHERS_MAX:
            raise invalid(f"A code signing configuration has between 1 and {_PUBLISHERS_MAX} signing profile versions.")
        if any((parsed := parse_arn(arn)) is None or parsed.service != "signer" for arn in publishers):
            raise invalid("The provided signing profile version ARN is not valid.")
        config.publishers = list(publishers)
    config.description = request.get("Description", config.description)
    config.untrusted = (request.get("CodeSigningPolicies") or {}).get("UntrustedArtifactOnDeployment", config.untrusted)


def _shown(call: Call, config: CodeSigning) -> Shape:
    return {
        "CodeSigningConfigId": config.config_id,
        "CodeSigningConfigArn": call.arn(f"code-signing-config:{config.config_id}"),
        "Description": config.description,
        "AllowedPublishers": {"SigningProfileVersionArns": config.publishers},
        "CodeSigningPolicies": {"UntrustedArtifactOnDeployment": config.untrusted},
        "LastModified": iso_time(config.last_modified),
    }
