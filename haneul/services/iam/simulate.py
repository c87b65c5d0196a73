"""SimulatePrincipalPolicy, SimulateCustomPolicy, GetContextKeysForPrincipalPolicy, GetContextKeysForCustomPolicy.

The decisions come from the very evaluator that guards every request.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape
from haneul.core.ports import SimulatedMatch, Simulation
from haneul.services.iam.directory import ENTITY_KINDS, Directory
from haneul.services.iam.entities import directory_of
from haneul.services.iam.errors import invalid_input, no_such_entity
from haneul.services.iam.pages import page_of_list
from haneul.services.iam.records import Entity
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.service import Iam

_REFUSED = ("ResourceHandlingOption", "PolicyExclusionList", "OrderedOrganizationPolicyInputList")
_WORSE = {"allowed": 0, "implicitDeny": 1, "explicitDeny": 2}


@dataclass
class Premises:
    """What a simulation starts from: who calls, under which policies (id, JSON text)."""

    caller: Caller
    identity: list[tuple[str, str]]
    boundary: str | None


def _source(call: Call, directory: Directory, arn: str) -> Entity:
    """The user, group or role of an ARN, in the caller's own account."""
    parsed = parse_arn(arn)
    space = parsed.resource.partition("/")[0] if parsed is not None and parsed.service == "iam" else ""
    if parsed is None or space not in ENTITY_KINDS:
        raise invalid_input(f"Invalid Entity Arn: {arn} does not clearly define entity type and name.")
    entity: Entity | None = directory.by_arn(ENTITY_KINDS[space], arn)
    if entity is None:
        name = parsed.resource.rpartition("/")[2]
        raise no_such_entity(ENTITY_KINDS[space].missing.format(name))
    return entity


def _caller_of(arn: str, account: str, entity: Entity | None) -> Caller:
    """The simulated caller; a role stands for its sessions, a group for a user without a name."""
    tags = entity.tags if entity is not None else {}
    principal_id = entity.id if entity is not None else ""
    if ":role/" in arn:
        return Caller(kind="role", account=account, arn=arn, principal_id=principal_id, role_arn=arn, tags=tags)
    return Caller(kind="user", account=account, arn=arn, principal_id=principal_id, tags=tags)


def _inputs(call: Call, documents: list[str], name: str, kind: str = "identity") -> list[tuple[str, str]]:
    for document in documents:
        try:
            call.cloud.authority.compile_policy(document, kind)
        except ServiceError as problem:
            raise invalid_input(f"Invalid Input Policy: {problem.message}") from None
    return [(f"{name}.{number}", document) for number, document in enumerate(documents, 1)]


def _boundary_input(call: Call, request: Shape) -> str | None:
    given = request.get("PermissionsBoundaryPolicyInputList", [])
    if len(given) > 1:
        raise invalid_input("Only one permissions boundary can be simulated at a time.")
    _inputs(call, given, "PermissionsBoundaryPolicyInputList", "boundary")
    return given[0] if given else None


def _refuse(request: Shape, name: str) -> None:
    for member in _REFUSED:
        if request.get(member):
            raise NotBuilt(f"the parameter {member} of iam:{name}")


@iam_operation("SimulatePrincipalPolicy", partial="ResourceHandlingOption, PolicyExclusionList; EvalResourceName is always *")
async def simulate_principal_policy(call: Call, request: Shape) -> Shape:
    """What the policies of a user, group or role would say to actions on resources."""
    _refuse(request, "SimulatePrincipalPolicy")
    directory, arn = directory_of(call), request["PolicySourceArn"]
    entity = _source(call, directory, arn)
    identities = call.service(Iam).identities
    documents = identities.documents_of(directory, entity) + _inputs(call, request.get("PolicyInputList", []), "PolicyInputList")
    boundary = _boundary_input(call, request)
    if boundary is None and entity.boundary:
        boundary = identities.managed_policy(entity.boundary) or ""
    caller = _caller_of(arn, call.account, entity)
    if request.get("CallerArn", arn) != arn:
        caller = _other_caller(request["CallerArn"], directory)
    return _simulated(call, request, Premises(caller, documents, boundary))


def _other_caller(arn: str, directory: Directory) -> Caller:
    parsed = parse_arn(arn)
    if parsed is None or not parsed.resource.startswith(("user/", "role/")):
        raise invalid_input(f"Invalid Caller Arn: {arn} does not clearly define a user or role.")
    space = parsed.resource.partition("/")[0]
    entity = directory.by_arn(ENTITY_KINDS[space], arn) if parsed.account == directory.account else None
    return _caller_of(arn, parsed.account, entity)


@iam_operation("SimulateCustomPolicy", partial="ResourceHandlingOption, OrderedOrganizationPolicyInputList; EvalResourceName is always *")
async def simulate_custom_policy(call: Call, request: Shape) -> Shape:
    """What the given policies would say to actions on resources."""
    _refuse(request, "SimulateCustomPolicy")
    documents = _inputs(call, request["PolicyInputList"], "PolicyInputList")
    if "CallerArn" in request:
        caller = _other_caller(request["CallerArn"], directory_of(call))
    else:
        caller = Caller(kind="user", account=call.account, arn=f"arn:aws:iam::{call.account}:user/simulated", principal_id="")
    return _simulated(call, request, Premises(caller, documents, _boundary_input(call, request)))


def _context(request: Shape) -> dict[str, Any]:
    """The condition keys given: lists stay lists, single values become what they are."""
    context: dict[str, Any] = {}
    for entry in request.get("ContextEntries", ()):
        name, values = entry.get("ContextKeyName"), entry.get("ContextKeyValues", [])
        if name is None:
            raise invalid_input("A context entry needs a ContextKeyName.")
        is_list = entry.get("ContextKeyType", "string").endswith("List")
        if not is_list and len(values) != 1:
            raise invalid_input(f"Context key {name} of type {entry.get('ContextKeyType', 'string')} must have exactly one value.")
        context[name] = values if is_list else values[0]
    return context


def _simulated(call: Call, request: Shape, premises: Premises) -> Shape:
    resources = request.get("ResourceArns") or ["*"]
    for resource in resources:
        if resource != "*" and parse_arn(resource) is None:
            raise invalid_input(f"ResourceNames are not in a valid ARN format: {resource}.")
    for action in request["ActionNames"]:
        if action != "*" and action.count(":") != 1:
            raise invalid_input(f"Invalid Action: {action} must be of the form service:action.")
    policy = request.get("ResourcePolicy")
    if policy is not None:
        _inputs(call, [policy], "ResourcePolicy", "resource")
    owner = request.get("ResourceOwner", "")
    if owner.startswith("arn:"):
        parsed = parse_arn(owner)
        owner = parsed.account if parsed is not None else ""
    context = _context(request)
    results = []
    for action in request["ActionNames"]:
        decided: list[tuple[str, Simulation]] = []
        for resource in resources:
            parsed = parse_arn(resource)
            account = parsed.account if parsed is not None and parsed.account.isdigit() else owner
            one = call.cloud.authority.simulate(
                premises.caller,
                action,
                resource,
                context,
                identity=premises.identity,
                boundary=premises.boundary,
                resource_policy=policy,
                resource_account=account,
            )
            decided.append((resource, one))
        results.append(_evaluation(action, decided, premises))
    page, more = page_of_list(results, request)
    return {"EvaluationResults": page, **more}


def _evaluation(action: str, decided: list[tuple[str, Simulation]], premises: Premises) -> Shape:
    """One action's result: over all resources together, and for each that was named."""
    worst = max((one.decision for _, one in decided), key=_WORSE.__getitem__)
    matched = dict.fromkeys(match for _, one in decided if one.decision == worst for match in one.matched)
    missing = dict.fromkeys(key for _, one in decided for key in one.missing_keys)
    result: Shape = {
        "EvalActionName": action,
        "EvalResourceName": "*",
        "EvalDecision": worst,
        "MatchedStatements": [_statement(match) for match in matched],
        "MissingContextValues": list(missing),
    }
    if premises.boundary is not None:
        result["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": all(_inside_boundary(one) for _, one in decided)}
    if any(one.cross_account for _, one in decided):
        result["EvalDecisionDetails"] = _details(decided[0][1])
    if [resource for resource, _ in decided] != ["*"]:
        result["ResourceSpecificResults"] = [_specific(resource, one, premises) for resource, one in decided]
    return result


def _specific(resource: str, one: Simulation, premises: Premises) -> Shape:
    shape: Shape = {
        "EvalResourceName": resource,
        "EvalResourceDecision": one.decision,
        "MatchedStatements": [_statement(match) for match in one.matched],
        "MissingContextValues": list(one.missing_keys),
    }
    if premises.boundary is not None:
        shape["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": _inside_boundary(one)}
    if one.cross_account:
        shape["EvalDecisionDetails"] = _details(one)
    return shape


def _inside_boundary(one: Simulation) -> bool:
    return one.by_type.get("boundary") == "allowed"


def _details(one: Simulation) -> dict[str, str]:
    names = {"identity": "IAM Policy", "resource": "Resource Policy", "boundary": "Permissions Boundary Policy"}
    return {names[kind]: verdict for kind, verdict in one.by_type.items() if kind in names}


def _statement(match: SimulatedMatch) -> Shape:
    # The model's enumeration has other words; the service itself answers these.
    kind = "Resource Policy" if match.policy_type == "resource" else "IAM Policy"
    return {
        "SourcePolicyId": match.policy_id,
        "SourcePolicyType": kind,
        "StartPosition": {"Line": match.start[0], "Column": match.start[1]},
        "EndPosition": {"Line": match.end[0], "Column": match.end[1]},
    }


@iam_operation("GetContextKeysForCustomPolicy")
async def get_context_keys_for_custom_policy(call: Call, request: Shape) -> Shape:
    """The condition keys that policies refer to."""
    documents = [text for _, text in _inputs(call, request["PolicyInputList"], "PolicyInputList")]
    return {"ContextKeyNames": call.cloud.authority.context_keys(documents)}


@iam_operation("GetContextKeysForPrincipalPolicy")
async def get_context_keys_for_principal_policy(call: Call, request: Shape) -> Shape:
    """The condition keys that the policies of a user, group or role refer to."""
    directory = directory_of(call)
    entity = _source(call, directory, request["PolicySourceArn"])
    documents = [text for _, text in call.service(Iam).identities.documents_of(directory, entity)]
    documents += [text for _, text in _inputs(call, request.get("PolicyInputList", []), "PolicyInputList")]
    return {"ContextKeyNames": call.cloud.authority.context_keys(documents)}
