package haneul;

import java.io.File;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.MalformedURLException;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The Java runtime: loads the function's handler and calls it for each invocation that the Runtime API gives. Behaviour follows "Building Lambda functions
 * with Java" of the AWS Lambda Developer Guide. The argument is the folder of the interfaces for functions whose package has none.
 */
public final class Bootstrap {
    private Bootstrap() {}

    public static void main(String[] arguments) throws Exception {
        ClassLoader loader = new URLClassLoader(places(arguments[0]), ClassLoader.getPlatformClassLoader());
        Thread.currentThread().setContextClassLoader(loader);
        RuntimeApi api = new RuntimeApi(System.getenv("AWS_LAMBDA_RUNTIME_API"));
        Contexts contexts = new Contexts(loader);
        Function function = null;
        try {
            function = new Function(System.getenv("_HANDLER"), loader);
        } catch (Throwable error) {
            report(api, contexts, null, error);
            System.exit(1);
        }
        while (true) {
            RuntimeApi.Answer invocation = api.next();
            String requestId = invocation.headers.get("lambda-runtime-aws-request-id");
            String trace = invocation.headers.get("lambda-runtime-trace-id");
            if (trace != null) {
                System.setProperty("com.amazonaws.xray.traceHeader", trace);
            } else {
                System.clearProperty("com.amazonaws.xray.traceHeader");
            }
            byte[] answer;
            try {
                answer = function.call(invocation.body, contexts.of(invocation));
            } catch (Throwable error) {
                System.out.flush();
                report(api, contexts, requestId, error);
                if (error instanceof VirtualMachineError) {  // Nothing that is done from here on can be relied on.
                    Runtime.getRuntime().halt(1);
                }
                continue;
            }
            System.out.flush();
            api.respond(requestId, answer);
        }
    }

    /** The function's classes and jars, its layers', and last the interfaces: those that the package brings along come before. */
    private static URL[] places(String interfaces) throws MalformedURLException {
        String root = System.getenv().getOrDefault("LAMBDA_TASK_ROOT", "/var/task");
        List<URL> out = new ArrayList<>();
        out.add(new File(root).toURI().toURL());
        for (String folder : new String[] {root + "/lib", "/opt/java/lib"}) {
            File[] found = new File(folder).listFiles((directory, name) -> name.endsWith(".jar"));
            if (found != null) {
                Arrays.sort(found);
                for (File jar : found) {
                    out.add(jar.toURI().toURL());
                }
            }
        }
        out.add(new File(interfaces).toURI().toURL());
        return out.toArray(new URL[0]);
    }

    private static void report(RuntimeApi api, Contexts contexts, String requestId, Throwable error) throws IOException {
        Map<String, Object> document = document(error, 0);
        if (error instanceof Function.Fault) {
            contexts.log(error.getMessage() + ": " + ((Function.Fault) error).kind, "ERROR");
        } else {
            StringWriter text = new StringWriter();
            error.printStackTrace(new PrintWriter(text, true));
            contexts.log((error.getMessage() == null ? "" : error.getMessage() + ": ") + error.getClass().getName() + "\n" + text, "ERROR");
        }
        api.fail(requestId, (String) document.get("errorType"), Json.write(document).getBytes(StandardCharsets.UTF_8));
    }

    private static Map<String, Object> document(Throwable error, int depth) {
        Map<String, Object> out = new LinkedHashMap<>();
        out.put("errorMessage", error.getMessage());
        if (error instanceof Function.Fault) {
            out.put("errorType", ((Function.Fault) error).kind);
            return out;
        }
        out.put("errorType", error.getClass().getName());
        List<Object> trace = new ArrayList<>();
        for (StackTraceElement element : error.getStackTrace()) {
            String line = element.toString();
            if (element.getClassName().startsWith("haneul.") || element.getClassName().contains("reflect.")) {
                break;  // From here on it is the runtime's own.
            }
            trace.add(line);
        }
        out.put("stackTrace", trace);
        if (error.getCause() != null && error.getCause() != error && depth < 10) {
            out.put("cause", document(error.getCause(), depth + 1));
        }
        return out;
    }
}
