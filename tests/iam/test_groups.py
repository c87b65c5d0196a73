"""Groups and who is in them."""

from __future__ import annotations

from typing import Any

from tests.iam.identities import allow, policy, refused
from tests.support.running import ACCOUNT


def test_life_of_a_group(iam: Any) -> None:
    """A renamed group keeps its id and its members."""
    group = iam.create_group(GroupName="devs")["Group"]
    assert group["Arn"] == f"arn:aws:iam::{ACCOUNT}:group/devs"
    assert refused("EntityAlreadyExists", iam.create_group, GroupName="Devs") == "Group with name Devs already exists."
    iam.create_user(UserName="una")
    iam.add_user_to_group(GroupName="devs", UserName="una")
    iam.add_user_to_group(GroupName="devs", UserName="una")
    iam.update_group(GroupName="devs", NewGroupName="makers", NewPath="/x/")
    found = iam.get_group(GroupName="makers")
    assert (found["Group"]["GroupId"], [user["UserName"] for user in found["Users"]]) == (group["GroupId"], ["una"])
    assert [one["GroupName"] for one in iam.list_groups_for_user(UserName="una")["Groups"]] == ["makers"]
    assert refused("DeleteConflict", iam.delete_group, GroupName="makers") == "Cannot delete entity, must remove users from group first."
    iam.remove_user_from_group(GroupName="makers", UserName="una")
    iam.remove_user_from_group(GroupName="makers", UserName="una")
    iam.put_group_policy(GroupName="makers", PolicyName="p", PolicyDocument=policy(allow("s3:*")))
    assert refused("DeleteConflict", iam.delete_group, GroupName="makers") == "Cannot delete entity, must delete policies first."
    iam.delete_group_policy(GroupName="makers", PolicyName="p")
    iam.delete_group(GroupName="makers")
    assert refused("NoSuchEntity", iam.get_group, GroupName="makers") == "The group with name makers cannot be found."


def test_unknown_users_and_groups(iam: Any) -> None:
    """The user is looked for first."""
    assert refused("NoSuchEntity", iam.add_user_to_group, GroupName="none", UserName="nobody") == "The user with name nobody cannot be found."
    iam.create_user(UserName="vera")
    assert refused("NoSuchEntity", iam.add_user_to_group, GroupName="none", UserName="vera") == "The group with name none cannot be found."


def test_ten_groups_at_most(iam: Any) -> None:
    """Quota GroupsPerUser."""
    iam.create_user(UserName="walt")
    for number in range(11):
        iam.create_group(GroupName=f"walts{number}")
    for number in range(10):
        iam.add_user_to_group(GroupName=f"walts{number}", UserName="walt")
    assert refused("LimitExceeded", iam.add_user_to_group, GroupName="walts10", UserName="walt") == "Cannot exceed quota for GroupsPerUser: 10"


def test_pages(iam: Any) -> None:
    """MaxItems, Marker and IsTruncated give each group once, in the order of names."""
    for number in range(7):
        iam.create_group(GroupName=f"page{number}", Path="/paged/")
    pages = list(iam.get_paginator("list_groups").paginate(PathPrefix="/paged/", PaginationConfig={"PageSize": 3}))
    assert [[group["GroupName"][-1] for group in page["Groups"]] for page in pages] == [["0", "1", "2"], ["3", "4", "5"], ["6"]]
    assert refused("ValidationError", iam.list_groups, Marker="no marker of ours") == "Invalid Marker."
