"""Raw bytes for a running cloud, and what must hold whatever they are."""

from __future__ import annotations

import http.client
import json
import socket
from pathlib import Path
from typing import Any

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.process.haneul_process import Process

ANSWER_SECONDS = 8.0


class Target(Process):
    """A cloud under attack."""

    def raw(self, data: bytes, *, finish: bool = True, timeout: float = ANSWER_SECONDS) -> bytes:
        """Send bytes as they are; what comes back until the server closes (or falls silent)."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            answer = b""
            try:
                connection.sendall(data)
                if finish:
                    connection.shutdown(socket.SHUT_WR)
                while part := connection.recv(65536):
                    answer += part
            except (ConnectionResetError, BrokenPipeError, TimeoutError):
                pass
            return answer

    def request(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, sign: str = "") -> tuple[int, dict[str, str], bytes]:
        """A well-formed request, signed for a service when `sign` names one."""
        request = AWSRequest(method, f"http://127.0.0.1:{self.port}{path}", dict(headers or {}), body)
        if sign:
            (S3SigV4Auth if sign == "s3" else SigV4Auth)(Credentials("test", "test"), sign, "us-east-1").add_auth(request)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_SECONDS)
        try:
            connection.putrequest(method, path, skip_accept_encoding=True)
            for name, value in request.headers.items():
                connection.putheader(name, value)
            connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def presigned(self, path: str) -> str:
        """The path and query of a signed GET."""
        request = AWSRequest("GET", f"http://127.0.0.1:{self.port}{path}")
        S3SigV4QueryAuth(Credentials("test", "test"), "s3", "us-east-1", 3600).add_auth(request)
        return str(request.url).partition(f":{self.port}")[2]

    def is_well(self) -> None:
        """It still answers, and honestly."""
        status, _, body = self.request("GET", "/_haneul/health")
        assert status == 200 and json.loads(body)["status"] == "running"
        assert self.request("POST", "/", b"Action=GetCallerIdentity&Version=2011-06-15", {"Content-Type": "application/x-www-form-urlencoded"}, sign="sts")[0] == 200

    def said_nothing(self) -> None:
        """Its log has no error: what a client sends must not be able to write there either."""
        log = self.log()
        assert "Traceback" not in log and "ERROR" not in log, log[-3000:]

    @property
    def memory_mb(self) -> float:
        """Resident memory."""
        for line in Path(f"/proc/{self.popen.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
        raise AssertionError("no such process")

    @property
    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.popen.pid}/fd").iterdir()))


def status_of(answer: bytes) -> int:
    """The status of a raw answer; 0 when the server just closed."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


def target_headers(target: str, version: str = "1.0") -> dict[str, Any]:
    """The headers of a JSON service."""
    return {"X-Amz-Target": target, "Content-Type": f"application/x-amz-json-{version}"}
