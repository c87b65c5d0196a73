"""Layers and images in the store: what refers to what, and what goes when nothing does any more.

A blob is kept once for all repositories; a repository's layer is a reference to it, and images are references to layers. All functions work
inside a transaction.
"""

from __future__ import annotations

from haneul.core.cloud import Cloud
from haneul.core.operation import Shape
from haneul.services.ecr import errors
from haneul.services.ecr.limits import TAGS_PER_IMAGE_MAX, UPLOAD_KEPT
from haneul.services.ecr.manifests import LISTS, Manifest
from haneul.services.ecr.names import Place
from haneul.services.ecr.records import Blob, Image, Layer, Repository, blob_key, find_blob, find_image, find_layer, repository_in, tagged_digest
from haneul.services.ecr.tag_mutability import is_immutable
from haneul.store.port import Transaction
from haneul.store.records import encode

UNUSED_LAYER = "ecr-unused-layer"


class Contents:
    """Changes to what repositories hold."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud

    # ---- layers

    def link_new(self, tx: Transaction, place: Place, digest: str, blob_id: str, size: int) -> None:
        """The repository has a layer that was just uploaded as `blob_id`; where the content is known already the new copy goes."""
        blobs = self._cloud.blobs
        blobs.adopt(tx, blob_id)
        blob = find_blob(tx, digest)
        if blob is None:
            blob = Blob(blob_id, size)
        else:
            blobs.release(tx, blob_id)
        self._link(tx, place, digest, blob)

    def link_known(self, tx: Transaction, place: Place, digest: str) -> bool:
        """The repository has a layer that another one has; False when nobody has it."""
        blob = find_blob(tx, digest)
        if blob is not None:
            self._link(tx, place, digest, blob)
        return blob is not None

    def _link(self, tx: Transaction, place: Place, digest: str, blob: Blob) -> None:
        if find_layer(tx, place, digest) is None:
            blob.repositories += 1
            tx.put(blob_key(digest), encode(blob))
            tx.put(place.key("layer", digest), encode(Layer(blob.size)))
        due = self._cloud.clock.now() + UPLOAD_KEPT
        self._cloud.outbox.put(tx, UNUSED_LAYER, {"place": list(place), "digest": digest}, due=due, key=f"{place.arn} {digest}")

    def unlink(self, tx: Transaction, place: Place, digest: str) -> None:
        """The repository lets go of a layer; the last one takes the blob with it."""
        tx.delete(place.key("layer", digest))
        self._cloud.outbox.cancel(tx, UNUSED_LAYER, f"{place.arn} {digest}")
        blob = find_blob(tx, digest)
        if blob is None:
            return
        blob.repositories -= 1
        if blob.repositories > 0:
            tx.put(blob_key(digest), encode(blob))
        else:
            tx.delete(blob_key(digest))
            self._cloud.blobs.release(tx, blob.blob_id)

    # ---- images

    def put_image(self, tx: Transaction, place: Place, data: bytes, manifest: Manifest, tag: str | None) -> bool:
        """Add an image, or a tag to one; False when both were there already."""
        repository = repository_in(tx, place)
        image = find_image(tx, place, manifest.digest)
        if image is not None and (tag is None or tag in image.tags):
            return False
        if tag is not None:
            self._check_tag(tx, place, repository, tag)
        if image is None:
            image = self._new_image(tx, place, data, manifest)
        if tag is not None:
            if len(image.tags) >= TAGS_PER_IMAGE_MAX:
                raise errors.limit_exceeded(f"An image may have at most {TAGS_PER_IMAGE_MAX} tags.")
            self._take_tag(tx, place, tag)
            image.tags.append(tag)
            tx.put(place.key("tag", tag), manifest.digest.encode())
        tx.put(place.key("image", manifest.digest), encode(image))
        return True

    def _check_tag(self, tx: Transaction, place: Place, repository: Repository, tag: str) -> None:
        if is_immutable(repository, tag) and tagged_digest(tx, place, tag) is not None:
            raise errors.tag_exists(place, tag)

    def _take_tag(self, tx: Transaction, place: Place, tag: str) -> None:
        digest = tagged_digest(tx, place, tag)
        former = find_image(tx, place, digest) if digest is not None else None
        if digest is not None and former is not None:
            former.tags.remove(tag)
            tx.put(place.key("image", digest), encode(former))

    def _new_image(self, tx: Transaction, place: Place, data: bytes, manifest: Manifest) -> Image:
        image = Image(data, manifest.media_type, manifest.artifact_type, 0, self._cloud.clock.now(), list(manifest.layers), manifest.children, manifest.subject)
        layers = {digest: find_layer(tx, place, digest) for digest in manifest.layers}
        if missing := [digest for digest, layer in layers.items() if layer is None]:
            raise errors.layers_not_found(place, missing)
        for digest, layer in layers.items():
            assert layer is not None
            layer.images += 1
            layer.media_type = manifest.layers[digest]
            image.size += layer.size
            tx.put(place.key("layer", digest), encode(layer))
        children = {digest: find_image(tx, place, digest) for digest in manifest.children}
        if missing := [digest for digest, child in children.items() if child is None]:
            raise errors.images_not_found(place, missing)
        for digest, child in children.items():
            assert child is not None
            child.parents += 1
            if manifest.media_type in LISTS:  # A list is shown as large as the largest of its images.
                image.size = max(image.size, child.size)
            tx.put(place.key("image", digest), encode(child))
        if manifest.subject:
            tx.put(place.key("referrer", manifest.subject, manifest.digest), b"")
        return image

    def delete_image(self, tx: Transaction, place: Place, digest: str, image: Image) -> None:
        """Remove an image with its tags and everything that only it needed. It must not have parents, unless they go as well."""
        for tag in image.tags:
            tx.delete(place.key("tag", tag))
        tx.delete(place.key("image", digest))
        if image.subject:
            tx.delete(place.key("referrer", image.subject, digest))
        for child_digest in image.children:
            child = find_image(tx, place, child_digest)
            if child is not None:
                child.parents -= 1
                tx.put(place.key("image", child_digest), encode(child))
        for layer_digest in image.layers:
            layer = find_layer(tx, place, layer_digest)
            if layer is None:
                continue
            layer.images -= 1
            if layer.images > 0:
                tx.put(place.key("layer", layer_digest), encode(layer))
            else:
                self.unlink(tx, place, layer_digest)

    def untag(self, tx: Transaction, place: Place, digest: str, image: Image, tag: str) -> None:
        """Take a tag from an image that keeps others."""
        image.tags.remove(tag)
        tx.delete(place.key("tag", tag))
        tx.put(place.key("image", digest), encode(image))

    async def expire_layer(self, payload: Shape) -> None:
        """The timer of a layer that was uploaded: if no image has come to need it, it goes."""
        place, digest = Place(*payload["place"]), payload["digest"]

        def work(tx: Transaction) -> None:
            layer = find_layer(tx, place, digest)
            if layer is not None and layer.images == 0:
                self.unlink(tx, place, digest)

        await self._cloud.store.transact(work)
