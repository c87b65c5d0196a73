"""What every process of a cloud puts together in the same way: who may, which words, and which way."""

from __future__ import annotations

import gc

from haneul.auth.authority import StandardAuthority
from haneul.auth.root import RootKeys
from haneul.auth.sessions import Sessions
from haneul.clock import Ids
from haneul.core.cloud import Cloud
from haneul.core.quirks import Quirks
from haneul.front.router import Endpoint
from haneul.wire.codec import ServiceCodec
from haneul.wire.model import load_service

_COLLECTOR_THRESHOLDS = (20_000, 20, 20)


async def open_authority(cloud: Cloud) -> tuple[StandardAuthority, tuple[str, str]]:
    """The cloud's authority, which knows nobody but root yet, and root's own key: id and secret."""
    settings = cloud.settings
    root = RootKeys(settings.account, settings.root_keys, settings.dev_keys)
    root_key = await root.load(cloud.store, cloud.vault, Ids())
    authority = StandardAuthority(
        cloud.clock,
        root,
        Sessions(cloud.vault, cloud.clock, Ids()),
        protocols_of=lambda service: load_service(service).protocols,
        signing_name_of=lambda service: load_service(service).signing_name,
    )
    cloud.authority = authority
    return authority, root_key


class Codecs:
    """The codecs of a cloud's services, each made when it is first asked for."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._codecs: dict[str, ServiceCodec] = {}

    def find(self, service: str) -> ServiceCodec:
        """The codec of a service, which need not be one that this cloud has."""
        codec = self._codecs.get(service)
        if codec is None:
            known = self._cloud.services.get(service)
            quirks = known.quirks if known is not None else Quirks()
            codec = self._codecs[service] = ServiceCodec(load_service(service), quirks)
        return codec


def endpoints(cloud: Cloud) -> list[Endpoint]:
    """How requests to the services of a cloud are recognised."""
    models = [load_service(name) for name in cloud.services]
    return [Endpoint(model.name, model.signing_name, model.endpoint_prefix, model.target_prefix) for model in models]


def calm_collector() -> None:
    """What is there now stays, and is never looked through again; requests leave next to nothing that only the collector can free."""
    gc.freeze()
    gc.set_threshold(*_COLLECTOR_THRESHOLDS)
