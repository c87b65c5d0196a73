"""Reading a browser's form (multipart/form-data, RFC 7578): its fields, and then its file as a stream, since that may be large."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from haneul.services.s3.errors import incomplete_body, invalid_argument

FIELDS_BYTES_MAX = 20 * 1024
_BOUNDARY = re.compile(r'boundary=(?:"([^"]{1,70})"|([^;\s]{1,70}))', re.IGNORECASE)
_PARAMETER = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def is_form(request: HttpRequest) -> bool:
    return request.headers.get("content-type", "").lower().startswith("multipart/form-data")


class Form:
    """A form being read: `fields` (names in lower case) are those before the file; then `file` gives the file's bytes."""

    def __init__(self, request: HttpRequest) -> None:
        found = _BOUNDARY.search(request.headers.get("content-type", ""))
        if found is None:
            raise _malformed()
        self._delimiter = b"--" + (found[1] or found[2]).encode()
        self._whole = request.body
        self._stream = request.stream
        self._parts: AsyncIterator[bytes] = self._source()
        self._buffer = bytearray()
        self.fields: dict[str, str] = {}
        self.filename = ""

    async def _source(self) -> AsyncIterator[bytes]:
        if self._stream is None:
            yield self._whole
        else:
            async for part in self._stream:
                yield part

    async def _more(self) -> bool:
        async for part in self._parts:
            self._buffer += part
            return True
        return False

    async def _until(self, mark: bytes, limit: int) -> bytes:
        """What comes before `mark`; both are taken from the buffer."""
        while (at := self._buffer.find(mark)) < 0:
            if len(self._buffer) > limit:
                raise _too_long()
            if not await self._more():
                raise _malformed()
        taken = bytes(self._buffer[:at])
        del self._buffer[: at + len(mark)]
        return taken

    async def read_fields(self) -> None:
        """Read as far as the file's bytes. Errors: MalformedPOSTRequest, MaxPostPreDataLengthExceeded, InvalidArgument when there is no file."""
        await self._until(self._delimiter, FIELDS_BYTES_MAX)
        left = FIELDS_BYTES_MAX
        while True:
            after = await self._until(b"\r\n", 128)
            if after.startswith(b"--"):
                raise invalid_argument("POST requires exactly one file upload per request.", "file", "0")
            head = await self._until(b"\r\n\r\n", left)
            parameters = _read_head(head)
            name = parameters.get("name", "").lower()
            if name == "file":
                self.filename = parameters.get("filename", "")
                return
            value = await self._until(b"\r\n" + self._delimiter, left)
            left -= len(head) + len(value)
            if left < 0:
                raise _too_long()
            self.fields[name] = value.decode("utf-8", "replace")

    async def file(self, bytes_min: int, bytes_max: int) -> AsyncIterator[bytes]:
        """The file's bytes; fields behind it are passed over. Errors: EntityTooSmall, EntityTooLarge by the policy's limits, IncompleteBody."""
        mark = b"\r\n" + self._delimiter
        size = 0
        while True:
            at = self._buffer.find(mark)
            ready = at if at >= 0 else len(self._buffer) - len(mark) + 1
            if ready > 0:
                size += ready
                if size > bytes_max:
                    fields = {"ProposedSize": size, "MaxSizeAllowed": bytes_max}
                    raise ServiceError("EntityTooLarge", "Your proposed upload exceeds the maximum allowed size", 400, fields=fields)
                data = bytes(self._buffer[:ready])
                del self._buffer[:ready]
                yield data
            if at >= 0:
                break
            if not await self._more():
                raise incomplete_body()
        if size < bytes_min:
            fields = {"ProposedSize": size, "MinSizeAllowed": bytes_min}
            raise ServiceError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", 400, fields=fields)
        self._buffer.clear()
        while await self._more():
            self._buffer.clear()


def _read_head(head: bytes) -> dict[str, str]:
    """The parameters of a part's Content-Disposition. What type the browser thinks the file has does not count: a field says that."""
    for line in head.decode("utf-8", "replace").split("\r\n"):
        name, _, value = line.partition(":")
        if name.strip().lower() == "content-disposition":
            return {found[1].lower(): found[2].replace('\\"', '"') for found in _PARAMETER.finditer(value)}
    return {}


def _malformed() -> ServiceError:
    return ServiceError("MalformedPOSTRequest", "The body of your POST request is not well-formed multipart/form-data.", 400)


def _too_long() -> ServiceError:
    return ServiceError("MaxPostPreDataLengthExceeded", "Your POST request fields preceding the upload file were too large.", 400, fields={"MaxPostPreDataLengthBytes": FIELDS_BYTES_MAX})
