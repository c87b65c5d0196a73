"""The Java runtime: kinds of handlers, conversion of events and answers, context, log, errors (AWS Lambda Developer Guide, "Building with Java")."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from haneul.runtime.interpreters import discover
from haneul.runtime.port import Outcome
from tests.runtime.conftest import CREDENTIALS, DRIVERS, Functions

_JAVAS = sorted(name for name in discover() if name.startswith("java"))
_CORE = Path(sys.prefix) / "share" / "haneul" / "java" / "core"
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.skipif(not _JAVAS, reason="no Java on this machine"),
    pytest.mark.skipif(shutil.which("javac") is None, reason="no compiler for the functions below"),
]

SOURCES = {
    "Maps": """
        public class Maps implements RequestHandler<Map<String, Object>, Map<String, Object>> {
            static int count;
            public Map<String, Object> handleRequest(Map<String, Object> event, Context context) {
                System.out.println("hello");
                Map<String, Object> out = new TreeMap<>();
                out.put("got", event);
                out.put("n", ++count);
                return out;
            }
        }""",
    "Texts": """
        public class Texts implements RequestHandler<String, String> {
            public String handleRequest(String event, Context context) { return event == null ? "nothing" : event + "!"; }
        }""",
    "Streams": """
        public class Streams implements RequestStreamHandler {
            public void handleRequest(InputStream in, OutputStream out, Context context) throws IOException { in.transferTo(out); }
        }""",
    "Orders": """
        public class Orders {
            public enum State { OPEN, PAID }
            public static class Item {
                private String name; private BigDecimal price; public int amount;
                public String getName() { return name; }
                public void setName(String value) { name = value; }
                public String getURLPath() { return "/" + name; }
                public BigDecimal getPrice() { return price; }
                public void setPrice(BigDecimal value) { price = value; }
            }
            public static class Order {
                private List<Item> items; private State state; private Date at; private Boolean gift; private boolean done; private Map<String, Item> byName;
                public List<Item> getItems() { return items; }
                public void setItems(List<Item> value) { items = value; }
                public State getState() { return state; }
                public void setState(State value) { state = value; }
                public Date getAt() { return at; }
                public void setAt(Date value) { at = value; }
                public Boolean getGift() { return gift; }
                public void setGift(Boolean value) { gift = value; }
                public boolean isDone() { return done; }
                public void setDone(boolean value) { done = value; }
                public Map<String, Item> getByName() { return byName; }
                public void setByName(Map<String, Item> value) { byName = value; }
            }
            public Order same(Order order) { return order; }
            public int total(List<Item> items, Context context) { return items.stream().mapToInt(item -> item.amount).sum(); }
            public int[] doubled(int[] numbers) { int[] out = numbers.clone(); for (int i = 0; i < out.length; i++) out[i] *= 2; return out; }
            public static long fixed(long number) { return number + 1; }
            public void nothing() { }
            public String pick(String event) { return "one"; }
            public String pick(String event, Context context) { return "two"; }
        }""",
    "Contexts": """
        public class Contexts implements RequestHandler<Object, List<Object>> {
            public List<Object> handleRequest(Object event, Context context) {
                context.getLogger().log("two\\nlines");
                return Arrays.asList(context.getAwsRequestId(), context.getFunctionName(), context.getFunctionVersion(), context.getInvokedFunctionArn(),
                    context.getMemoryLimitInMB(), context.getLogGroupName(), context.getLogStreamName(), context.getRemainingTimeInMillis() > 5000,
                    context.getIdentity().getIdentityId(), context.getClientContext().getCustom().get("k"), context.getClientContext().getClient().getAppTitle(),
                    System.getProperty("com.amazonaws.xray.traceHeader"), System.getProperty("user.dir"), System.getenv("AWS_EXECUTION_ENV"));
            }
        }""",
    "Records": """
        public class Records {
            public static class Attribute { private String s; private String n; private Boolean bool;
                public String getS() { return s; } public void setS(String value) { s = value; }
                public String getN() { return n; } public void setN(String value) { n = value; }
                public Boolean getBOOL() { return bool; } public void setBOOL(Boolean value) { bool = value; } }
            public static class Change { private Map<String, Attribute> newImage; private Date approximateCreationDateTime;
                public Map<String, Attribute> getNewImage() { return newImage; } public void setNewImage(Map<String, Attribute> value) { newImage = value; }
                public Date getApproximateCreationDateTime() { return approximateCreationDateTime; } public void setApproximateCreationDateTime(Date value) { approximateCreationDateTime = value; } }
            public static class One { private Change dynamodb; private String eventID;
                public Change getDynamodb() { return dynamodb; } public void setDynamodb(Change value) { dynamodb = value; }
                public String getEventID() { return eventID; } public void setEventID(String value) { eventID = value; } }
            public static class Event { private List<One> records;
                public List<One> getRecords() { return records; } public void setRecords(List<One> value) { records = value; } }
            public List<Object> handle(Event event) {
                One one = event.getRecords().get(0);
                Map<String, Attribute> image = one.getDynamodb().getNewImage();
                return Arrays.asList(one.getEventID(), image.get("a").getS(), image.get("b").getN(), image.get("c").getBOOL(), one.getDynamodb().getApproximateCreationDateTime().getTime());
            }
        }""",
    "Values": """
        public class Values {
            public static class Entity { private final String key; private final Long size; private final String xAmzId;
                public Entity(String key, Long size, String id) { this.key = key; this.size = size; this.xAmzId = id; }
                public Entity(String key, Integer size, String id) { this(key, size == null ? null : size.longValue(), id + "?"); }
                public String getKey() { return key; } public Long getSize() { return size; } public String getXAmzId() { return xAmzId; } }
            public static class Notification { private final List<Entity> records;
                public Notification(List<Entity> records) { this.records = records; }
                public List<Entity> getRecords() { return records; } }
            public static class Event extends Notification { public Event() { super(new ArrayList<>()); } }
            public String handle(Event event) { Entity one = event.getRecords().get(0); return one.getKey() + one.getSize() + one.getXAmzId(); }
        }""",
    "Failures": """
        public class Failures {
            static class Late { static { if (true) throw new IllegalStateException("at init"); } }
            public String fails(String how) throws Exception {
                if (how.equals("cause")) throw new IOException("outer", new ArithmeticException("inner"));
                if (how.equals("exit")) System.exit(3);
                if (how.equals("memory")) { List<Object> kept = new ArrayList<>(); while (true) kept.add(new byte[1 << 20]); }
                if (how.equals("direct")) { List<Object> kept = new ArrayList<>(); while (true) { ByteBuffer b = ByteBuffer.allocateDirect(1 << 20); kept.add(b); } }
                if (how.equals("long")) return "x".repeat(7000000);
                while (how.equals("loop")) { }
                throw new IllegalArgumentException("bad " + how);
            }
        }""",
    "Broken": "public class Broken { public Broken() { throw new IllegalStateException(\"at init\"); } public String run(String event) { return event; } }",
    "Version": 'public class Version { public String run() { return System.getProperty("java.specification.version"); } }',
    "Where": "public class Where { public String run(Object o, Context c) { return Context.class.getProtectionDomain().getCodeSource().getLocation().getPath(); } }",
    "Secure": """
        public class Secure {
            public boolean run() throws Exception { new java.security.SecureRandom().nextInt(); return javax.net.ssl.SSLContext.getDefault() != null; }
        }""",
}  # fmt: skip
_IMPORTS = "package example;\nimport java.io.*;\nimport java.math.*;\nimport java.nio.*;\nimport java.util.*;\nimport com.amazonaws.services.lambda.runtime.*;\n"


def compile_java(directory: Path, sources: dict[str, str], release: str = "11") -> str:
    """A folder with the classes, as a function's package has them."""
    for name, source in sources.items():
        (directory / f"{name}.java").write_text(_IMPORTS + source)
    out = directory / "classes"
    command = ["javac", "-J-XX:TieredStopAtLevel=1", "-J-XX:+UseSerialGC", "--release", release, "-nowarn", "-cp", str(_CORE), "-d", str(out), *(str(directory / f"{name}.java") for name in sources)]
    subprocess.run(command, check=True, capture_output=True)
    return str(out)


def make_jar(path: Path, classes: str) -> None:
    subprocess.run(["jar", "--create", "--file", str(path), "-C", classes, "."], check=True)


@pytest.fixture(scope="session")
def classes(plain_directory: Path) -> str:
    (plain_directory / "java").mkdir()
    return compile_java(plain_directory / "java", SOURCES)


async def run(functions: Functions, classes: str, handler: str, event: Any = None, *, fields: dict[str, Any] | None = None, **settings: Any) -> Outcome:
    defaults: dict[str, Any] = {"runtime": _JAVAS[0], "timeout_ms": 20_000}
    spec = replace(functions.spec(files={}, handler=handler, **{**defaults, **settings}), code_dir=classes)
    environment = await functions.runtime.create(spec, CREDENTIALS, "2026/01/01/[$LATEST]0123", functions.lines.extend)
    functions.environments.append(environment)
    return await functions.invoke(environment, event, **(fields or {}))


async def result(functions: Functions, classes: str, handler: str, event: Any = None, **settings: Any) -> Any:
    outcome = await run(functions, classes, handler, event, **settings)
    assert outcome.status == "success", (outcome.payload, outcome.log)
    return json.loads(outcome.payload)


@pytest.mark.parametrize("driver", DRIVERS)
async def test_every_driver(functions: Functions, classes: str) -> None:
    """A Java function runs under each, and remembers between invocations."""
    spec = replace(functions.spec(files={}, handler="example.Maps", runtime=_JAVAS[0], timeout_ms=20_000), code_dir=classes)
    environment = await functions.runtime.create(spec, CREDENTIALS, "s")
    functions.environments.append(environment)
    assert json.loads((await functions.invoke(environment, {"ü": [1, 2.5, None, "\U0001f600"]})).payload) == {"got": {"ü": [1, 2.5, None, "\U0001f600"]}, "n": 1}
    second = await functions.invoke(environment, {})
    assert (json.loads(second.payload), second.log) == ({"got": {}, "n": 2}, b"hello\n")


@pytest.mark.parametrize("version", _JAVAS)
async def test_every_version(functions: Functions, classes: str, version: str) -> None:
    """Each Java that is offered runs, and is the one that its name says."""
    assert await result(functions, classes, "example.Version::run", runtime=version) == version.removeprefix("java")


@pytest.mark.parametrize(
    ("handler", "event", "answer"),
    [
        ("Texts", "a\n\"b\"", 'a\n"b"!'),
        ("Texts::handleRequest", None, "nothing"),
        ("Streams", {"a": [1]}, {"a": [1]}),
        ("Orders::total", [{"amount": 2}, {"amount": 3, "unknown": {}}], 5),
        ("Orders::doubled", [1, 2], [2, 4]),
        ("Orders::fixed", 2**40, 2**40 + 1),
        ("Orders::nothing", {"ignored": 1}, None),
        ("Orders::pick", "x", "two"),
        ("Secure::run", None, True),
    ],
)
async def test_handlers(functions: Functions, classes: str, handler: str, event: Any, answer: Any) -> None:
    """Interfaces, methods of any name, static ones, with and without context; of several the one with the most parameters. All have room
    enough in the smallest memory size."""
    assert await result(functions, classes, f"example.{handler}", event, memory_mb=128) == answer


async def test_beans(functions: Functions, classes: str) -> None:
    """Setters and getters, public fields, enums, dates, lists and maps of beans; members that are missing are null in the answer."""
    event = {"items": [{"name": "n", "price": 1.50, "amount": 2}], "state": "PAID", "at": 1700000000123, "byName": {"k": {"amount": 1}}, "done": True}
    got = await result(functions, classes, "example.Orders::same", event)
    assert got["items"] == [{"amount": 2, "name": "n", "price": 1.5, "urlpath": "/n"}] and got["gift"] is None and got["byName"]["k"] == {"amount": 1, "name": None, "price": None, "urlpath": "/null"}
    assert (got["state"], got["at"], got["done"]) == ("PAID", 1700000000123, True)


async def test_event_classes(functions: Functions, classes: str) -> None:
    """Members that differ in capitals from the class's, as in the events of streams and queues; times in seconds become dates."""
    image = {"a": {"S": "text"}, "b": {"N": "1"}, "c": {"BOOL": True}}
    event = {"Records": [{"eventID": "e", "dynamodb": {"NewImage": image, "ApproximateCreationDateTime": 1700000000}}]}
    assert await result(functions, classes, "example.Records::handle", event) == ["e", "text", "1", True, 1700000000000]


async def test_classes_of_values(functions: Functions, classes: str) -> None:
    """Without setters there are a constructor with all fields, or fields that have getters: the events of S3 are such classes."""
    assert await result(functions, classes, "example.Values::handle", {"Records": [{"key": "k", "size": 7, "x-amz-id": "i", "more": 1}]}) == "k7i"


async def test_records(functions: Functions, plain_directory: Path) -> None:
    """Java's records, in and out."""
    folder = plain_directory / "records"
    folder.mkdir()
    source = "public class Points { public record Point(int x, List<String> names) {} public Point run(Point p) { return new Point(p.x() + 1, p.names()); } }"
    assert await result(functions, compile_java(folder, {"Points": source}, "17"), "example.Points::run", {"x": 1, "names": ["a"]}) == {"x": 2, "names": ["a"]}


async def test_context(functions: Functions, classes: str) -> None:
    """Every documented member of the context; a message to its logger is one entry of the log."""
    fields = {"client_context": json.dumps({"custom": {"k": "v"}, "client": {"app_title": "t"}}), "cognito_identity": '{"cognitoIdentityId": "i"}', "trace_id": "Root=1"}
    got = await result(functions, classes, "example.Contexts", {}, fields=fields)
    expected = ["id-1", "f", "$LATEST", "arn:invoked", 512, "/aws/lambda/f", "2026/01/01/[$LATEST]0123", True, "i", "v", "t", "Root=1", "/var/task"]
    assert got == [*expected, f"AWS_Lambda_{_JAVAS[0]}"]
    assert [line.text for line in functions.lines] == [b"two\nlines"]


async def test_json_log(functions: Functions, classes: str) -> None:
    """With the JSON log format a message is an object."""
    outcome = await run(functions, classes, "example.Contexts", {}, fields={"client_context": '{"custom":{},"client":{}}'}, log_format="JSON")
    entry = json.loads(outcome.log)
    assert (entry["message"], entry["AWSRequestId"], entry["level"]) == ("two\nlines", "id-1", "UNDEFINED")


async def test_own_interfaces_come_first(functions: Functions, classes: str, plain_directory: Path) -> None:
    """A package that has the interfaces in its lib folder gets those: the runtime works with any version, and classes of the package's own win."""
    folder = plain_directory / "own"
    (folder / "lib").mkdir(parents=True)
    shutil.copytree(classes, folder, dirs_exist_ok=True)
    make_jar(folder / "lib" / "aws-lambda-java-core.jar", str(_CORE))
    assert await result(functions, str(folder), "example.Where::run") == "/var/task/lib/aws-lambda-java-core.jar"


@pytest.mark.parametrize(
    ("handler", "event", "status", "kind", "message"),
    [
        ("Failures::fails", "x", "error", "java.lang.IllegalArgumentException", "bad x"),
        ("Failures::fails", "exit", "exited", "Runtime.ExitError", "RequestId: id-1 Error: Runtime exited with error: exit status 3"),
        ("Failures::fails", "memory", "error", "java.lang.OutOfMemoryError", "Java heap space"),
        ("Failures::fails", "long", "response_too_large", "Function.ResponseSizeTooLarge", "Response payload size exceeded maximum allowed payload size (6291556 bytes)."),
        ("Failures::fails", [1], "error", "java.lang.RuntimeException", "An error occurred during JSON parsing: Cannot make an instance of java.lang.String from an array"),
        ("Missing", None, "init_error", "java.lang.ClassNotFoundException", "Class not found: example.Missing"),
        ("Orders", None, "init_error", "java.lang.RuntimeException", "Class example.Orders does not implement an appropriate handler interface"),
        ("Orders::none", None, "init_error", "java.lang.NoSuchMethodException", "No public method named none with appropriate method signature found on class example.Orders"),
        ("Broken::run", None, "init_error", "java.lang.IllegalStateException", "at init"),
    ],
)
async def test_errors(functions: Functions, classes: str, handler: str, event: Any, status: str, kind: str, message: str) -> None:
    """Exceptions by their class's name; what the service says of handlers that are not there."""
    outcome = await run(functions, classes, f"example.{handler}", event, memory_mb=192)
    document = json.loads(outcome.payload)
    assert (outcome.status, document["errorType"], document["errorMessage"]) == (status, kind, message)


async def test_causes_and_traces(functions: Functions, classes: str) -> None:
    """The trace begins where the function threw and holds nothing of the runtime; causes are documents of their own; the log has the whole."""
    outcome = await run(functions, classes, "example.Failures::fails", "cause")
    document = json.loads(outcome.payload)
    assert len(document["stackTrace"]) == 1 and document["stackTrace"][0].startswith("example.Failures.fails(Failures.java:")
    assert (document["cause"]["errorType"], document["cause"]["errorMessage"]) == ("java.lang.ArithmeticException", "inner")
    assert outcome.log.startswith(b"outer: java.io.IOException\n") and b"Caused by: java.lang.ArithmeticException: inner" in outcome.log


async def test_limits(functions: Functions, classes: str) -> None:
    """The time-out holds; memory outside the heap counts, too."""
    assert (await run(functions, classes, "example.Failures::fails", "loop", timeout_ms=1500)).status == "timeout"
    outcome = await run(functions, classes, "example.Failures::fails", "direct", memory_mb=256, environment={"JAVA_TOOL_OPTIONS": "-XX:MaxDirectMemorySize=4g"})
    assert outcome.status == "out_of_memory"
