"""Whatever is done to a signed response, it says what its identity provider signed, or nothing."""

from __future__ import annotations

import base64
import copy
from typing import Any

from cryptography.hazmat.primitives import serialization
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree

from haneul.core.errors import ServiceError
from haneul.core.ports import TrustedSamlProvider
from haneul.services.sts.saml_claims import SamlIdentity, read_claims
from haneul.services.sts.saml_response import read_response
from tests.support.saml_idp import ENTITY, IdentityProvider, Said, encrypted, new_key, pem

ARN = "arn:aws:iam::000000000000:saml-provider/Corp"
SECONDS = 1_800_000_000
IDP, KEY = IdentityProvider(), new_key()
CERTIFICATE = IDP.certificate.public_bytes(serialization.Encoding.DER)
PROVIDER = TrustedSamlProvider(ARN, "000000000000", "Corp", "ASPA", ENTITY, (CERTIFICATE,), (pem(KEY).encode(),), False)
SAID = Said([f"arn:aws:iam::000000000000:role/r,{ARN}"], attributes={"PrincipalTag:team": ["red"]})
SIGNED = (IDP.with_signed_assertion(IDP.response(SAID, SECONDS)), IDP.sign(IDP.response(SAID, SECONDS)))
# Where the name of the assertion's attribute Version begins: a name with more than ASCII in it was once written down as what is no XML.
ODD = etree.tostring(SIGNED[0]).index(b"Version=", etree.tostring(SIGNED[0]).index(b"<saml:Assertion"))


def said(document: bytes) -> SamlIdentity | None:
    try:
        return read_claims(read_response(base64.b64encode(document).decode(), PROVIDER), PROVIDER, SECONDS * 10**9)
    except ServiceError:
        return None


TRUTH = said(etree.tostring(SIGNED[0]))
assert TRUTH is not None


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SIGNED), st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 3), st.binary(min_size=1, max_size=6)), min_size=1, max_size=4))
@example(SIGNED[0], [(ODD, 0, "À".encode())])
def test_changed_bytes(document: Any, changes: list[tuple[int, int, bytes]]) -> None:
    """Replaced, inserted and removed bytes: nothing new is said, and nothing breaks."""
    text = bytearray(etree.tostring(document))
    for at, kind, data in changes:
        at %= len(text)
        text[at : at + (0 if kind == 1 else len(data))] = b"" if kind == 2 else data
    assert said(bytes(text)) in (None, TRUTH)


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(SIGNED), st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100), st.integers(0, 3)), min_size=1, max_size=5))
def test_moved_elements(document: Any, moves: list[tuple[int, int, int]]) -> None:
    """Elements moved, copied, doubled and renamed among each other, signatures included."""
    root = copy.deepcopy(document)
    for which, where, kind in moves:
        nodes = list(root.iter())
        node, place = nodes[which % len(nodes)], nodes[where % len(nodes)]
        if kind == 3:
            node.text = "root@example.com"
        elif kind == 2:
            node.set("ID", place.get("ID", "_a1"))
        else:
            taken = copy.deepcopy(node)
            if kind == 1 and node.getparent() is not None and place not in node.iter():
                node.getparent().remove(node)
            place.insert(where % (len(place) + 1), taken)
    assert said(etree.tostring(root)) in (None, TRUTH)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["aes128-cbc", "aes256-gcm"]), st.integers(0, 5000), st.integers(1, 255))
def test_changed_ciphertext(method: str, at: int, change: int) -> None:
    """A changed EncryptedAssertion opens to what was signed, or to nothing."""
    response = copy.deepcopy(SIGNED[0])
    assertion = response.find("{urn:oasis:names:tc:SAML:2.0:assertion}Assertion")
    sealed = encrypted(etree.tostring(assertion), KEY, method)
    values = sealed.findall(".//{http://www.w3.org/2001/04/xmlenc#}CipherValue")
    value = values[at % len(values)]
    data = bytearray(base64.b64decode(value.text))
    data[at % len(data)] ^= change
    value.text = base64.b64encode(data).decode()
    response.replace(assertion, sealed)
    assert said(etree.tostring(response)) in (None, TRUTH)


def test_the_truth_itself() -> None:
    """Untouched, both ways of signing say the same."""
    assert said(etree.tostring(SIGNED[1])) == TRUTH
