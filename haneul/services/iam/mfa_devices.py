"""Virtual multi-factor devices: CreateVirtualMFADevice, EnableMFADevice, ResyncMFADevice, DeactivateMFADevice and the lists of them."""

from __future__ import annotations

import base64
import hmac

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, shown_user, tag_list, user_or_caller
from haneul.services.iam.errors import already_exists, delete_conflict, no_such_entity, quota_exceeded, validation_error
from haneul.services.iam.limits import MFA_DEVICES_PER_USER_MAX
from haneul.services.iam.mfa_records import SEED_PURPOSE, STEP, code_at, mfa_device
from haneul.services.iam.pages import page_of_list, page_of_rows
from haneul.services.iam.records import USER, MfaDevice
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.tags import new_tags
from haneul.store.port import Transaction
from haneul.store.records import decode

_SEED_BYTES = 40
# A device whose clock has drifted is found within this many steps.
_STEPS_OF_DRIFT = 20


@iam_operation("CreateVirtualMFADevice", partial="QRCodePNG is left out of the answer")
async def create_virtual_mfa_device(call: Call, request: Shape) -> Shape:
    """Make a device: this answer is the only one that ever shows its seed."""
    path = request.get("Path", "/")
    if not (path.startswith("/") and path.endswith("/")):
        raise validation_error(
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."
        )
    seed = call.cloud.ids.bytes(_SEED_BYTES)
    serial_number = f"arn:aws:iam::{call.account}:mfa{path}{request['VirtualMFADeviceName']}"
    device = MfaDevice(serial_number=serial_number, seed=call.cloud.vault.seal(seed, SEED_PURPOSE), created_at=call.now, tags=new_tags(request))

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        key = directory.key("mfa", serial_number)
        if tx.get(key) is not None:
            raise already_exists("MFA device already exists.")
        directory.put(key, device)
        directory.count("mfa_devices", 1)

    await call.cloud.store.transact(work)
    shape: Shape = {"SerialNumber": serial_number, "Base32StringSeed": base64.b32encode(seed)}
    return {"VirtualMFADevice": shape | ({"Tags": tag_list(device.tags)} if device.tags else {})}


def _check_codes(call: Call, device: MfaDevice, request: Shape) -> int:
    """The step of the second of two codes that follow each other; InvalidAuthenticationCode without one."""
    seed = call.cloud.vault.unseal(device.seed, SEED_PURPOSE) or b""
    first, second = request["AuthenticationCode1"].encode(), request["AuthenticationCode2"].encode()
    current = call.now // STEP
    for step in range(current - _STEPS_OF_DRIFT, current + _STEPS_OF_DRIFT):
        if hmac.compare_digest(code_at(seed, step).encode(), first) and hmac.compare_digest(code_at(seed, step + 1).encode(), second):
            return step + 1
    raise ServiceError("InvalidAuthenticationCode", f"Authentication code for device {device.serial_number} is not valid.", 403)


@iam_operation("EnableMFADevice", partial="virtual devices only")
async def enable_mfa_device(call: Call, request: Shape) -> Shape:
    """Give a device to a user, who proves with two codes to have it."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        user = directory.named(USER, request["UserName"])
        if not request["SerialNumber"].startswith("arn:"):
            raise NotBuilt("hardware devices of iam:EnableMFADevice")
        device, key = mfa_device(directory, request["SerialNumber"])
        if device.user_id:
            raise already_exists("MFA Device is already in use.")
        if len(user.mfa_devices) >= MFA_DEVICES_PER_USER_MAX:
            raise quota_exceeded("MFADevicesPerUser", MFA_DEVICES_PER_USER_MAX)
        device.last_step = _check_codes(call, device, request)
        device.user_id, device.enabled_at = user.id, call.now
        directory.put(key, device)
        user.mfa_devices.append(device.serial_number)
        directory.save(USER, user)
        directory.count("mfa_devices_in_use", 1)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("ResyncMFADevice")
async def resync_mfa_device(call: Call, request: Shape) -> Shape:
    """Prove with two codes that a user's device still shows the right time."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        user = directory.named(USER, request["UserName"])
        device, key = mfa_device(directory, request["SerialNumber"])
        if device.user_id != user.id:
            raise no_such_entity(f"MFA Device with serial number {device.serial_number} does not exist.")
        device.last_step = _check_codes(call, device, request)
        directory.put(key, device)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeactivateMFADevice")
async def deactivate_mfa_device(call: Call, request: Shape) -> Shape:
    """Take a device from its user; it stays in the account."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        user = user_or_caller(call, request, directory)
        device, key = mfa_device(directory, request["SerialNumber"])
        if device.user_id != user.id:
            raise no_such_entity(f"MFA Device with serial number {device.serial_number} does not exist.")
        device.user_id, device.enabled_at = "", 0
        directory.put(key, device)
        user.mfa_devices.remove(device.serial_number)
        directory.save(USER, user)
        directory.count("mfa_devices_in_use", -1)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteVirtualMFADevice")
async def delete_virtual_mfa_device(call: Call, request: Shape) -> Shape:
    """Remove a device that nobody has."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        device, key = mfa_device(directory, request["SerialNumber"])
        if device.user_id:
            raise delete_conflict("Cannot delete entity, must deactivate MFA device first.")
        tx.delete(key)
        directory.count("mfa_devices", -1)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("ListMFADevices")
async def list_mfa_devices(call: Call, request: Shape) -> Shape:
    """A user's devices."""
    directory = directory_of(call)
    if "UserName" not in request and call.caller.kind == "root":
        return {"MFADevices": [], "IsTruncated": False}
    user = user_or_caller(call, request, directory)
    devices = [mfa_device(directory, serial_number)[0] for serial_number in user.mfa_devices]
    page, more = page_of_list([{"UserName": user.name, "SerialNumber": one.serial_number, "EnableDate": one.enabled_at} for one in devices], request)
    return {"MFADevices": page, **more}


@iam_operation("GetMFADevice")
async def get_mfa_device(call: Call, request: Shape) -> Shape:
    """A device, whose it is and since when."""
    directory = directory_of(call)
    device, _ = mfa_device(directory, request["SerialNumber"])
    user = directory.by_id(USER, device.user_id) if device.user_id else None
    if "UserName" in request and (user is None or user.name.lower() != request["UserName"].lower()):
        raise no_such_entity(f"MFA Device with serial number {device.serial_number} does not exist.")
    shape: Shape = {"SerialNumber": device.serial_number}
    return shape | ({"UserName": user.name, "EnableDate": device.enabled_at} if user is not None else {})


@iam_operation("ListVirtualMFADevices")
async def list_virtual_mfa_devices(call: Call, request: Shape) -> Shape:
    """The account's devices: those that a user has, those that nobody has, or both."""
    directory, wanted = directory_of(call), request.get("AssignmentStatus", "Any")

    def take(_: bytes, value: bytes) -> Shape | None:
        device = decode(value, MfaDevice)
        if wanted == ("Unassigned" if device.user_id else "Assigned"):
            return None
        shape: Shape = {"SerialNumber": device.serial_number}
        user = directory.by_id(USER, device.user_id) if device.user_id else None
        return shape | ({"User": shown_user(call.account, user), "EnableDate": device.enabled_at} if user is not None else {})

    devices, more = page_of_rows(call.cloud.store, directory, ("mfa",), request, take)
    return {"VirtualMFADevices": devices, **more}
