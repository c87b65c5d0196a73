"""Layers of container images at rest: each is unpacked once into a folder named by the digest of its content, whatever images have it."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import IO

from haneul.core.cloud import Cloud
from haneul.runtime.images_unpack import BadLayer, unpack_layer
from haneul.services.lambda_.records import image_layer_prefix
from haneul.store.keys import prefix_range
from haneul.store.records import decode

_LOCKS_KEPT = 1024


class ImageLayers:
    """The unpacked layers of all images of this cloud, below `folder`. The store knows which images have which (`image_layer_key`)."""

    def __init__(self, cloud: Cloud, folder: Path) -> None:
        self._cloud = cloud
        self._folder = folder
        self._locks: dict[str, asyncio.Lock] = {}

    def start(self) -> None:
        """Remove what an earlier run had unpacked and no transaction had taken."""
        if self._folder.is_dir():
            for folder in list(self._folder.iterdir()):
                if not self._is_used(folder.name):
                    shutil.rmtree(folder, ignore_errors=True)

    def folder_of(self, layer: str) -> Path:
        return self._folder / layer

    def is_there(self, layer: str) -> bool:
        return self.folder_of(layer).is_dir()

    async def unpack(self, layer: str, archive: IO[bytes], limit_bytes: int) -> int:
        """Unpack and close `archive`, whose content must have the SHA-256 `layer`; returns its uncompressed size. Raises BadLayer, TooLarge, OSError."""
        if len(self._locks) > _LOCKS_KEPT:
            self._locks = {name: lock for name, lock in self._locks.items() if lock.locked()}
        async with self._locks.setdefault(layer, asyncio.Lock()):
            return await asyncio.get_running_loop().run_in_executor(None, self._unpack, layer, archive, limit_bytes)

    def size_of(self, layer: str) -> int | None:
        """The uncompressed size of a layer that is unpacked here and that an image has; None for any other."""
        rows = self._cloud.store.range(*prefix_range(image_layer_prefix(layer)), 1)
        return decode(rows[0][1], int) if rows and self.is_there(layer) else None

    def _unpack(self, layer: str, archive: IO[bytes], limit_bytes: int) -> int:
        """Blocking. What has the final name is complete and on the disk."""
        self._folder.mkdir(parents=True, exist_ok=True)
        fresh = self._folder / f"{layer}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        with archive:
            digest, size = unpack_layer(archive, str(fresh), limit_bytes)
        if digest != layer:
            shutil.rmtree(fresh)
            raise BadLayer("the content of a layer is not what the image's configuration says")
        if self.is_there(layer):
            shutil.rmtree(fresh)
            return size
        os.sync()  # Once for all files: one by one, thousands of small ones would take seconds.
        os.rename(fresh, self.folder_of(layer))
        return size

    async def remove_unused(self, layers: Iterable[str]) -> None:
        """Remove those that no image has any more. Should a function take one up at the same moment, it is fetched again when the function runs."""
        for layer in layers:
            if not self._is_used(layer):
                gone = self._folder / f"{layer}.gone"
                if self.is_there(layer):
                    os.rename(self.folder_of(layer), gone)  # At once, so that nobody finds it half removed.
                    await asyncio.get_running_loop().run_in_executor(None, lambda gone=gone: shutil.rmtree(gone, ignore_errors=True))  # type: ignore[misc]

    def _is_used(self, layer: str) -> bool:
        return bool(self._cloud.store.range(*prefix_range(image_layer_prefix(layer)), 1))
