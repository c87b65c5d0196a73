"""A cloud of identities only, shared by the tests of a file."""

from tests.iam.conftest import cloud, fresh_cloud, iam

__all__ = ["cloud", "fresh_cloud", "iam"]
