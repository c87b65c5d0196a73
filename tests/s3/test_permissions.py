"""Who may do what: identity policies, bucket policies, anonymous access, condition keys."""

from __future__ import annotations

from collections.abc import Callable
from json import dumps
from typing import Any

import pytest

from haneul.services.s3.actions import ACTIONS as POLICY_ACTIONS
from haneul.services.s3.service import S3
from tests.s3.support import fetch, message, refusal
from tests.support.running import Running


def open_to_policies(s3: Any, bucket: str) -> None:
    s3.delete_public_access_block(Bucket=bucket)


def policy(*statements: dict[str, Any]) -> str:
    return dumps({"Version": "2012-10-17", "Statement": list(statements)})


def test_a_user_without_a_policy_may_nothing(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """Denied by default, in AWS's words."""
    nobody = user()
    assert refusal(lambda: nobody.get_object(Bucket=bucket, Key="k")) == ("AccessDenied", 403)
    text = message(lambda: nobody.put_object(Bucket=bucket, Key="k", Body=b""))
    assert "is not authorized to perform: s3:PutObject" in text and "no identity-based policy allows the s3:PutObject action" in text


def test_missing_keys_are_told_only_to_those_who_may_list(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """403 instead of 404 without s3:ListBucket."""
    reader = user("s3:GetObject")
    assert refusal(lambda: reader.get_object(Bucket=bucket, Key="none")) == ("AccessDenied", 403)
    lister = user("s3:GetObject", "s3:ListBucket")
    assert refusal(lambda: lister.get_object(Bucket=bucket, Key="none")) == ("NoSuchKey", 404)


ACTIONS: list[tuple[str, Callable[[Any, str], Any]]] = [
    ("s3:ListBucket", lambda c, b: c.list_objects_v2(Bucket=b)),
    ("s3:ListBucket", lambda c, b: c.head_bucket(Bucket=b)),
    ("s3:ListBucketVersions", lambda c, b: c.list_object_versions(Bucket=b)),
    ("s3:ListBucketMultipartUploads", lambda c, b: c.list_multipart_uploads(Bucket=b)),
    ("s3:ListAllMyBuckets", lambda c, b: c.list_buckets()),
    ("s3:GetObject", lambda c, b: c.head_object(Bucket=b, Key="k")),
    ("s3:GetObjectVersion", lambda c, b: c.get_object(Bucket=b, Key="k", VersionId="null")),
    ("s3:GetObjectTagging", lambda c, b: c.get_object_tagging(Bucket=b, Key="k")),
    ("s3:PutObject", lambda c, b: c.put_object(Bucket=b, Key="new", Body=b"")),
    ("s3:PutObject", lambda c, b: c.create_multipart_upload(Bucket=b, Key="new")),
    ("s3:DeleteObject", lambda c, b: c.delete_object(Bucket=b, Key="new")),
    ("s3:DeleteObjectVersion", lambda c, b: c.delete_object(Bucket=b, Key="new", VersionId="null")),
    ("s3:PutObjectTagging", lambda c, b: c.put_object_tagging(Bucket=b, Key="k", Tagging={"TagSet": []})),
    ("s3:PutBucketVersioning", lambda c, b: c.put_bucket_versioning(Bucket=b, VersioningConfiguration={"Status": "Suspended"})),
    ("s3:PutBucketCORS", lambda c, b: c.delete_bucket_cors(Bucket=b)),
    ("s3:PutLifecycleConfiguration", lambda c, b: c.delete_bucket_lifecycle(Bucket=b)),
    ("s3:GetEncryptionConfiguration", lambda c, b: c.get_bucket_encryption(Bucket=b)),
    ("s3:GetBucketPublicAccessBlock", lambda c, b: c.get_public_access_block(Bucket=b)),
    ("s3:PutBucketNotification", lambda c, b: c.put_bucket_notification_configuration(Bucket=b, NotificationConfiguration={})),
    ("s3:CreateBucket", lambda c, b: c.create_bucket(Bucket=f"{b[:40]}-made")),
    ("s3:DeleteBucketPolicy", lambda c, b: c.delete_bucket_policy(Bucket=b)),
    ("s3:GetBucketLocation", lambda c, b: c.get_bucket_location(Bucket=b)),
]


@pytest.mark.parametrize(("action", "call"), ACTIONS, ids=[f"{action[3:]}-{number}" for number, (action, _) in enumerate(ACTIONS)])
def test_the_action_that_each_operation_needs(s3: Any, bucket: str, user: Callable[..., Any], action: str, call: Callable[[Any, str], Any]) -> None:
    """The Service Authorization Reference's mapping: with just this action it works, with others it does not."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    call(user(action), bucket)
    code, status = refusal(lambda: call(user("s3:Get*" if action.startswith("s3:Put") else "s3:Put*"), bucket))
    assert status == 403 and code in ("AccessDenied", "403")


def test_prefix_conditions(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """The classic home folder: listing only below one's own prefix."""
    home = user("s3:ListBucket", condition={"StringLike": {"s3:prefix": "home/me/*"}})
    home.list_objects_v2(Bucket=bucket, Prefix="home/me/x")
    assert refusal(lambda: home.list_objects_v2(Bucket=bucket, Prefix="home/you/")) == ("AccessDenied", 403)
    assert refusal(lambda: home.list_objects_v2(Bucket=bucket)) == ("AccessDenied", 403)


def test_tag_conditions(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """An object's own tags may decide who reads it, and tags in a put need their own permission."""
    s3.put_object(Bucket=bucket, Key="open", Body=b"x", Tagging="level=open")
    s3.put_object(Bucket=bucket, Key="secret", Body=b"x", Tagging="level=secret")
    reader = user("s3:GetObject", condition={"StringEquals": {"s3:ExistingObjectTag/level": "open"}})
    reader.get_object(Bucket=bucket, Key="open")
    assert refusal(lambda: reader.get_object(Bucket=bucket, Key="secret")) == ("AccessDenied", 403)
    writer = user("s3:PutObject")
    assert refusal(lambda: writer.put_object(Bucket=bucket, Key="t", Body=b"", Tagging="a=1")) == ("AccessDenied", 403)


def test_copies_need_both_sides(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """Reading the source and writing the target are two permissions."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    copy = lambda client: lambda: client.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")  # noqa: E731
    assert refusal(copy(user("s3:PutObject"))) == ("AccessDenied", 403)
    assert refusal(copy(user("s3:GetObject"))) == ("AccessDenied", 403)
    copy(user("s3:GetObject", "s3:PutObject"))()


def test_delete_objects_decides_key_by_key(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """Refused keys are told one by one; the others are gone."""
    for key in ("mine/a", "yours/a"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    mine = user("s3:DeleteObject", resource=f"arn:aws:s3:::{bucket}/mine/*")
    done = mine.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "mine/a"}, {"Key": "yours/a"}]})
    assert [one["Key"] for one in done["Deleted"]] == ["mine/a"]
    assert [(one["Key"], one["Code"]) for one in done["Errors"]] == [("yours/a", "AccessDenied")]


def test_a_bucket_policy_lets_others_in(cloud: Running, s3: Any, bucket: str) -> None:
    """Across accounts the bucket's policy and the caller's own account must both agree; root of the other account may delegate."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"shared")
    other = cloud.client("s3", key="111122223333", secret="test")
    assert refusal(lambda: other.get_object(Bucket=bucket, Key="k")) == ("AccessDenied", 403)
    allow = {"Effect": "Allow", "Principal": {"AWS": "111122223333"}, "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(allow))
    assert other.get_object(Bucket=bucket, Key="k")["Body"].read() == b"shared"
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is False
    s3.delete_bucket_policy(Bucket=bucket)
    assert refusal(lambda: other.get_object(Bucket=bucket, Key="k")) == ("AccessDenied", 403)


def test_public_buckets(cloud: Running, s3: Any, bucket: str) -> None:
    """Blocked until the owner lifts the block; then anybody may, without a signature; and restricting closes it again at once."""
    public = policy({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"public")
    assert refusal(lambda: s3.put_bucket_policy(Bucket=bucket, Policy=public)) == ("AccessDenied", 403)
    open_to_policies(s3, bucket)
    s3.put_bucket_policy(Bucket=bucket, Policy=public)
    assert fetch(cloud, "GET", f"/{bucket}/k")[2] == b"public"
    status, _, body = fetch(cloud, "PUT", f"/{bucket}/k", b"mine")
    assert status == 403 and b"<Message>Access Denied</Message>" in body  # The anonymous are told no more.
    assert fetch(cloud, "GET", f"/{bucket}")[0] == 403
    assert s3.get_bucket_policy_status(Bucket=bucket)["PolicyStatus"]["IsPublic"] is True
    s3.put_public_access_block(Bucket=bucket, PublicAccessBlockConfiguration={"RestrictPublicBuckets": True})
    assert fetch(cloud, "GET", f"/{bucket}/k")[0] == 403
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"public"


def test_an_explicit_deny_wins_even_over_root(s3: Any, bucket: str) -> None:
    """But root can always take the policy away."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    s3.put_bucket_policy(Bucket=bucket, Policy=policy({"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"]}))
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k")) == ("AccessDenied", 403)
    s3.delete_bucket_policy(Bucket=bucket)
    s3.get_object(Bucket=bucket, Key="k")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("nonsense", "Policies must be valid JSON and the first byte must be '{'"),
        ("{", "This policy contains invalid Json"),
        ("{}", "Missing required field Statement"),
        (policy({"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::another-bucket/*"}), "Policy has invalid resource"),
        (policy({"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": "*"}), "Policy has invalid action"),
        (policy({"Effect": "Allow", "Principal": {"AWS": "me"}, "Action": "s3:GetObject", "Resource": "*"}), "Invalid principal in policy"),
        (policy({"Effect": "Maybe", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}), "Invalid effect: Maybe"),
        (policy({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}), "Missing required field Principal"),
    ],
)
def test_policies_that_cannot_be_put(s3: Any, bucket: str, text: str, why: str) -> None:
    """MalformedPolicy, with S3's reason."""
    put = lambda: s3.put_bucket_policy(Bucket=bucket, Policy=text)  # noqa: E731
    assert refusal(put) == ("MalformedPolicy", 400) and message(put) == why


def test_actions_that_s3_does_not_have(s3: Any, bucket: str) -> None:
    """A bucket's policy names only S3's own, in any case, or patterns that mean at least one."""

    def put(action: str) -> None:
        statement = {"Effect": "Deny", "Principal": "*", "Action": action, "Resource": [f"arn:aws:s3:::{bucket}", f"arn:aws:s3:::{bucket}/*"], "Condition": {"Bool": {"aws:SecureTransport": "maybe"}}}
        s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement))

    for action in ("s3:Foo", "s3:Foo*", "sqs:SendMessage", "s3", "GetObject", "s3:HeadObject"):
        assert message(lambda action=action: put(action)) == "Policy has invalid action"
    for action in ("*", "s3:*", "S3:getobject", "s3:Get*", "s3:?etObject", "s3:ReplicateObject"):
        put(action)
    s3.delete_bucket_policy(Bucket=bucket)


@pytest.mark.parametrize(
    ("actions", "places", "condition", "why"),
    [
        (["s3:GetObject"], "/*", {"StringEquals": {"s3:x-acl": "private"}}, "Policy has an invalid condition key"),
        (["s3:GetObject"], "/*", {"StringEquals": {"s3:ExistingObjectTag/": "x"}}, "Policy has an invalid condition key"),
        (["s3:GetObject"], "/*", {"StringEquals": {"SourceIp": "x"}}, "Policy has an invalid condition key"),
        (["s3:GetObject"], "/*", {"Equals": {"aws:SourceIp": "x"}}, "Invalid Condition type : Equals"),
        (["s3:GetObject"], "/*", {"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "here"]}}, "Invalid IP address in Conditions"),
        (["s3:ListBucket", "s3:GetObject"], " /*", {"StringLike": {"s3:prefix": "a/*"}}, "Conditions do not apply to combination of actions and resources in statement"),
        (["s3:GetObject", "s3:ListBucket"], "/*", {}, "Action does not apply to any resource(s) in statement"),
        (["s3:GetObject", "s3:ListBucket"], "", {}, "Action does not apply to any resource(s) in statement"),
        (["s3:PutObject*"], "", {}, "Action does not apply to any resource(s) in statement"),
        (["s3:GetObject", "s3:ListBucket"], " /*", {"StringEqualsIfExists": {"s3:ExistingObjectTag/team": "x", "aws:anything": "y", "ec2:SourceInstanceArn": "z"}}, ""),
        (["s3:List*", "s3:*"], " /*", {"ForAnyValue:StringLike": {"s3:Prefix": "a/*"}, "Null": {"s3:if-none-match": "true"}}, ""),
    ],
)
def test_conditions_and_resources_of_policies(s3: Any, bucket: str, actions: list[str], places: str, condition: dict[str, Any], why: str) -> None:
    """S3 knows its own condition keys, and refuses a statement where one of the actions has no resource to be about, or no such parameter."""
    resources = [f"arn:aws:s3:::{bucket}{place}" for place in places.split(" ")]
    statement = {"Effect": "Deny", "Principal": "*", "Action": actions, "Resource": resources, "Condition": {**condition, "Bool": {"aws:ViaAWSService": "true"}}}
    put = lambda: s3.put_bucket_policy(Bucket=bucket, Policy=policy(statement))  # noqa: E731
    if why:
        assert refusal(put) == ("MalformedPolicy", 400) and message(put) == why
    else:
        put()


def test_writes_that_must_be_conditional(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """S3 User Guide, "Enforce conditional writes on Amazon S3 buckets": s3:ObjectCreationOperation exempts what makes no object yet."""
    client = user("s3:*")
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:PutObject", "Resource": f"arn:aws:s3:::{bucket}/*"}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy({**deny, "Condition": {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}}))
    assert refusal(lambda: client.put_object(Bucket=bucket, Key="k", Body=b"x")) == ("AccessDenied", 403)
    client.put_object(Bucket=bucket, Key="k", Body=b"x", IfNoneMatch="*")
    assert refusal(lambda: client.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")) == ("AccessDenied", 403)
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    parts = {"Parts": [{"PartNumber": 1, "ETag": client.upload_part(Bucket=bucket, Key="m", UploadId=upload_id, PartNumber=1, Body=b"x")["ETag"]}]}
    complete = lambda **more: client.complete_multipart_upload(Bucket=bucket, Key="m", UploadId=upload_id, MultipartUpload=parts, **more)  # noqa: E731
    assert refusal(complete) == ("AccessDenied", 403)
    complete(IfNoneMatch="*")


def test_deletes_that_must_be_conditional(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """S3 User Guide, "Enforce conditional deletes on Amazon S3 buckets": an ETag in the document of DeleteObjects counts as If-Match."""
    client = user("s3:*")
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:DeleteObject", "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": {"Null": {"s3:if-match": "true"}}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy(deny))
    delete = lambda **more: client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k", **more}]})  # noqa: E731
    assert delete()["Errors"][0]["Code"] == "AccessDenied"
    assert delete(ETag=etag)["Deleted"] == [{"Key": "k"}]


def test_the_age_of_a_signature(cloud: Running, s3: Any, bucket: str) -> None:
    """s3:signatureAge lets a bucket's owner shorten the life of all presigned URLs, whatever they say themselves."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    condition = {"NumericGreaterThan": {"s3:signatureAge": "600000"}}
    s3.put_bucket_policy(Bucket=bucket, Policy=policy({"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::{bucket}/*", "Condition": condition}))
    url = cloud.client("s3", signature_version="s3v4").generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"}, ExpiresIn=3600)
    cloud.advance("9m")
    assert fetch(cloud, "GET", url)[0] == 200
    cloud.advance("2m")
    assert fetch(cloud, "GET", url)[0] == 403
    assert fetch(cloud, "GET", f"/{bucket}/k?X-Amz-Date=today")[0] == 403  # Nobody's signature has no age.
    s3.get_object(Bucket=bucket, Key="k")


def test_the_actions_of_operations_are_known() -> None:
    """What Haneul's own operations ask permission for can be written in a bucket's policy."""
    asked = {one.action.removeprefix("s3:") for one in S3.operations().values() if not one.authorized_inside}
    assert asked and asked <= POLICY_ACTIONS


def test_who_may_list_all_buckets(user: Callable[..., Any]) -> None:
    """The action is about all buckets together; its denial names no resource."""
    nobody = user()
    arn = message(nobody.list_buckets).split()[1]
    assert message(nobody.list_buckets) == f"User: {arn} is not authorized to perform: s3:ListAllMyBuckets because no identity-based policy allows the s3:ListAllMyBuckets action"
    user("s3:ListAllMyBuckets", resource="arn:aws:s3:::*").list_buckets()
    assert refusal(user("s3:ListAllMyBuckets", resource="arn:aws:s3:::one").list_buckets) == ("AccessDenied", 403)


def test_writes_that_depend_on_an_etag_need_to_read(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """If-Match with an ETag tells whether the object has it: s3:GetObject is needed besides; whether there is an object at all takes nothing more."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1")["ETag"]
    writer, both = user("s3:PutObject", "s3:DeleteObject"), user("s3:PutObject", "s3:DeleteObject", "s3:GetObject")
    assert refusal(lambda: writer.put_object(Bucket=bucket, Key="k", Body=b"1", IfMatch=etag)) == ("AccessDenied", 403)
    assert refusal(lambda: writer.delete_object(Bucket=bucket, Key="k", IfMatch=etag)) == ("AccessDenied", 403)
    listed = {"Objects": [{"Key": "k", "ETag": etag}]}
    assert [one["Code"] for one in writer.delete_objects(Bucket=bucket, Delete=listed)["Errors"]] == ["AccessDenied"]
    assert refusal(lambda: writer.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")) == ("PreconditionFailed", 412)
    both.put_object(Bucket=bucket, Key="k", Body=b"1", IfMatch=etag)
    assert "Errors" not in both.delete_objects(Bucket=bucket, Delete=listed)
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    writer.delete_object(Bucket=bucket, Key="k", IfMatch="*")


def test_how_many_tags_there_are_is_told_to_those_who_may_read_them(s3: Any, bucket: str, user: Callable[..., Any]) -> None:
    """API Reference, GetObject: the count comes with the permission for the tags."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"1", Tagging="a=1")
    reader, tagger = user("s3:GetObject"), user("s3:GetObject", "s3:GetObjectTagging")
    assert "TagCount" not in reader.get_object(Bucket=bucket, Key="k") and "TagCount" not in reader.head_object(Bucket=bucket, Key="k")
    assert tagger.get_object(Bucket=bucket, Key="k")["TagCount"] == tagger.head_object(Bucket=bucket, Key="k")["TagCount"] == 1
