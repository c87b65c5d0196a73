"""Code at rest: each package is kept once as a blob, and unpacked once into a folder named by its hash, whatever uses it."""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
from base64 import b64encode
from pathlib import Path
from typing import Any, NamedTuple

from haneul.core.bodies import blob_body, chunks_of
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.http import FileBody
from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.image_layers import ImageLayers
from haneul.services.lambda_.limits import CODE_STORAGE_BYTES_MAX, CODE_UNZIPPED_BYTES_MAX, CODE_ZIPPED_BYTES_MAX
from haneul.services.lambda_.packages import unpack_package
from haneul.services.lambda_.records import Code, Space, code_key, image_layer_key, storage_key
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

REMOVE_CODE = "lambda-remove-code"


class Package(NamedTuple):
    """A package that has been checked and unpacked. `sha256` is hexadecimal; `blob_id` is "" when the store had the same bytes already. An image's
    has `layers` (with their uncompressed sizes), and counts for nothing against the account's storage."""

    sha256: str
    size: int
    unpacked_size: int
    blob_id: str
    layers: tuple[tuple[str, int], ...] = ()


def code_sha256(sha256: str) -> str:
    """The hash as the API shows it."""
    return b64encode(bytes.fromhex(sha256)).decode()


class CodeStore:
    """The packages of all functions and layers of this cloud, below `folder`."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._locks: dict[str, asyncio.Lock] = {}
        self.image_layers = ImageLayers(cloud, folder.parent / "image-layers")
        cloud.outbox.handle(REMOVE_CODE, self._remove)

    def start(self) -> None:
        """Remove what an earlier run had unpacked and no transaction had taken."""
        self.image_layers.start()
        if self._folder.is_dir():
            for folder in list(self._folder.iterdir()):
                if self._read(folder.name) is None:
                    shutil.rmtree(folder, ignore_errors=True)

    def folder_of(self, sha256: str) -> Path:
        """Where a package is unpacked (it may not be, yet: see `prepare`)."""
        return self._folder / sha256

    async def add(self, data: bytes) -> Package:
        """Check, unpack and durably write a package; the transaction that refers to it must `hold` it."""
        sha256 = await _in_thread(lambda: hashlib.sha256(data).hexdigest())
        known = self._read(sha256)
        if known is not None:
            await self.prepare(sha256)
            return Package(sha256, known.size, known.unpacked_size, "")
        async with self._lock(sha256):
            unpacked_size = await _in_thread(lambda: self._unpack(data, sha256))
        writer = await self._cloud.blobs.create()
        writer.write(data)
        return Package(sha256, len(data), unpacked_size, await writer.finish())

    async def add_image(self, sha256: str, description: bytes, layers: dict[str, int]) -> Package:
        """Durably write the description of an image by its digest; its layers have been unpacked."""
        unpacked_size = sum(layers.values())
        if self._read(sha256) is not None:
            return Package(sha256, 0, unpacked_size, "", tuple(layers.items()))
        writer = await self._cloud.blobs.create()
        writer.write(description)
        return Package(sha256, 0, unpacked_size, await writer.finish(), tuple(layers.items()))

    def description(self, sha256: str) -> bytes | None:
        """What `add_image` wrote."""
        code = self._read(sha256)
        if code is None:
            return None
        file = self._cloud.blobs.open(code.blob_id)
        return file.read(0, file.size)

    def hold(self, tx: Transaction, space: Space, package: Package) -> None:
        """One more reference to a package, counted against the account's storage."""
        known = tx.get(code_key(package.sha256))
        if known is not None:
            if package.blob_id:  # Somebody else brought the same bytes meanwhile: ours are not needed.
                self._cloud.blobs.adopt(tx, package.blob_id)
                self._cloud.blobs.release(tx, package.blob_id)
        elif package.blob_id:
            self._cloud.blobs.adopt(tx, package.blob_id)
            tx.put(code_key(package.sha256), encode(Code(package.blob_id, package.size, package.unpacked_size, 0, [layer for layer, _ in package.layers])))
            for layer, size in package.layers:
                tx.put(image_layer_key(layer, package.sha256), encode(size))
        else:
            raise ServiceError("ServiceException", "The code was removed by another request. Please try again.", 500)
        self.keep(tx, package.sha256)
        if self._add_storage(tx, space, package.size) > CODE_STORAGE_BYTES_MAX:
            raise ServiceError("CodeStorageExceededException", "Code storage limit exceeded.", 400, fields={"Type": "User"})

    def hold_again(self, tx: Transaction, space: Space, sha256: str) -> None:
        """One more reference to a package that the store holds (a version is published of it)."""
        code = _code_in(tx, sha256)
        self.hold(tx, space, Package(sha256, code.size, code.unpacked_size, ""))

    def drop(self, tx: Transaction, space: Space, sha256: str) -> None:
        """One reference less."""
        self._add_storage(tx, space, -_code_in(tx, sha256).size)
        self.let_go(tx, sha256)

    def keep(self, tx: Transaction, sha256: str) -> None:
        """A reference that does not count as the account's storage (a layer's content, in a function)."""
        code = _code_in(tx, sha256)
        code.references += 1
        tx.put(code_key(sha256), encode(code))

    def let_go(self, tx: Transaction, sha256: str) -> None:
        """Undo `keep`. The last reference takes blob and folder with it."""
        code = _code_in(tx, sha256)
        code.references -= 1
        if code.references > 0:
            tx.put(code_key(sha256), encode(code))
            return
        tx.delete(code_key(sha256))
        self._cloud.blobs.release(tx, code.blob_id)
        for layer in code.layers:
            tx.delete(image_layer_key(layer, sha256))
        self._cloud.outbox.put(tx, REMOVE_CODE, {"sha256": sha256, "layers": code.layers})

    async def discard(self, package: Package) -> None:
        """A package that no transaction took after all."""
        if package.blob_id:
            await self._cloud.blobs.discard(package.blob_id)
            await self._remove({"sha256": package.sha256, "layers": [layer for layer, _ in package.layers]})

    async def prepare(self, sha256: str) -> Path:
        """The folder of an unpacked package, unpacked anew where it is missing (after a restore of the data without it)."""
        folder = self.folder_of(sha256)
        if not folder.is_dir():
            async with self._lock(sha256):
                if not folder.is_dir():
                    code = self._read(sha256)
                    if code is None:
                        raise ServiceError("CodeArtifactUserDeletedException", "The code of the function was deleted.", 409)
                    file = self._cloud.blobs.open(code.blob_id)
                    await _in_thread(lambda: self._unpack(file.read(0, file.size), sha256))
        return folder

    async def download(self, sha256: str) -> tuple[int, bytes | FileBody] | None:
        """The package as it was uploaded, behind its size in bytes."""
        code = self._read(sha256)
        return (code.size, await blob_body(self._cloud.blobs, code.blob_id, 0, code.size)) if code is not None else None

    def _read(self, sha256: str) -> Code | None:
        known = self._cloud.store.get(code_key(sha256))
        return decode(known, Code) if known is not None else None

    def _add_storage(self, tx: Transaction, space: Space, size: int) -> int:
        known = tx.get(storage_key(space))
        total = size + (decode(known, int) if known is not None else 0)
        tx.put(storage_key(space), encode(total))
        return total

    def _lock(self, sha256: str) -> asyncio.Lock:
        if len(self._locks) > 1024:
            self._locks = {name: lock for name, lock in self._locks.items() if lock.locked()}
        return self._locks.setdefault(sha256, asyncio.Lock())

    def _unpack(self, data: bytes, sha256: str) -> int:
        """Blocking. What has the final name is complete and on the disk."""
        folder = self.folder_of(sha256)
        fresh = self._folder / f"{sha256}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        size = unpack_package(data, fresh)
        if folder.is_dir():
            shutil.rmtree(fresh)
            return size
        os.sync()  # Once for all files: one by one, thousands of small ones would take seconds.
        os.rename(fresh, folder)
        return size

    async def _remove(self, payload: dict[str, Any]) -> None:
        sha256 = payload["sha256"]
        async with self._lock(sha256):
            if self._read(sha256) is None:
                await _in_thread(lambda: shutil.rmtree(self.folder_of(sha256), ignore_errors=True))
        await self.image_layers.remove_unused(payload.get("layers", ()))


def _code_in(tx: Transaction, sha256: str) -> Code:
    known = tx.get(code_key(sha256))
    if known is None:
        raise ServiceError("ServiceException", "The code was removed by another request. Please try again.", 500)
    return decode(known, Code)


async def _in_thread(work: Any) -> Any:
    return await asyncio.get_running_loop().run_in_executor(None, work)


async def fetch_package(call: Call, request: dict[str, Any], operation: str) -> bytes:
    """The package that a request brings along or names in S3 (read with the caller's own permission)."""
    if request.get("SourceKMSKeyArn"):
        raise NotBuilt(f"the parameter SourceKMSKeyArn of lambda:{operation} (packages are kept as they come)")
    if request.get("S3ObjectStorageMode", "COPY") != "COPY":
        raise NotBuilt(f"the parameter S3ObjectStorageMode of lambda:{operation} (packages are copied)")
    data = request.get("ZipFile")
    bucket, key = request.get("S3Bucket"), request.get("S3Key")
    if data is not None and bucket is not None:
        raise invalid("Please do not provide other FunctionCode parameters when providing a ZipFile.")
    if data is not None:
        if len(data) > CODE_ZIPPED_BYTES_MAX:
            message = f"Request must be smaller than {-(-CODE_ZIPPED_BYTES_MAX // 3) * 4} bytes for the {operation} operation"
            raise ServiceError("RequestEntityTooLargeException", message, 413)
        return bytes(data)
    if bucket is None or key is None:
        raise invalid("Please provide a source for function code.")
    wanted: dict[str, Any] = {"Bucket": bucket, "Key": key}
    if "S3ObjectVersion" in request:
        wanted["VersionId"] = request["S3ObjectVersion"]
    try:
        found = await call.invoke("s3:GetObject", wanted)
    except ServiceError as error:
        if error.code in ("AccessDenied", "AccessDeniedException"):
            raise ServiceError("AccessDeniedException", error.message, 403) from None
        raise invalid(f"Error occurred while GetObject. S3 Error Code: {error.code}. S3 Error Message: {error.message}") from None
    size = found.get("ContentLength", 0)
    if size > CODE_UNZIPPED_BYTES_MAX:
        raise invalid(f"Unzipped size must be smaller than {CODE_UNZIPPED_BYTES_MAX} bytes")
    parts, total = [], 0
    async for chunk in chunks_of(found["Body"]):
        total += len(chunk)
        if total > CODE_UNZIPPED_BYTES_MAX:
            raise invalid(f"Unzipped size must be smaller than {CODE_UNZIPPED_BYTES_MAX} bytes")
        parts.append(chunk)
    return b"".join(parts)
