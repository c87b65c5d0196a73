"""XML from strangers: parsed without entities, document types or anything fetched. lxml, 5 MB of it, is loaded by the first SAML response."""

from __future__ import annotations

from typing import Any

from haneul.core.lazy import LazyModule

etree = LazyModule("lxml.etree")

# Elements of lxml, which has no types of its own.
Element = Any


def parse(document: bytes) -> Element | None:
    """The root of a document; None for what is no XML, or has a document type: SAML has no use for one, and entities come from nowhere else."""
    try:
        root = etree.fromstring(document, etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False))
    except (etree.XMLSyntaxError, ValueError):
        return None
    return None if root is None or root.getroottree().docinfo.internalDTD is not None else root


def detached(element: Element) -> Element | None:
    """An element as a document of its own; None for one that cannot be written down as such."""
    return parse(etree.tostring(element, encoding="utf-8", with_tail=False))


def text_of(element: Element | None) -> str:
    """All text of an element; comments, with which a name can be cut in two, are passed over."""
    return "" if element is None else str(element.xpath("string()")).strip()
