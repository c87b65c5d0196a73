"""Buckets: names, owners, regions."""

from __future__ import annotations

from json import dumps
from typing import Any

import pytest
from botocore.handlers import validate_bucket_name

from tests.s3.support import refusal
from tests.support.running import Running


@pytest.mark.parametrize("name", ["ab", "UPPER", "has_underscore", "-begins", "ends-", "two..dots", "192.168.1.1", "xn--x", "a" * 64, "sthree-x", "x-s3alias"])
def test_names_that_break_the_rules(s3: Any, name: str) -> None:
    """The naming rules of general purpose buckets are checked before anything else (botocore's own check is bypassed)."""
    s3.meta.events.unregister("before-parameter-build.s3", validate_bucket_name)
    assert refusal(lambda: s3.create_bucket(Bucket=name)) == ("InvalidBucketName", 400)


def test_a_bucket_is_made_seen_and_removed(s3: Any) -> None:
    """The life of a bucket, as every tool begins with it."""
    made = s3.create_bucket(Bucket="life")
    assert made["Location"] == "/life"
    assert s3.head_bucket(Bucket="life")["BucketRegion"] == "us-east-1"
    assert "life" in [one["Name"] for one in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket="life").get("LocationConstraint") is None
    s3.delete_bucket(Bucket="life")
    assert refusal(lambda: s3.head_bucket(Bucket="life")) == ("404", 404)
    assert refusal(lambda: s3.list_objects_v2(Bucket="life")) == ("NoSuchBucket", 404)


def test_a_bucket_that_is_not_empty_stays(s3: Any, bucket: str) -> None:
    """Deleting a bucket never deletes objects."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refusal(lambda: s3.delete_bucket(Bucket=bucket)) == ("BucketNotEmpty", 409)


def test_names_are_global(cloud: Running, s3: Any, bucket: str) -> None:
    """Another account cannot have the name; the owner in us-east-1 is answered 200, elsewhere that it owns the bucket already."""
    other = cloud.client("s3", key="111122223333", secret="test")
    assert refusal(lambda: other.create_bucket(Bucket=bucket)) == ("BucketAlreadyExists", 409)
    s3.create_bucket(Bucket=bucket)
    west = cloud.client("s3", region="eu-west-1")
    west.create_bucket(Bucket="in-the-west", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    again = lambda: west.create_bucket(Bucket="in-the-west", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})  # noqa: E731
    assert refusal(again) == ("BucketAlreadyOwnedByYou", 409)


def test_location_constraints(cloud: Running, s3: Any) -> None:
    """A regional endpoint makes buckets of its own region only."""
    west = cloud.client("s3", region="eu-west-1")
    assert refusal(lambda: west.create_bucket(Bucket="no-constraint")) == ("IllegalLocationConstraintException", 400)
    wrong = {"LocationConstraint": "eu-central-1"}
    assert refusal(lambda: west.create_bucket(Bucket="other-region", CreateBucketConfiguration=wrong)) == ("IllegalLocationConstraintException", 400)
    assert refusal(lambda: s3.create_bucket(Bucket="no-region", CreateBucketConfiguration={"LocationConstraint": "us-east-1"})) == ("InvalidLocationConstraint", 400)


def test_a_request_for_another_region_is_redirected(cloud: Running, s3: Any) -> None:
    """SDKs find the bucket's region by the redirect and try again there."""
    west = cloud.client("s3", region="eu-west-1")
    west.create_bucket(Bucket="redirected", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_object(Bucket="redirected", Key="k", Body=b"found")
    assert west.get_object(Bucket="redirected", Key="k")["Body"].read() == b"found"
    assert west.get_bucket_location(Bucket="redirected")["LocationConstraint"] == "eu-west-1"


def test_accounts_do_not_see_each_others_buckets(cloud: Running, bucket: str) -> None:
    """ListBuckets is the account's own list, and a foreign bucket without a policy is closed."""
    other = cloud.client("s3", key="444455556666", secret="test")
    assert other.list_buckets()["Buckets"] == []
    assert refusal(lambda: other.list_objects_v2(Bucket=bucket)) == ("AccessDenied", 403)
    assert refusal(lambda: other.get_object(Bucket=bucket, Key="k")) == ("AccessDenied", 403)


def test_buckets_are_listed_in_pages(cloud: Running) -> None:
    """MaxBuckets and the token lead through all of them once, in order."""
    owner = cloud.client("s3", key="777788889999", secret="test")
    names = [f"page-{number}" for number in range(5)]
    for name in reversed(names):
        owner.create_bucket(Bucket=name)
    seen, more = [], {}
    while True:
        page = owner.list_buckets(MaxBuckets=2, **more)
        seen += [one["Name"] for one in page["Buckets"]]
        if "ContinuationToken" not in page:
            break
        more = {"ContinuationToken": page["ContinuationToken"]}
    assert seen == names
    assert [one["Name"] for one in owner.list_buckets(Prefix="page-3")["Buckets"]] == ["page-3"]


def test_expected_owner(s3: Any, bucket: str) -> None:
    """x-amz-expected-bucket-owner protects from a bucket that has changed hands."""
    s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner="000000000000")
    assert refusal(lambda: s3.list_objects_v2(Bucket=bucket, ExpectedBucketOwner="999999999999")) == ("AccessDenied", 403)


def test_what_a_new_bucket_is_like(s3: Any, bucket: str) -> None:
    """Since 2023: public access blocked, ownership enforced, AES256; and no configuration that nobody has put."""
    block = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    assert set(block.values()) == {True}
    assert s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
    assert rules[0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert "Status" not in s3.get_bucket_versioning(Bucket=bucket)
    assert refusal(lambda: s3.get_bucket_policy(Bucket=bucket)) == ("NoSuchBucketPolicy", 404)
    assert refusal(lambda: s3.get_bucket_cors(Bucket=bucket)) == ("NoSuchCORSConfiguration", 404)
    assert refusal(lambda: s3.get_bucket_tagging(Bucket=bucket)) == ("NoSuchTagSet", 404)
    assert refusal(lambda: s3.get_bucket_website(Bucket=bucket)) == ("NoSuchWebsiteConfiguration", 404)
    assert refusal(lambda: s3.get_bucket_lifecycle_configuration(Bucket=bucket)) == ("NoSuchLifecycleConfiguration", 404)
    assert refusal(lambda: s3.get_object_lock_configuration(Bucket=bucket)) == ("ObjectLockConfigurationNotFoundError", 404)
    assert s3.get_bucket_request_payment(Bucket=bucket)["Payer"] == "BucketOwner"


def test_acls_are_off(s3: Any, bucket: str) -> None:
    """With ownership enforced only ACLs that change nothing are taken."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="bucket-owner-full-control")
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="public-read")) == ("AccessControlListNotSupported", 400)
    assert refusal(lambda: s3.put_bucket_acl(Bucket=bucket, ACL="public-read")) == ("AccessControlListNotSupported", 400)
    acl = s3.get_bucket_acl(Bucket=bucket)
    assert acl["Grants"][0]["Permission"] == "FULL_CONTROL" and acl["Grants"][0]["Grantee"]["ID"] == acl["Owner"]["ID"]
    s3.put_bucket_acl(Bucket=bucket, AccessControlPolicy={"Owner": acl["Owner"], "Grants": acl["Grants"]})


def test_buckets_with_acls(s3: Any, bucket: str) -> None:
    """Without enforced ownership there are ACLs: private ones, as all are by default, can be put; those that let others in say that they are not built."""
    controls = lambda: s3.get_bucket_ownership_controls(Bucket=bucket)["OwnershipControls"]["Rules"]  # noqa: E731
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    assert controls() == [{"ObjectOwnership": "BucketOwnerPreferred"}]
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="private")
    s3.put_object_acl(Bucket=bucket, Key="k", ACL="private")
    assert refusal(lambda: s3.put_bucket_acl(Bucket=bucket, ACL="public-read")) == ("NotImplemented", 501)
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", ACL="public-read")) == ("NotImplemented", 501)
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert refusal(controls) == ("OwnershipControlsNotFoundError", 404)
    s3.put_bucket_acl(Bucket=bucket, ACL="private")
    assert refusal(lambda: s3.put_object_acl(Bucket=bucket, Key="k", GrantRead="id=x")) == ("NotImplemented", 501)
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]})
    assert refusal(lambda: s3.put_bucket_acl(Bucket=bucket, ACL="private")) == ("AccessControlListNotSupported", 400)


def test_what_other_accounts_write(cloud: Running, s3: Any, bucket: str) -> None:
    """Where ownership is not enforced it would be theirs, which is not built; where the owner is preferred they can give it away (User Guide, "Controlling ownership")."""
    foreign = cloud.client("s3", key="111122223333", secret="test")
    statement = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=dumps({"Version": "2012-10-17", "Statement": [statement]}))
    write = lambda **more: lambda: foreign.put_object(Bucket=bucket, Key="k", Body=b"", **more)  # noqa: E731
    write()()
    s3.put_bucket_ownership_controls(Bucket=bucket, OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerPreferred"}]})
    assert refusal(write()) == ("NotImplemented", 501)
    write(ACL="bucket-owner-full-control")()
    s3.delete_bucket_ownership_controls(Bucket=bucket)
    assert refusal(write(ACL="bucket-owner-full-control")) == ("NotImplemented", 501)


def test_what_is_not_built_says_so(s3: Any, bucket: str) -> None:
    """Nothing reports success for work that was not done."""
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", ServerSideEncryption="aws:kms")) == ("NotImplemented", 501)
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", StorageClass="GLACIER")) == ("NotImplemented", 501)
    for lock in ({"ObjectLockMode": "GOVERNANCE"}, {"ObjectLockEventHoldDurationDays": 1}, {"ChecksumSHA512": "x"}):
        assert refusal(lambda lock=lock: s3.put_object(Bucket=bucket, Key="k", Body=b"", **lock)) == ("NotImplemented", 501)
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    assert refusal(lambda: s3.copy_object(Bucket=bucket, Key="l", CopySource=f"{bucket}/k", AnnotationDirective="EXCLUDE")) == ("NotImplemented", 501)
    assert refusal(lambda: s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)) == ("NotImplemented", 501)
    assert refusal(lambda: s3.put_bucket_accelerate_configuration(Bucket=bucket, AccelerateConfiguration={"Status": "Enabled"})) == ("NotImplemented", 501)


def test_configurations_go_back_to_what_they_were(s3: Any, bucket: str) -> None:
    """Deleting one is no error where there is none; AWS encrypts with its own key whatever is deleted."""
    s3.delete_bucket_encryption(Bucket=bucket)
    assert s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"][0]["ApplyServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    s3.put_bucket_website(Bucket=bucket, WebsiteConfiguration={"IndexDocument": {"Suffix": "index.html"}})
    s3.delete_bucket_website(Bucket=bucket)
    s3.delete_bucket_website(Bucket=bucket)
    assert refusal(lambda: s3.get_bucket_website(Bucket=bucket)) == ("NoSuchWebsiteConfiguration", 404)
    assert "Status" not in s3.get_bucket_accelerate_configuration(Bucket=bucket)
    assert "LoggingEnabled" not in s3.get_bucket_logging(Bucket=bucket)
    assert refusal(lambda: s3.get_bucket_replication(Bucket=bucket)) == ("ReplicationConfigurationNotFoundError", 404)
    for kind in ("analytics", "intelligent_tiering", "inventory", "metrics"):
        listing, one = getattr(s3, f"list_bucket_{kind}_configurations"), getattr(s3, f"get_bucket_{kind}_configuration")
        found = listing(Bucket=bucket)
        assert found["IsTruncated"] is False and set(found) == {"IsTruncated", "ResponseMetadata"}
        assert refusal(lambda listing=listing: listing(Bucket=bucket, ContinuationToken="x")) == ("InvalidArgument", 400)
        assert refusal(lambda one=one: one(Bucket=bucket, Id="i")) == ("NoSuchConfiguration", 404)
        assert refusal(lambda listing=listing: listing(Bucket=f"{bucket}-not-there")) == ("NoSuchBucket", 404)


def test_bucket_tags(s3: Any, bucket: str) -> None:
    """Tags of a bucket are replaced as a whole."""
    s3.put_bucket_tagging(Bucket=bucket, Tagging={"TagSet": [{"Key": "a", "Value": "1"}]})
    assert s3.get_bucket_tagging(Bucket=bucket)["TagSet"] == [{"Key": "a", "Value": "1"}]
    double = {"TagSet": [{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]}
    assert refusal(lambda: s3.put_bucket_tagging(Bucket=bucket, Tagging=double)) == ("InvalidTag", 400)
    s3.delete_bucket_tagging(Bucket=bucket)
    assert refusal(lambda: s3.get_bucket_tagging(Bucket=bucket)) == ("NoSuchTagSet", 404)


def test_a_new_bucket_takes_no_acl(s3: Any) -> None:
    """What is not private contradicts the ownership that new buckets enforce, and has an error of its own (API Reference: CreateBucket)."""
    make = lambda **more: lambda: s3.create_bucket(Bucket="with-an-acl", **more)  # noqa: E731
    assert refusal(make(ACL="public-read")) == ("InvalidBucketAclWithObjectOwnership", 400)
    assert refusal(make(GrantRead="id=x", ObjectOwnership="BucketOwnerEnforced")) == ("InvalidBucketAclWithObjectOwnership", 400)
    make(ACL="private")()
