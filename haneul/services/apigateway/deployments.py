"""Deployments: an API as it was at one moment, which stages then serve."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.ports import Shape
from haneul.services.apigateway import pages
from haneul.services.apigateway.errors import bad_request, not_found
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import Rule, patched
from haneul.services.apigateway.records import Home, documents, find_api, home_of, load, remove, save
from haneul.services.apigateway.stages import check_stage_name, check_variables, new_stage
from haneul.store.port import Reader, Transaction

_RULES = (Rule("/description"),)


def snapshot_of(reader: Reader, home: Home, api: Shape) -> Shape:
    """Everything that answering requests needs of an API, as it is now."""
    api_id = api["id"]
    return {
        "api": api,
        "resources": list(documents(reader, home, "resource", api_id)),
        "authorizers": {one["id"]: one for one in documents(reader, home, "authorizer", api_id)},
        "models": {one["name"]: one["schema"] for one in documents(reader, home, "model", api_id)},
        "validators": {one["id"]: one for one in documents(reader, home, "validator", api_id)},
        "responses": {one["responseType"]: one for one in documents(reader, home, "response", api_id)},
    }


def _check_complete(snapshot: Shape) -> None:
    methods = [method for resource in snapshot["resources"] for method in resource["methods"].values()]
    if not methods:
        raise bad_request("The REST API doesn't contain any methods")
    if any("methodIntegration" not in method for method in methods):
        raise bad_request("No integration defined for method")


def _summary(snapshot: Shape) -> Shape:
    return {
        resource["path"]: {
            name: {"authorizationType": method["authorizationType"], "apiKeyRequired": method["apiKeyRequired"]} for name, method in resource["methods"].items()
        }
        for resource in snapshot["resources"]
        if resource["methods"]
    }


def _refuse_unbuilt(request: Shape) -> None:
    if request.get("cacheClusterEnabled"):
        raise NotBuilt("the parameter cacheClusterEnabled of apigateway:CreateDeployment")
    if "canarySettings" in request:
        raise NotBuilt("the parameter canarySettings of apigateway:CreateDeployment")
    if request.get("tracingEnabled"):
        raise NotBuilt("the parameter tracingEnabled of apigateway:CreateDeployment")


@api_operation("CreateDeployment", "POST", "/restapis/{restApiId}/deployments", partial="caching, canaries and tracing are refused")
async def create_deployment(call: Call, request: Shape) -> Shape:
    """Take a snapshot of the API and, with a stage name, have that stage serve it (API reference: CreateDeployment)."""
    _refuse_unbuilt(request)
    home, api_id, stage_name = home_of(call), request["restApiId"], request.get("stageName")
    deployment: Shape = {"id": call.cloud.ids.text(6), "createdDate": call.now}
    if "description" in request:
        deployment["description"] = request["description"]
    if stage_name:
        check_stage_name(stage_name)
    check_variables(request.get("variables", {}))

    def work(tx: Transaction) -> None:
        snapshot = snapshot_of(tx, home, find_api(tx, home, api_id))
        _check_complete(snapshot)
        save(tx, home, deployment, "deployment", api_id, deployment["id"])
        save(tx, home, snapshot, "snapshot", api_id, deployment["id"])
        if stage_name:
            stage = load(tx, home, "stage", api_id, stage_name) or new_stage(call, stage_name, deployment["id"])
            stage.update(deploymentId=deployment["id"], lastUpdatedDate=call.now)
            if "stageDescription" in request:
                stage["description"] = request["stageDescription"]
            if "variables" in request:
                stage["variables"] = request["variables"]
            save(tx, home, stage, "stage", api_id, stage_name)

    await call.cloud.store.transact(work)
    return deployment


def _find(reader: Reader, call: Call, request: Shape) -> Shape:
    deployment = load(reader, home_of(call), "deployment", request["restApiId"], request["deploymentId"])
    if deployment is None:
        raise not_found("Invalid Deployment identifier specified")
    return deployment


@api_operation("GetDeployment", "GET", "/restapis/{restApiId}/deployments/{deploymentId}")
async def get_deployment(call: Call, request: Shape) -> Shape:
    """One deployment; `embed=apisummary` shows its methods."""
    find_api(call.cloud.store, home_of(call), request["restApiId"])
    deployment = _find(call.cloud.store, call, request)
    if "apisummary" in request.get("embed", ()):
        snapshot = load(call.cloud.store, home_of(call), "snapshot", request["restApiId"], deployment["id"])
        deployment["apiSummary"] = _summary(snapshot or {"resources": []})
    return deployment


@api_operation("GetDeployments", "GET", "/restapis/{restApiId}/deployments")
async def get_deployments(call: Call, request: Shape) -> Shape:
    """An API's deployments."""
    find_api(call.cloud.store, home_of(call), request["restApiId"])
    return pages.answer(*pages.stored_page(call.cloud.store, request, home_of(call), "deployment", request["restApiId"]))


@api_operation("UpdateDeployment", "PATCH", "/restapis/{restApiId}/deployments/{deploymentId}")
async def update_deployment(call: Call, request: Shape) -> Shape:
    """Patch a deployment's description."""

    def work(tx: Transaction) -> Shape:
        deployment = patched(_find(tx, call, request), request.get("patchOperations", []), _RULES)
        save(tx, home_of(call), deployment, "deployment", request["restApiId"], deployment["id"])
        return deployment

    return await call.cloud.store.transact(work)


@api_operation("DeleteDeployment", "DELETE", "/restapis/{restApiId}/deployments/{deploymentId}")
async def delete_deployment(call: Call, request: Shape) -> None:
    """Delete a deployment that no stage serves."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> None:
        find_api(tx, home, api_id)
        deployment = _find(tx, call, request)
        if any(stage["deploymentId"] == deployment["id"] for stage in documents(tx, home, "stage", api_id)):
            raise bad_request("Active stages pointing to this deployment must be moved or deleted")
        remove(tx, home, "deployment", api_id, deployment["id"])
        remove(tx, home, "snapshot", api_id, deployment["id"])

    await call.cloud.store.transact(work)
