"""`haneul start | status | stop | clock | reset` as people and scripts use them."""

from __future__ import annotations

import datetime
import http.client
import json
import signal
import socket
import ssl
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from haneul.cli.main import parser
from tests.process.haneul_process import Process, command, free_port

pytestmark = pytest.mark.process


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with Process(tmp_path_factory.mktemp("data")) as process:
        yield process


def test_start_says_where_it_is(running: Process) -> None:
    """Because a script reads one line of JSON and goes on; the answer is there as soon as the line is."""
    facts = running.facts
    assert facts["pid"] == running.popen.pid and facts["account"] == "000000000000" and facts["region"] == "us-east-1"
    assert facts["data_dir"] == str(running.data_dir) and facts["endpoint"].startswith("http://localhost:")
    assert running.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::000000000000:root"


def test_status_and_keys(running: Process) -> None:
    """Because status finds the cloud by its data directory, and only --keys shows the secret."""
    status = command("status", data_dir=running.data_dir)
    facts = json.loads(status.stdout)
    assert status.returncode == 0 and facts["endpoint"] == running.endpoint and "dynamodb" in facts["services"]
    assert not any("secret" in name for name in facts)
    keys = json.loads(command("status", "--keys", data_dir=running.data_dir).stdout)
    assert keys["root_access_key_id"].startswith("AKIA") and len(keys["root_secret_access_key"]) == 40


def test_a_second_server_on_the_same_directory_is_refused(running: Process) -> None:
    """Because two writers would destroy each other's data; the first goes on."""
    second = command("start", "--port", "0", data_dir=running.data_dir)
    assert second.returncode == 1 and "Another Haneul is using" in second.stderr and "Traceback" not in second.stderr
    assert json.loads(command("status", data_dir=running.data_dir).stdout)["endpoint"] == running.endpoint


def test_a_port_that_is_taken(running: Process, tmp_path: Path) -> None:
    """Because the port is the commonest thing that is in the way; the message says what to change."""
    second = command("start", "--port", str(running.port), data_dir=tmp_path)
    assert second.returncode == 1 and "--port" in second.stderr and "Traceback" not in second.stderr
    assert not (tmp_path / "server.json").exists()


@pytest.mark.parametrize(
    ("options", "code", "word"),
    [
        (("--account", "123"), 1, "--account takes 12 digits"),
        (("--root-key", "AKIA"), 1, "--root-key takes ID:SECRET"),
        (("--root-key", "a:b:123"), 1, "--root-key takes ID:SECRET"),
        (("--tls-certificate", "x.pem"), 1, "go together"),
        (("--tls-certificate", "/nowhere.pem", "--tls-key", "/nowhere.key"), 1, "--tls-certificate /nowhere.pem cannot be read: No such file"),
        (("--port", "http"), 2, "invalid int value"),
        (("--port", "99999"), 1, "port"),
        (("--host", "no.such.host.invalid"), 1, "cannot start"),
        (("--nonsense",), 2, "unrecognized arguments"),
        (("--region", "nowhere:at:all"), 1, "--region"),
        (("--sandbox", "docker"), 2, "invalid choice"),
    ],
)
def test_bad_options_are_named(tmp_path: Path, options: tuple[str, ...], code: int, word: str) -> None:
    """Because a person must see what to change, not a stack trace."""
    found = command("start", "--port", "0", *options, data_dir=tmp_path) if "--port" not in options else command("start", *options, data_dir=tmp_path)
    assert found.returncode == code and word in found.stderr and "Traceback" not in found.stderr


def test_a_data_directory_that_cannot_be_one(tmp_path: Path) -> None:
    """Because the path may name a file, or lie where nobody may write."""
    place = tmp_path / "file"
    place.write_text("x")
    found = command("start", "--port", "0", data_dir=place)
    assert found.returncode == 1 and "data directory" in found.stderr and "Traceback" not in found.stderr


def test_a_file_that_is_in_the_way_is_named(tmp_path: Path) -> None:
    """Because another port would not help where the disk is the matter."""
    (tmp_path / "store").write_text("x")
    found = command("start", "--port", "0", data_dir=tmp_path)
    assert found.returncode == 1 and str(tmp_path / "store") in found.stderr and "--port" not in found.stderr


@pytest.mark.parametrize("wrong", ["localhost:4566", "foo", "http://"])
def test_an_address_that_is_none(tmp_path: Path, wrong: str) -> None:
    """Because a scheme is easily forgotten."""
    for arguments in (("status",), ("invoke", "f"), ("clock",)):
        found = command(*arguments, "--endpoint", wrong, data_dir=tmp_path)
        assert found.returncode == 1 and "--endpoint takes a URL" in found.stderr and "Traceback" not in found.stderr


@pytest.mark.parametrize("damage", ["store", "newer", "vault"])
def test_a_damaged_directory_is_named(tmp_path: Path, damage: str) -> None:
    """Because starting on what cannot be read would write over it."""
    with Process(tmp_path) as process:
        assert process.stop() == 0
    store = tmp_path / "store" / "haneul.db"
    if damage == "store":
        store.write_bytes(b"This is no database." * 1000)
    elif damage == "newer":
        data = bytearray(store.read_bytes())
        data[60:64] = (99).to_bytes(4, "big")  # SQLite's user_version.
        store.write_bytes(data)
    else:
        (tmp_path / "vault.key").write_bytes(bytes(32))
    found = command("start", "--port", "0", data_dir=tmp_path)
    assert found.returncode == 1 and "Haneul cannot start" in found.stderr and "Traceback" not in found.stderr


def test_options_from_the_environment(tmp_path: Path) -> None:
    """Because containers are configured so: every option is also HANEUL_…"""
    with Process(tmp_path, HANEUL_ACCOUNT="111122223333", HANEUL_REGION="eu-west-1", HANEUL_NO_DEV_KEYS="1", HANEUL_ROOT_KEY="AKIAMINE:sesame") as process:
        assert (process.facts["account"], process.facts["region"]) == ("111122223333", "eu-west-1")
        refused = command("status", data_dir=tmp_path)
        assert refused.returncode == 1 and "Traceback" not in refused.stderr
        allowed = command("status", data_dir=tmp_path, AWS_ACCESS_KEY_ID="AKIAMINE", AWS_SECRET_ACCESS_KEY="sesame")
        assert json.loads(allowed.stdout)["account"] == "111122223333"
        assert process.stop() == 0


def test_every_option_of_every_command_has_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Because `haneul --help` says so: the variable gives what the option would."""
    texts = {"port": "99", "workers": "3", "memory": "512", "timeout": "7", "since": "1.5", "capacity": "unlimited", "sandbox": "none", "function-network": "none", "root-key": "a:b c:d", "env": "A=1 B=2", "data-dir": "~/x"}
    needed = {"deploy": ["f.py"], "invoke": ["f"]}
    [commands] = [action for action in parser()._actions if isinstance(action.choices, dict)]
    assert isinstance(commands.choices, dict)
    for name, command_parser in commands.choices.items():
        options = [(one.option_strings[-1], one) for one in command_parser._actions if one.option_strings and "--help" not in one.option_strings]
        for option, action in options:
            words = texts.get(option[2:], "word")
            several = words.split() if isinstance(action.default, list) else [words]
            given = [option] if action.nargs == 0 else [part for word in several for part in (option, word)]
            by_option = parser().parse_args([name, *needed.get(name, []), *given])
            with monkeypatch.context() as patch:
                patch.setenv("HANEUL_" + option[2:].upper().replace("-", "_"), "1" if action.nargs == 0 else words)
                by_variable = parser().parse_args([name, *needed.get(name, [])])
            assert vars(by_variable) == vars(by_option) != vars(parser().parse_args([name, *needed.get(name, [])]))


def test_options_stand_anywhere(capsys: pytest.CaptureFixture[str]) -> None:
    """Because `invoke NAME --async PAYLOAD` is as natural as the other orders, and argparse by itself takes only those."""

    def given(*words: str) -> dict[str, object]:
        return {name: value for name, value in vars(parser().parse_args(words)).items() if name != "run"}

    expected = given("invoke", "--async", "f", "{}", "--endpoint", "http://x")
    assert (expected["function"], expected["payload"], expected["event"]) == ("f", "{}", True)
    for words in ("f --async {} --endpoint http://x", "f {} --endpoint http://x --async", "--endpoint http://x f --async {}"):
        assert given("invoke", *words.split()) == expected
    assert given("invoke", "f", "--async", "-") == given("invoke", "f", "-", "--async") == given("invoke", "--async", "--", "f", "-")
    assert given("invoke", "f", "--async")["payload"] == "{}"
    assert given("clock", "advance", "--endpoint", "http://x", "35d") == given("clock", "advance", "35d", "--endpoint", "http://x")
    assert given("logs", "a", "-f", "b") == given("logs", "-f", "a", "b")
    for wrong in (["f", "{}", "third"], ["f", "--unknown"], ["--async"]):
        with pytest.raises(SystemExit):
            given("invoke", *wrong)
    assert "unrecognized arguments: third" in capsys.readouterr().err


def test_a_variable_without_sense_is_named() -> None:
    """Because it was set somewhere else, perhaps long ago; commands that do not need it go on, and --help always helps."""
    wrong = command("start", HANEUL_PORT="abc")
    assert wrong.returncode == 2 and "HANEUL_PORT has the value 'abc'" in wrong.stderr and "Traceback" not in wrong.stderr
    for arguments in (("--help",), ("start", "--help")):
        helped = command(*arguments, HANEUL_PORT="abc")
        assert helped.returncode == 0 and "usage: haneul" in helped.stdout and not helped.stderr
    assert "no cloud answers" in command("status", "--endpoint", "http://127.0.0.1:1", HANEUL_PORT="abc").stderr


def test_a_home_in_a_variable(tmp_path: Path) -> None:
    """Because no shell replaces the tilde in a container's environment; each command must mean the same directory."""
    with Process(tmp_path / "place") as process:
        for name in ("status", "clock", "regions", "stop"):
            assert command(name, HOME=str(tmp_path), HANEUL_DATA_DIR="~/place").returncode == 0
        assert process.popen.wait(5) == 0
    found = command("start", "--port", "0", "--account", "1", HOME=str(tmp_path), HANEUL_DATA_DIR="~/place")
    assert "--account" in found.stderr


def test_no_isolation_is_said_loudly(tmp_path: Path) -> None:
    """Because nobody may take a cloud without isolation for one that has it: its log, its health and its status say so. It is `namespaces` unless told."""
    with Process(tmp_path / "none", HANEUL_SANDBOX="none") as process, Process(tmp_path / "auto") as usual:
        assert "FUNCTIONS WILL RUN WITHOUT ISOLATION" in process.log() and "ISOLATION" not in usual.log()
        assert [isolation(process), isolation(usual)] == ["none", "namespaces"]
        assert json.loads(command("status", data_dir=tmp_path / "none").stdout)["isolation"] == "none"


def isolation(process: Process) -> str:
    connection = http.client.HTTPConnection("localhost", process.port)
    connection.request("GET", "/_haneul/health")
    found: str = json.loads(connection.getresponse().read())["isolation"]
    connection.close()
    return found


def test_bubblewrap_that_is_not_there(tmp_path: Path) -> None:
    """Because a cloud that cannot run functions should not start as if it could; a word that is no sandbox's is named, also in the environment."""
    found = command("start", "--port", "0", "--sandbox", "bubblewrap", data_dir=tmp_path, PATH="/nonexistent")
    assert found.returncode == 1 and "bwrap" in found.stderr
    found = command("start", "--port", "0", data_dir=tmp_path, HANEUL_SANDBOX="docker")
    assert found.returncode == 2 and "HANEUL_SANDBOX has the value 'docker'" in found.stderr


def test_stop_waits_until_it_has_stopped(tmp_path: Path) -> None:
    """Because a script may start the next one in the following line."""
    with Process(tmp_path) as process:
        assert command("stop", data_dir=tmp_path).returncode == 0
        assert process.popen.wait(5) == 0
        assert "Traceback" not in process.log()
    assert not (tmp_path / "server.json").exists()
    gone = command("status", data_dir=tmp_path, HANEUL_ENDPOINT=process.endpoint)
    assert gone.returncode == 1 and "no cloud answers" in gone.stderr and "Traceback" not in gone.stderr


def test_the_clock_survives_even_a_kill(tmp_path: Path) -> None:
    """Because a clock that fell back would make everything due again; once the answer is out, the move is durable."""
    with Process(tmp_path) as process:
        moved = command("clock", "advance", "35d", data_dir=tmp_path)
        assert moved.returncode == 0
        shown = process.client("sts").get_caller_identity()["ResponseMetadata"]["HTTPHeaders"]["date"]
        assert parsedate_to_datetime(shown) > datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=34)  # At once, not with the next second.
        process.kill()
    with Process(tmp_path) as process:
        offset = json.loads(command("clock", data_dir=tmp_path).stdout)["offset_seconds"]
        assert abs(offset - 35 * 86_400) <= 1
        assert process.stop() == 0
    with Process(tmp_path) as process:
        assert abs(json.loads(command("clock", data_dir=tmp_path).stdout)["offset_seconds"] - 35 * 86_400) <= 1
        wrong = command("clock", "advance", "soon", data_dir=tmp_path)
        assert wrong.returncode == 1 and "units ms, s, m, h, d" in wrong.stderr


def test_reset_asks_first(tmp_path: Path) -> None:
    """Because it deletes everything."""
    with Process(tmp_path) as process:
        process.client("sqs").create_queue(QueueName="gone")
        assert "say --yes" in command("reset", data_dir=tmp_path).stderr
        assert process.client("sqs").list_queues().get("QueueUrls")
        assert command("reset", "--yes", data_dir=tmp_path).returncode == 0
        assert not process.client("sqs").list_queues().get("QueueUrls")
        process.client("sqs").create_queue(QueueName="new")
        assert "Traceback" not in process.log()


# ---- stopping


@pytest.mark.parametrize(("how", "workers"), [(signal.SIGTERM, "1"), (signal.SIGINT, "1"), (signal.SIGTERM, "2"), (signal.SIGINT, "3")])
def test_a_signal_finishes_what_is_in_flight(tmp_path: Path, how: signal.Signals, workers: str) -> None:
    """Because a deployment restarts the cloud while uploads are under way: what has begun is answered, nothing new is taken, whichever process is asked."""
    with Process(tmp_path, "--workers", workers) as process:
        s3 = process.client("s3", signature_version="s3v4")
        s3.create_bucket(Bucket="files")
        url = s3.generate_presigned_url("put_object", Params={"Bucket": "files", "Key": "k"})
        path = url.partition(f":{process.port}")[2]
        with socket.create_connection(("127.0.0.1", process.port)) as upload:
            upload.sendall(f"PUT {path} HTTP/1.1\r\nHost: localhost:{process.port}\r\nContent-Length: 3000000\r\n\r\n".encode() + bytes(1_500_000))
            process.client("s3").list_buckets()  # The upload's head has been read by now, or lies before us in the queue of the loop.
            process.popen.send_signal(how)
            refused_from(process.port)
            upload.sendall(bytes(1_500_000))
            upload.settimeout(10)
            assert upload.recv(1000).startswith(b"HTTP/1.1 200")
        assert process.wait() == 0
        assert "Traceback" not in process.log()
    with Process(tmp_path) as process:
        assert process.client("s3").head_object(Bucket="files", Key="k")["ContentLength"] == 3_000_000


def refused_from(port: int) -> None:
    """Wait until new connections are refused."""
    for _ in range(100_000):
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as probe:
                probe.settimeout(0.05)
                try:
                    if not probe.recv(1):
                        continue
                except TimeoutError:
                    continue
        except OSError:
            return
    raise AssertionError("the port stays open")


def test_idle_connections_do_not_hold_up_a_stop(tmp_path: Path) -> None:
    """Because keep-alive connections of SDKs stay open for minutes."""
    with Process(tmp_path) as process:
        idle = [socket.create_connection(("127.0.0.1", process.port)) for _ in range(20)]
        held = http.client.HTTPConnection("127.0.0.1", process.port)
        held.request("GET", "/_haneul/health")
        held.getresponse().read()
        process.popen.send_signal(signal.SIGTERM)
        assert process.popen.wait(5) == 0
        for one in (*idle, held):
            one.close()


# ---- TLS


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begin = datetime.datetime(2020, 1, 1)
    names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.DNSName("*.localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begin)
        .not_valid_after(begin.replace(year=2120))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = folder / "cert.pem", folder / "key.pem"
    paths[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    paths[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


def test_tls(tmp_path: Path) -> None:
    """Because some clients insist on HTTPS; what is no TLS ends its own connection and nothing else."""
    cert, key = certificate(tmp_path)
    with Process(tmp_path / "data", "--tls-certificate", str(cert), "--tls-key", str(key)) as process:
        assert process.endpoint.startswith("https://localhost:")
        s3 = process.client("s3", verify=str(cert))
        s3.create_bucket(Bucket="files")
        body = bytes(range(256)) * 8192
        s3.put_object(Bucket="files", Key="k", Body=body)
        for junk in (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"\x16\x03\x01" + b"\xff" * 600, b"\x00" * 100):
            with socket.create_connection(("127.0.0.1", process.port)) as plain:
                plain.sendall(junk)
                plain.settimeout(10)
                try:
                    assert b"HTTP/1.1 200" not in plain.recv(1000)
                except ConnectionResetError:
                    pass
        assert s3.get_object(Bucket="files", Key="k")["Body"].read() == body
        context = ssl.create_default_context(cafile=str(cert))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with socket.create_connection(("localhost", process.port)) as raw, context.wrap_socket(raw, server_hostname="localhost") as secure:
            assert secure.version() == "TLSv1.2"
        assert process.stop() == 0
        assert "Traceback" not in process.log()


def test_tls_in_several_processes(tmp_path: Path) -> None:
    """Because each of them has clients of its own to greet, and passes on what they say."""
    cert, key = certificate(tmp_path)
    with Process(tmp_path / "data", "--tls-certificate", str(cert), "--tls-key", str(key), "--workers", "2") as process:
        for at in range(8):
            s3 = process.client("s3", verify=str(cert))
            s3.create_bucket(Bucket=f"files-{at}")
            policy = {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": f"arn:aws:s3:::files-{at}/*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
            s3.put_bucket_policy(Bucket=f"files-{at}", Policy=json.dumps({"Version": "2012-10-17", "Statement": [policy]}))
            s3.put_object(Bucket=f"files-{at}", Key="k", Body=b"x")
            assert s3.get_object(Bucket=f"files-{at}", Key="k")["Body"].read() == b"x"
        assert process.stop() == 0


def test_commands_trust_whom_the_sdk_trusts(tmp_path: Path) -> None:
    """Because AWS_CA_BUNDLE is where SDKs are told of a certificate of one's own; without it nobody is trusted who signed himself."""
    cert, key = certificate(tmp_path)
    data = tmp_path / "data"
    with Process(data, "--tls-certificate", str(cert), "--tls-key", str(key)) as process:
        untrusted = command("status", data_dir=data).stderr
        assert "CERTIFICATE_VERIFY_FAILED" in untrusted and "AWS_CA_BUNDLE" in untrusted and "haneul start" not in untrusted
        missing = command("status", data_dir=data, AWS_CA_BUNDLE=str(tmp_path / "missing"))
        assert missing.returncode == 1 and f"AWS_CA_BUNDLE names {tmp_path / 'missing'}" in missing.stderr
        assert json.loads(command("status", data_dir=data, AWS_CA_BUNDLE=str(cert)).stdout)["endpoint"] == process.endpoint
        assert "ResourceNotFound" in command("invoke", "f", data_dir=data, AWS_CA_BUNDLE=str(cert)).stderr
        assert command("stop", data_dir=data, AWS_CA_BUNDLE=str(cert)).returncode == 0
        assert process.popen.wait(5) == 0


@pytest.mark.parametrize("wrong", ["certificate", "key", "pair"])
def test_tls_files_that_do_not_serve_are_named(tmp_path: Path, wrong: str) -> None:
    """Because "PEM lib" says neither which file nor which option."""
    cert, key = certificate(tmp_path)
    (tmp_path / "other").mkdir()
    if wrong == "pair":
        key = certificate(tmp_path / "other")[1]
    else:
        (cert if wrong == "certificate" else key).write_text("This is no PEM.")
    found = command("start", "--port", "0", "--tls-certificate", str(cert), "--tls-key", str(key), data_dir=tmp_path / "data")
    words = {"certificate": f"--tls-certificate {cert} is no certificate", "key": f"--tls-key {key} is no private key", "pair": f"--tls-key {key} does not belong to {cert}"}
    assert found.returncode == 1 and words[wrong] in found.stderr and "Traceback" not in found.stderr


def test_starting_on_a_fixed_port_again(tmp_path: Path) -> None:
    """Because a restart must not wait for the kernel to forget the old connections."""
    port = free_port()
    for _ in range(2):
        with Process(tmp_path, port=port) as process:
            process.client("sts").get_caller_identity()
            assert process.stop() == 0
