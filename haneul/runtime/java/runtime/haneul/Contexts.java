package haneul;

import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** Makes the objects of `com.amazonaws.services.lambda.runtime`, whichever version of its interfaces the function has. */
final class Contexts {
    private static final String PACKAGE = "com.amazonaws.services.lambda.runtime.";
    private static final int FRAME_TEXT = 0xa55a0003;
    private static final List<String> LEVELS = List.of("UNDEFINED", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL");

    private final ClassLoader loader;
    private final Object logger;
    private final OutputStream log = new FileOutputStream(FileDescriptor.err);
    private final boolean json = "JSON".equals(System.getenv("AWS_LAMBDA_LOG_FORMAT"));
    private final int levelMin = Math.max(0, LEVELS.indexOf(String.valueOf(System.getenv("AWS_LAMBDA_LOG_LEVEL")).toUpperCase(java.util.Locale.ROOT)));
    private volatile String requestId = "";

    Contexts(ClassLoader loader) throws ClassNotFoundException {
        this.loader = loader;
        logger = proxy("LambdaLogger", (proxy, method, arguments) -> {
            if (method.getName().equals("log")) {
                String text = arguments[0] instanceof byte[] ? new String((byte[]) arguments[0], StandardCharsets.UTF_8) : String.valueOf(arguments[0]);
                log(text, arguments.length > 1 ? String.valueOf(arguments[1]) : "UNDEFINED");
                return null;
            }
            return ordinary(proxy, method, arguments, Map.of());
        });
    }

    /** One entry, line breaks included, in the frame that the runtime clients use for it. */
    void log(String message, String level) {
        int rank = LEVELS.indexOf(level);
        if (json && rank > 0 && rank < levelMin) {
            return;
        }
        String text = message;
        if (json) {
            Map<String, Object> entry = new LinkedHashMap<>();
            entry.put("timestamp", Instant.now().truncatedTo(ChronoUnit.MILLIS).toString());
            entry.put("message", message);
            entry.put("level", level);
            entry.put("AWSRequestId", requestId);
            text = Json.write(entry);
        }
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        Instant now = Instant.now();
        ByteBuffer frame = ByteBuffer.allocate(16 + bytes.length);
        frame.putInt(FRAME_TEXT).putInt(bytes.length).putLong(now.getEpochSecond() * 1_000_000 + now.getNano() / 1000).put(bytes);
        synchronized (log) {
            try {
                log.write(frame.array());
            } catch (IOException error) {
                throw new java.io.UncheckedIOException(error);
            }
        }
    }

    Object of(RuntimeApi.Answer invocation) throws ClassNotFoundException {
        Map<String, String> headers = invocation.headers;
        requestId = headers.get("lambda-runtime-aws-request-id");
        long deadline = Long.parseLong(headers.getOrDefault("lambda-runtime-deadline-ms", "0"));
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("getAwsRequestId", requestId);
        values.put("getLogGroupName", System.getenv("AWS_LAMBDA_LOG_GROUP_NAME"));
        values.put("getLogStreamName", System.getenv("AWS_LAMBDA_LOG_STREAM_NAME"));
        values.put("getFunctionName", System.getenv("AWS_LAMBDA_FUNCTION_NAME"));
        values.put("getFunctionVersion", System.getenv("AWS_LAMBDA_FUNCTION_VERSION"));
        values.put("getInvokedFunctionArn", headers.get("lambda-runtime-invoked-function-arn"));
        values.put("getMemoryLimitInMB", Integer.valueOf(System.getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE")));
        values.put("getXrayTraceId", headers.get("lambda-runtime-trace-id"));
        values.put("getLogger", logger);
        values.put("getIdentity", identity(headers.get("lambda-runtime-cognito-identity")));
        values.put("getClientContext", client(headers.get("lambda-runtime-client-context")));
        return proxy("Context", (proxy, method, arguments) -> {
            if (method.getName().equals("getRemainingTimeInMillis")) {
                return (int) Math.max(0, deadline - System.currentTimeMillis());
            }
            return ordinary(proxy, method, arguments, values);
        });
    }

    private Object identity(String text) throws ClassNotFoundException {
        Map<?, ?> given = text == null ? Map.of() : (Map<?, ?>) Json.parse(text);
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("getIdentityId", given.get("cognitoIdentityId"));
        values.put("getIdentityPoolId", given.get("cognitoIdentityPoolId"));
        return proxy("CognitoIdentity", values);
    }

    private Object client(String text) throws ClassNotFoundException {
        if (text == null) {
            return null;
        }
        Map<?, ?> given = (Map<?, ?>) Json.parse(text);
        Map<String, Object> values = new LinkedHashMap<>();
        values.put("getCustom", given.get("custom"));
        values.put("getEnvironment", given.get("env"));
        if (given.get("client") instanceof Map) {
            Map<?, ?> application = (Map<?, ?>) given.get("client");
            Map<String, Object> members = new LinkedHashMap<>();
            for (String name : new String[] {"InstallationId", "AppTitle", "AppVersionName", "AppVersionCode", "AppPackageName"}) {
                members.put("get" + name, application.get(name.replaceAll("([a-z])([A-Z])", "$1_$2").toLowerCase(java.util.Locale.ROOT)));
            }
            values.put("getClient", proxy("Client", members));
        }
        return proxy("ClientContext", values);
    }

    private Object proxy(String name, Map<String, Object> values) throws ClassNotFoundException {
        return proxy(name, (proxy, method, arguments) -> ordinary(proxy, method, arguments, values));
    }

    private Object proxy(String name, InvocationHandler handler) throws ClassNotFoundException {
        return Proxy.newProxyInstance(loader, new Class<?>[] {loader.loadClass(PACKAGE + name)}, handler);
    }

    private static Object ordinary(Object proxy, Method method, Object[] arguments, Map<String, Object> values) {
        switch (method.getName()) {
            case "equals":
                return proxy == arguments[0];
            case "hashCode":
                return System.identityHashCode(proxy);
            case "toString":
                return values.toString();
            default:
                return values.containsKey(method.getName()) ? values.get(method.getName()) : Binder.nothing(method.getReturnType());
        }
    }
}
