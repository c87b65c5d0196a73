package haneul;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.ServiceLoader;

/**
 * A handler: `package.Class::method`, or `package.Class` that implements one of the interfaces ("Define Lambda function handler in Java"). The interfaces
 * are those that the function's own package has, or else the runtime's: hence they are known by name here, and implemented by {@link Contexts}.
 */
final class Function {
    private static final String PACKAGE = "com.amazonaws.services.lambda.runtime.";

    private final Object instance;
    private final Method method;
    private final Class<?> contextType;
    private final Map<TypeVariable<?>, Type> variables;
    private final Object serializer;

    /** Throws {@link Fault} with the names that the service has for what is wrong with a handler. */
    Function(String handler, ClassLoader loader) throws Throwable {
        String[] parts = handler.split("::", -1);
        if (parts.length > 2 || parts[0].isEmpty()) {
            throw new Fault("java.lang.RuntimeException", "Invalid handler: `" + handler + "`; expected package.Class::method or package.Class");
        }
        Class<?> kind;
        try {
            kind = Class.forName(parts[0], true, loader);
        } catch (ClassNotFoundException error) {
            throw new Fault("java.lang.ClassNotFoundException", "Class not found: " + parts[0]);
        } catch (ExceptionInInitializerError error) {
            throw error.getCause() != null ? error.getCause() : error;
        }
        contextType = loader.loadClass(PACKAGE + "Context");
        variables = new HashMap<>(Binder.variables(kind));
        method = find(kind, parts.length == 2 ? parts[1] : "handleRequest", parts.length == 1, loader);
        method.setAccessible(true);
        instance = Modifier.isStatic(method.getModifiers()) ? null : make(kind);
        serializer = serializerOf(loader);
    }

    /** Something that goes wrong for a reason that the function is told, not an exception of its own. */
    static final class Fault extends Exception {
        private static final long serialVersionUID = 1L;
        final String kind;

        Fault(String kind, String message) {
            super(message, null, false, false);
            this.kind = kind;
        }
    }

    private Method find(Class<?> kind, String name, boolean byInterface, ClassLoader loader) throws Throwable {
        boolean known = loader.loadClass(PACKAGE + "RequestHandler").isAssignableFrom(kind) || loader.loadClass(PACKAGE + "RequestStreamHandler").isAssignableFrom(kind);
        if (byInterface && !known) {
            throw new Fault("java.lang.RuntimeException", "Class " + kind.getName() + " does not implement an appropriate handler interface");
        }
        Method best = null;
        for (Method one : kind.getMethods()) {
            if (one.getName().equals(name) && !one.isBridge() && fits(one) && (best == null || rank(one) > rank(best))) {
                best = one;
            }
        }
        if (best == null) {
            throw new Fault("java.lang.NoSuchMethodException", "No public method named " + name + " with appropriate method signature found on class " + kind.getName());
        }
        return best;
    }

    private boolean fits(Method one) {
        Class<?>[] types = one.getParameterTypes();
        int own = types.length > 0 && types[types.length - 1] == contextType ? types.length - 1 : types.length;
        return own <= 1 || (own == 2 && streams(types));
    }

    /** Of several methods of one name that with the most parameters is taken, and one with a context before others. */
    private int rank(Method one) {
        Class<?>[] types = one.getParameterTypes();
        return 2 * types.length + (types.length > 0 && types[types.length - 1] == contextType ? 1 : 0);
    }

    private static boolean streams(Class<?>[] types) {
        return types.length > 1 && types[0] == InputStream.class && types[1] == OutputStream.class;
    }

    private static Object make(Class<?> kind) throws Throwable {
        try {
            java.lang.reflect.Constructor<?> constructor = kind.getDeclaredConstructor();
            constructor.setAccessible(true);
            return constructor.newInstance();
        } catch (NoSuchMethodException error) {
            throw new Fault("java.lang.NoSuchMethodException", "Class " + kind.getName() + " has no public zero-argument constructor");
        } catch (InstantiationException error) {
            throw new Fault("java.lang.InstantiationException", "Class " + kind.getName() + " could not be instantiated");
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
    }

    private static Object serializerOf(ClassLoader loader) throws Throwable {
        Class<?> kind;
        try {
            kind = loader.loadClass(PACKAGE + "CustomPojoSerializer");
        } catch (ClassNotFoundException error) {
            return null;  // The package brings an older version of the interfaces.
        }
        java.util.Iterator<?> found = ServiceLoader.load(kind, loader).iterator();
        return found.hasNext() ? found.next() : null;
    }

    /** The answer's bytes. What the function throws comes out as it is. */
    byte[] call(byte[] event, Object context) throws Throwable {
        Class<?>[] types = method.getParameterTypes();
        Object[] arguments = new Object[types.length];
        ByteArrayOutputStream output = new ByteArrayOutputStream();
        int own = types.length;
        if (own > 0 && types[own - 1] == contextType) {
            arguments[--own] = context;
        }
        if (own > 0 && types[0] == InputStream.class) {
            arguments[0] = new ByteArrayInputStream(event);
        } else if (own > 0) {
            arguments[0] = convert(event, method.getGenericParameterTypes()[0]);
        }
        if (streams(types)) {
            arguments[1] = output;
        }
        Object result;
        try {
            result = method.invoke(instance, arguments);
        } catch (InvocationTargetException error) {
            throw error.getCause();
        }
        return streams(types) ? output.toByteArray() : write(result);
    }

    private Object convert(byte[] event, Type type) throws Throwable {
        if (serializer != null) {
            Method from = method(serializer, "fromJson", InputStream.class, Type.class);
            return Beans.call(from, serializer, new ByteArrayInputStream(event), Binder.resolve(type, variables));
        }
        try {
            return Binder.bind(Json.parse(new String(event, StandardCharsets.UTF_8)), type, variables);
        } catch (IllegalArgumentException error) {
            throw new Fault("java.lang.RuntimeException", "An error occurred during JSON parsing: " + error.getMessage());
        }
    }

    private byte[] write(Object result) throws Throwable {
        if (serializer != null && method.getReturnType() != void.class) {
            ByteArrayOutputStream output = new ByteArrayOutputStream();
            Type type = Binder.resolve(method.getGenericReturnType(), variables);
            Beans.call(method(serializer, "toJson", Object.class, OutputStream.class, Type.class), serializer, result, output, type);
            return output.toByteArray();
        }
        try {
            return Json.write(Plain.plain(result)).getBytes(StandardCharsets.UTF_8);
        } catch (IllegalArgumentException | StackOverflowError error) {
            throw new Fault("java.lang.RuntimeException", "An error occurred during JSON serialization of response: " + error.getMessage());
        }
    }

    private static Method method(Object target, String name, Class<?>... types) throws NoSuchMethodException {
        return target.getClass().getMethod(name, types);
    }
}
