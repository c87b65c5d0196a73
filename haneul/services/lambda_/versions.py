"""PublishVersion and ListVersionsByFunction: snapshots of code and configuration."""

from __future__ import annotations

import msgspec

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import function_not_found, invalid, precondition_failed
from haneul.services.lambda_.functions import read, resolve_in
from haneul.services.lambda_.names import LATEST, Target, function_resource, latest_of, target_of
from haneul.services.lambda_.pages import page
from haneul.services.lambda_.records import Function, Version, function_key, version_key
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.shapes import configuration, open_environment, shown_sha256
from haneul.services.lambda_.snap_start import ask_for_snapshot
from haneul.services.lambda_.writes import hold_layers
from haneul.store.keys import pack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode
from haneul.store.vault import Vault

_OF_EACH_ITS_OWN = (
    "number",
    "description",
    "last_modified",
    "revision_id",
    "published_from",
    "latest_description",
    "sealed_environment",
    "runtime_updates",
    "runtime_version_arn",
    "state",
    "state_reason",
)
"""Members of a version's record that are not code and configuration, or are compared in another way."""


@operation("lambda:PublishVersion", resource=function_resource)
async def publish_version(call: Call, request: Shape) -> Shape:
    """Make an immutable version of $LATEST. Unchanged since the last one, it is that one again. AWS Lambda API Reference, PublishVersion."""
    target = latest_of(call, request)
    if request.get("PublishTo"):
        raise invalid("PublishTo requires a capacity provider.")

    def work(tx: Transaction) -> Version:
        latest = resolve_in(tx, target).version
        if request.get("RevisionId") not in (None, latest.revision_id):
            raise precondition_failed()
        wanted = request.get("CodeSha256")
        if wanted and wanted != shown_sha256(latest):
            raise invalid(f"CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({shown_sha256(latest)}). Please try again with the CodeSHA256 in $LATEST.")
        return publish_in(call, tx, target, latest, request.get("Description", latest.description))

    published = await call.cloud.store.transact(work)
    return configuration(call.cloud.vault, target._replace(qualifier=published.qualifier), published)


def publish_in(call: Call, tx: Transaction, target: Target, latest: Version, description: str) -> Version:
    """The version that is a snapshot of `latest`: a new one, or the newest if nothing has changed since."""
    function = read(tx, function_key(target), Function)
    if function is None:
        raise function_not_found(target.arn)
    newest = read(tx, version_key(target, function.next_version - 1), Version) if function.next_version > 1 else None
    if newest is not None and (newest.published_from == latest.revision_id or _is_same(call.cloud.vault, newest, latest)):
        return newest
    published = msgspec.structs.replace(
        latest,
        number=function.next_version,
        description=description,
        revision_id=call.cloud.ids.uuid(),
        published_from=latest.revision_id,
        latest_description=latest.description,
    )
    if published.snap_start:
        ask_for_snapshot(call.cloud, tx, target, published)
    function.next_version += 1
    tx.put(function_key(target), encode(function))
    tx.put(version_key(target, published.number), encode(published))
    service = call.service(Lambda)
    service.code.hold_again(tx, target.space, published.sha256)
    hold_layers(service.code, tx, published)
    return published


def _is_same(vault: Vault, published: Version, latest: Version) -> bool:
    """Whether code and configuration of $LATEST are still what a version was published of, whatever has been written meanwhile."""
    described = published.description if published.latest_description is None else published.latest_description
    own = {name: getattr(latest, name) for name in _OF_EACH_ITS_OWN}
    return (
        described == latest.description
        and msgspec.structs.replace(published, **own) == latest
        and open_environment(vault, published) == open_environment(vault, latest)
    )


@operation("lambda:ListVersionsByFunction", resource=function_resource)
async def list_versions(call: Call, request: Shape) -> Shape:
    """$LATEST and the published versions, in order."""
    target = target_of(call, request)._replace(qualifier=None)
    resolve_in(call.cloud.store, target)

    def show(_: bytes, value: bytes) -> Shape:
        version = decode(value, Version)
        return configuration(call.cloud.vault, target._replace(qualifier=version.qualifier), version)

    prefix = pack((*target.space, "version", target.name))
    return page(call.cloud.store, prefix, request, "Versions", show)


def is_latest(target: Target) -> bool:
    """Whether a target means $LATEST, named or not."""
    return target.qualifier in (None, LATEST)
