"""The credential report: GenerateCredentialReport, GetCredentialReport (IAM User Guide, "Generate credential reports for your AWS account")."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

from haneul.clock import HOUR, SECOND
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of
from haneul.services.iam.identities import key_row
from haneul.services.iam.records import USER, AccessKey, User, arn_of
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.service import Iam
from haneul.store.port import Transaction
from haneul.store.records import decode

_FRESH = 4 * HOUR
_HEADER = (
    "user,arn,user_creation_time,password_enabled,password_last_used,password_last_changed,password_next_rotation,mfa_active,"
    "access_key_1_active,access_key_1_last_rotated,access_key_1_last_used_date,access_key_1_last_used_region,access_key_1_last_used_service,"
    "access_key_2_active,access_key_2_last_rotated,access_key_2_last_used_date,access_key_2_last_used_region,access_key_2_last_used_service,"
    "cert_1_active,cert_1_last_rotated,cert_2_active,cert_2_last_rotated"
)
_KEYS = 2


def _date(at: int) -> str:
    return datetime.fromtimestamp(at // SECOND, UTC).isoformat() if at else "N/A"


@iam_operation("GenerateCredentialReport")
async def generate_credential_report(call: Call, request: Shape) -> Shape:
    """Make a report, unless the last is less than four hours old."""
    directory = directory_of(call)
    account = directory.account_record()
    if account.report_at and call.now - account.report_at < _FRESH:
        return {"State": "COMPLETE"}
    text, now = _report(call, directory), call.now

    def work(tx: Transaction) -> None:
        inside = Directory(tx, call.account)
        record = inside.account_record()
        record.report, record.report_at = text, now
        inside.save_account(record)

    await call.cloud.store.transact(work)
    return {"State": "STARTED", "Description": "No report exists. Starting a new report generation task"}


@iam_operation("GetCredentialReport")
async def get_credential_report(call: Call, request: Shape) -> Shape:
    """The report as CSV."""
    account = directory_of(call).account_record()
    if not account.report_at:
        raise ServiceError("ReportNotPresent", "", 410)
    if call.now - account.report_at >= _FRESH:
        raise ServiceError("ReportExpired", "", 410)
    return {"Content": account.report.encode(), "ReportFormat": "text/csv", "GeneratedTime": account.report_at}


def _report(call: Call, directory: Directory) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    out.write(_HEADER + "\n")
    root = ["<root_account>", f"arn:aws:iam::{call.account}:root", "N/A", "not_supported", "N/A", "not_supported", "not_supported", "false"]
    root_keys = directory.account_record().root_keys
    # Where IAM has made no key for the root user, the installation's own is the one there is.
    columns = _key_columns(call, directory, root_keys) if root_keys else ["true", *["N/A"] * 4, "false", *["N/A"] * 4]
    writer.writerow([*root, *columns, "false", "N/A", "false", "N/A"])
    for _, value in directory.rows("user"):
        writer.writerow(_line(call, directory, decode(value, User)))
    return out.getvalue().rstrip("\n")


def _line(call: Call, directory: Directory, user: User) -> list[str]:
    password = user.password
    line = [user.name, arn_of(call.account, USER, user), _date(user.created_at), "true" if password is not None else "false"]
    line += ["no_information" if password is not None else "N/A", _date(password.changed_at) if password is not None else "N/A", "N/A"]
    line.append("true" if user.mfa_devices else "false")
    return [*line, *_key_columns(call, directory, user.keys), "false", "N/A", "false", "N/A"]


def _key_columns(call: Call, directory: Directory, key_ids: list[str]) -> list[str]:
    columns: list[str] = []
    for number in range(_KEYS):
        key_id = key_ids[number] if number < len(key_ids) else ""
        key = directory.get(key_row(key_id), AccessKey) if key_id else None
        if key is None:
            columns += ["false", "N/A", "N/A", "N/A", "N/A"]
            continue
        use = call.service(Iam).last_uses.of(key_id)
        used = [_date(use.at), use.region, use.service] if use is not None else ["N/A", "N/A", "N/A"]
        columns += ["true" if key.active else "false", _date(key.created_at), *used]
    return columns
