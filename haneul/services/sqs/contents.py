"""What was sent with a message, and its bytes in the store."""

from __future__ import annotations

import msgspec


class Attribute(msgspec.Struct, array_like=True):
    """One message attribute: `text` for String and Number, `binary` for Binary."""

    type: str
    text: str | None = None
    binary: bytes | None = None


class Content(msgspec.Struct, array_like=True):
    """What was sent. `number` is the FIFO sequence number, `source` the ARN of the queue whose dead letter this is."""

    id: str
    body: str
    md5: str
    sender: str
    attributes: dict[str, Attribute] | None = None
    trace: str | None = None
    group: str | None = None
    deduplication: str | None = None
    number: int = 0
    source: str | None = None


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Content).decode
