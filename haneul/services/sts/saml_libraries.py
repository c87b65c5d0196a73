"""lxml and signxml, imported by the first SAML response: they take 40 ms and 7 MB that a cloud without SAML need not pay."""

from __future__ import annotations

import importlib
from functools import cached_property
from typing import Any

# Elements of lxml; it has no types of its own, and is not there to be named before it is loaded.
Element = Any


class SamlLibraries:
    """The one way to both libraries."""

    @cached_property
    def etree(self) -> Any:
        return importlib.import_module("lxml.etree")

    @cached_property
    def signxml(self) -> Any:
        return importlib.import_module("signxml")

    def parse(self, document: bytes) -> Element | None:
        """The root of a document; None for what is no XML, or has a document type: SAML has no use for one, and entities come from nowhere else."""
        etree = self.etree
        try:
            root = etree.fromstring(document, self._parser())
        except (etree.XMLSyntaxError, ValueError):
            return None
        return None if root is None or root.getroottree().docinfo.internalDTD is not None else root

    def detached(self, element: Element) -> Element:
        """An element as a document of its own."""
        return self.etree.fromstring(self.etree.tostring(element, with_tail=False), self._parser())

    def _parser(self) -> Any:
        return self.etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False)


def text_of(element: Element | None) -> str:
    """All text of an element; comments, with which a name can be cut in two, are passed over."""
    return "" if element is None else str(element.xpath("string()")).strip()
