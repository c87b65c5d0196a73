"""Functions from container images: what is kept of an image, and what a function makes of it.

An image's package is a description (its layers and configuration), kept like a zip package; its layers are unpacked, each once. So the function
goes on when the image is deleted, as it does on AWS, and a tag that moves does not move the function.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.runtime.images_unpack import BadLayer, TooLarge
from haneul.runtime.port import ImageSpec
from haneul.services.lambda_.code import CodeStore, Package
from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.image_source import Description, ImageReader, Source, let_lambda_read, not_valid, read_uri
from haneul.services.lambda_.limits import IMAGE_BYTES_MAX, IMAGE_SETTINGS_BYTES_MAX
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.records import ImageUse, Version

_DIRECTORY_LENGTH_MAX = 1000
_ARGUMENTS_MAX = 1500


async def fetch_image(call: Call, code: CodeStore, target: Target, uri: str, architecture: str, version: Version) -> Package:
    """Read an image from ECR and unpack it; `version` is told which it is. The transaction must hold the package, or it is to be discarded."""
    source = read_uri(call, target, uri)
    await let_lambda_read(call, source)
    reader = ImageReader(call.cloud, source, target.arn)
    image = await reader.describe(architecture)
    layers = [content for _, content in image.layers]
    try:
        sizes = await _unpack_all(code, reader, source, image)
        package = await code.add_image(image.digest.removeprefix("sha256:"), _describe(source, image), sizes)
    except BaseException:
        await code.image_layers.remove_unused(layers)
        raise
    use = version.image or ImageUse(uri, "")
    version.image = ImageUse(uri, source.resolved(image.digest), use.entry_point, use.command, use.working_directory)
    return package


async def _unpack_all(code: CodeStore, reader: ImageReader, source: Source, image: Description) -> dict[str, int]:
    """The layers and their uncompressed sizes."""
    sizes: dict[str, int] = {}
    for digest, content in image.layers:
        known = code.image_layers.size_of(content)
        left = IMAGE_BYTES_MAX - sum(sizes.values()) - (known or 0)
        try:
            if left < 0:
                raise TooLarge
            sizes[content] = known if known is not None else await code.image_layers.unpack(content, await reader.layer(digest), left)
        except TooLarge:
            raise invalid(f"Source image {source.uri} exceeds the maximum allowed uncompressed size of {IMAGE_BYTES_MAX} bytes.") from None
        except (BadLayer, FileNotFoundError):
            raise not_valid(source.uri) from None
    return sizes


def _describe(source: Source, image: Description) -> bytes:
    return orjson.dumps(
        {
            "uri": source.resolved(image.digest),
            "host": source.host,
            "account": source.account,
            "region": source.region,
            "repository": source.repository,
            "digest": image.digest,
            "layers": image.layers,
            "config": image.config,
        }
    )


class Images:
    """The images that functions run."""

    def __init__(self, cloud: Cloud, code: CodeStore) -> None:
        self._cloud = cloud
        self._code = code

    async def spec(self, version: Version, function_arn: str) -> ImageSpec:
        """What the runtime needs to know. Layers that are missing (after a restore of the data without them) are fetched again."""
        found = self._code.description(version.sha256)
        if found is None:
            raise ServiceError("CodeArtifactUserDeletedException", "The image of the function was deleted.", 409)
        image = orjson.loads(found)
        folders = [self._code.image_layers.folder_of(content) for _, content in image["layers"]]
        if not all(os.path.isdir(folder) for folder in folders):
            await self._fetch_again(image, function_arn)
        return _image_spec(version.image or ImageUse("", ""), image["config"], folders)

    async def _fetch_again(self, image: dict[str, Any], function_arn: str) -> None:
        layers = [(str(digest), str(content)) for digest, content in image["layers"]]
        source = Source(image["uri"], image["host"], image["account"], image["region"], image["repository"], {"imageDigest": image["digest"]})
        await _unpack_all(self._code, ImageReader(self._cloud, source, function_arn), source, Description(image["digest"], layers, image["config"]))


def _image_spec(use: ImageUse, config: dict[str, Any], folders: list[Path]) -> ImageSpec:
    """ENTRYPOINT, CMD and WORKDIR of the image, each unless the function says otherwise."""
    entry_point = use.entry_point or config["Entrypoint"]
    command = use.command or config["Cmd"]
    environment = dict(one.partition("=")[::2] for one in config["Env"] if "=" in one)
    argv = (*entry_point, *command) or ("",)
    return ImageSpec(tuple(str(folder) for folder in folders), argv, use.working_directory or config["WorkingDir"] or "/", environment)


def apply_image_config(version: Version, request: Shape) -> None:
    """Put the request's ImageConfig, checked, into a version's record; it replaces what was there as a whole."""
    config = request.get("ImageConfig")
    if config is None:
        return
    if version.image is None:
        raise invalid("Please don't provide ImageConfig when the intent is to create or update a function with a deployment package.")
    for name in ("EntryPoint", "Command"):
        if len(config.get(name, [])) > _ARGUMENTS_MAX:
            raise invalid(f"{name} must have at most {_ARGUMENTS_MAX} members.")
    if len(orjson.dumps(config)) > IMAGE_SETTINGS_BYTES_MAX:
        raise invalid(f"ImageConfig exceeds the limit of {IMAGE_SETTINGS_BYTES_MAX} bytes.")
    directory = config.get("WorkingDirectory", "")
    if len(directory) > _DIRECTORY_LENGTH_MAX:
        raise invalid(f"WorkingDirectory must have at most {_DIRECTORY_LENGTH_MAX} characters.")
    old = version.image
    version.image = ImageUse(old.uri, old.resolved_uri, list(config.get("EntryPoint", [])), list(config.get("Command", [])), directory)


def check_image_request(request: Shape) -> None:
    """What belongs to zip packages has no place in a function from an image."""
    if request.get("Handler") or request.get("Runtime") or request.get("Layers"):
        raise invalid("Please don't provide handler or runtime or layer when the intent is to create function with container image.")
