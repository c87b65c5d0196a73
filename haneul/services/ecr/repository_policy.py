"""SetRepositoryPolicy, GetRepositoryPolicy, DeleteRepositoryPolicy: who else may use a repository.

The policy is evaluated for every request to the repository, by the API and by the registry's own protocol.
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.ecr import errors
from haneul.services.ecr.names import Place, place_of, repository_resource
from haneul.services.ecr.records import Repository, repository_in
from haneul.services.ecr.resource_tags import change_repository


@operation("ecr:SetRepositoryPolicy", resource=repository_resource)
async def set_repository_policy(call: Call, request: Shape) -> Shape:
    """Replace the policy of a repository. Amazon ECR API Reference, SetRepositoryPolicy.

    A policy that would lock its author out of setting the next one is refused unless `force` is given.
    """
    place, text = place_of(call, request), request["policyText"]
    try:
        kept = call.cloud.authority.bind_principals(text)
    except ServiceError as problem:
        message = f"Invalid parameter at 'PolicyText' failed to satisfy constraint: 'Invalid repository policy provided: {problem.message}'"
        raise ServiceError("InvalidParameterException", message, 400) from None
    if not request.get("force"):
        _check_not_locked_out(call, place, text)

    def change(repository: Repository) -> None:
        repository.policy = kept

    await change_repository(call, place, change)
    return _shown(place, text)


def _check_not_locked_out(call: Call, place: Place, text: str) -> None:
    decided = call.cloud.authority.simulate(
        call.caller, "ecr:SetRepositoryPolicy", place.arn, {}, identity=[("allow", _ALLOW)], resource_policy=text, resource_account=place.account
    )
    if decided.decision == "explicitDeny" and call.caller.kind != "root":
        raise errors.invalid("PolicyText", "the policy would not allow its author to set the next one; use force to set it all the same")


_ALLOW = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'


@operation("ecr:GetRepositoryPolicy", resource=repository_resource)
async def get_repository_policy(call: Call, request: Shape) -> Shape:
    """The policy of a repository, as it was set."""
    place = place_of(call, request)
    text = repository_in(call.cloud.store, place).policy
    if not text:
        raise errors.policy_not_found(place)
    return _shown(place, call.cloud.authority.show_principals(text))


@operation("ecr:DeleteRepositoryPolicy", resource=repository_resource)
async def delete_repository_policy(call: Call, request: Shape) -> Shape:
    """Remove the policy of a repository."""
    place = place_of(call, request)

    def change(repository: Repository) -> None:
        if not repository.policy:
            raise errors.policy_not_found(place)
        repository.policy = ""

    before = await change_repository(call, place, change)
    return _shown(place, call.cloud.authority.show_principals(before.policy))


def _shown(place: Place, text: str) -> Shape:
    return {"registryId": place.account, "repositoryName": place.name, "policyText": text}
