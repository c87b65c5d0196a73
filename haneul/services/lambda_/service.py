"""The lambda service: functions, what runs them, and what calls them."""

from __future__ import annotations

import platform
from collections.abc import Mapping

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.service import Service
from haneul.services.lambda_.absent import ABSENT
from haneul.services.lambda_.asynchronous import Asynchronous
from haneul.services.lambda_.code import CodeStore
from haneul.services.lambda_.destinations import Destinations
from haneul.services.lambda_.downloads import LABEL, answer_download
from haneul.services.lambda_.environments import Environments
from haneul.services.lambda_.event_sources.manager import EventSources
from haneul.services.lambda_.functions import Functions, policy_text, read
from haneul.services.lambda_.invoker import Invoker
from haneul.services.lambda_.log_shipper import LogShipper
from haneul.services.lambda_.meters import Meters
from haneul.services.lambda_.names import parse_layer_arn, parse_target
from haneul.services.lambda_.provisioned_environments import ProvisionedEnvironments
from haneul.services.lambda_.quirks import QUIRKS
from haneul.services.lambda_.rates import Rates
from haneul.services.lambda_.records import Policy, layer_policy_key
from haneul.services.lambda_.snap_start import SnapStarts
from haneul.services.lambda_.tags import tags_of
from haneul.services.lambda_.url_gateway import UrlGateway


class Lambda(Service):
    """AWS Lambda."""

    name = "lambda"
    quirks = QUIRKS
    absent = ABSENT

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        folder = cloud.settings.data_dir / "functions"
        self.functions = Functions(cloud.store, cloud.ids)
        self.code = CodeStore(cloud, folder / "code")
        self.logs = LogShipper(cloud)
        rates = Rates(cloud)
        self.environments = Environments(cloud, folder / "sandbox", self.code, self.logs, rates)
        self.snap_starts = SnapStarts(cloud, self.functions, self.environments)
        self.meters = Meters(cloud)
        self.provisioned = ProvisionedEnvironments(cloud, self.functions, self.environments, self.meters, rates)
        self.invoker = Invoker(cloud, self.functions, self.environments, self.provisioned, self.meters, rates)
        self.asynchronous = Asynchronous(cloud, self.functions, self.invoker, Destinations(cloud, self.meters))
        self.event_sources = EventSources(cloud, self.functions, self.invoker)
        self.urls = UrlGateway(cloud, self.functions, self.invoker)
        self.architecture = "arm64" if platform.machine() in ("aarch64", "arm64") else "x86_64"

    async def start(self) -> None:
        self.invoker.stopping = False
        self.code.start()
        self.logs.start()
        self.environments.start()
        self.provisioned.start()
        self.event_sources.start()

    async def stop(self) -> None:
        self.invoker.stopping = True
        self.event_sources.stop()
        self.provisioned.stop()
        await self.environments.stop()
        await self.logs.stop()

    def resource_policy(self, call: Call, arn: str) -> str | None:
        """The policy of a function (by qualifier) or of a layer version."""
        if ":function:" in arn:
            return self.functions.policy(parse_target(arn, None, call.account, call.region))
        layer = parse_layer_arn(arn) if ":layer:" in arn else None
        if layer is not None and layer.version:
            policy = read(self.cloud.store, layer_policy_key(layer), Policy)
            return policy_text(policy) if policy is not None else None
        return None

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        return tags_of(self.cloud.store, arn)

    async def serve(self, request: HttpRequest, label: str) -> HttpResponse:
        """A request to a function URL."""
        if label == LABEL:
            return await answer_download(self.cloud, self.code, request)
        return await self.urls.answer(request, label)
