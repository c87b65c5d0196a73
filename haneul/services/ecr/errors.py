"""Errors of ECR, as its API reference and its answers word them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haneul.core.errors import ServiceError

if TYPE_CHECKING:
    from haneul.services.ecr.names import Place


def invalid(parameter: str, reason: str) -> ServiceError:
    return ServiceError("InvalidParameterException", f"Invalid parameter at '{parameter}' failed to satisfy constraint: '{reason}'", 400)


def _about(code: str, message: str, place: Place) -> ServiceError:
    where = f"the repository with name '{place.name}' in the registry with id '{place.account}'"
    return ServiceError(code, message.format(where=where), 400)


def repository_not_found(place: Place) -> ServiceError:
    return ServiceError(
        "RepositoryNotFoundException", f"The repository with name '{place.name}' does not exist in the registry with id '{place.account}'", 400
    )


def repository_exists(place: Place) -> ServiceError:
    return ServiceError(
        "RepositoryAlreadyExistsException", f"The repository with name '{place.name}' already exists in the registry with id '{place.account}'", 400
    )


def repository_not_empty(place: Place) -> ServiceError:
    message = f"The repository with name '{place.name}' in registry with id '{place.account}' cannot be deleted because it still contains images"
    return ServiceError("RepositoryNotEmptyException", message, 400)


def policy_not_found(place: Place) -> ServiceError:
    message = f"Repository policy does not exist for the repository with name '{place.name}' in the registry with id '{place.account}'"
    return ServiceError("RepositoryPolicyNotFoundException", message, 400)


def lifecycle_policy_not_found(place: Place) -> ServiceError:
    message = f"Lifecycle policy does not exist for the repository with name '{place.name}' in the registry with id '{place.account}'"
    return ServiceError("LifecyclePolicyNotFoundException", message, 400)


def preview_not_found(place: Place) -> ServiceError:
    return _about("LifecyclePolicyPreviewNotFoundException", "A lifecycle policy preview does not exist for {where}", place)


def image_not_found(place: Place, digest: str | None, tag: str | None) -> ServiceError:
    wanted = f"imageDigest:'{digest or 'null'}', imageTag:'{tag or 'null'}'"
    message = f"The image with imageId {{{wanted}}} does not exist within the repository with name '{place.name}' in the registry with id '{place.account}'"
    return ServiceError("ImageNotFoundException", message, 400)


def image_exists(place: Place, digest: str, tag: str | None) -> ServiceError:
    return _about("ImageAlreadyExistsException", f"Image with digest '{digest}' and tag '{tag or 'null'}' already exists in {{where}}", place)


def tag_exists(place: Place, tag: str) -> ServiceError:
    message = f"The image tag '{tag}' already exists in the '{place.name}' repository and cannot be overwritten because the tag is immutable."
    return ServiceError("ImageTagAlreadyExistsException", message, 400)


def layers_not_found(place: Place, digests: list[str]) -> ServiceError:
    listed = ", ".join(digests)
    message = f"Layers with digests '[{listed}]' required for pushing image into repository with name '{place.name}' in the registry with id '{place.account}' do not exist"
    return ServiceError("LayersNotFoundException", message, 400)


def images_not_found(place: Place, digests: list[str]) -> ServiceError:
    listed = ", ".join(digests)
    message = f"Images with digests '[{listed}]' required for pushing image into repository with name '{place.name}' in the registry with id '{place.account}' do not exist"
    return ServiceError("ReferencedImagesNotFoundException", message, 400)


def upload_not_found(place: Place, upload_id: str) -> ServiceError:
    return _about("UploadNotFoundException", f"The upload with id '{upload_id}' does not exist in {{where}}", place)


def layer_exists(place: Place, digest: str) -> ServiceError:
    return _about("LayerAlreadyExistsException", f"Layer with digest '{digest}' already exists in {{where}}", place)


def layer_mismatch(digest: str, found: str) -> ServiceError:
    return ServiceError("InvalidLayerException", f"The digest of the uploaded layer is '{found}', not '{digest}'", 400)


def limit_exceeded(message: str) -> ServiceError:
    return ServiceError("LimitExceededException", message, 400)
