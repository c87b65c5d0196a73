package haneul;

import java.beans.Introspector;
import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.Type;
import java.lang.reflect.TypeVariable;
import java.lang.reflect.WildcardType;
import java.math.BigDecimal;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collection;
import java.util.Date;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Queue;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Between what {@link Json} makes and the types that handlers declare: texts, numbers, enums, maps, collections, arrays, records, and beans with setters
 * and getters or public fields. A member whose name differs in capitals only is taken all the same, as event classes need it.
 */
final class Binder {
    private static final Map<Class<?>, Map<String, Method>> GETTERS = new ConcurrentHashMap<>();
    private static final Map<Class<?>, Map<String, Method>> SETTERS = new ConcurrentHashMap<>();

    private Binder() {}

    // ---- from JSON

    /** Throws IllegalArgumentException for a value that the type cannot take. */
    static Object bind(Object value, Type type, Map<TypeVariable<?>, Type> known) {
        Type resolved = resolve(type, known);
        if (resolved instanceof GenericArrayType) {
            Type element = resolve(((GenericArrayType) resolved).getGenericComponentType(), known);
            return array(value, rawClass(element), element, known);
        }
        Class<?> wanted = rawClass(resolved);
        if (value == null) {
            return wanted == Optional.class ? Optional.empty() : nothing(wanted);
        }
        if (wanted == Object.class || wanted == Void.class) {
            return wanted == Object.class ? value : null;
        }
        if (wanted.isPrimitive() || Number.class.isAssignableFrom(wanted) || wanted == Boolean.class || wanted == Character.class) {
            return scalar(value, wanted);
        }
        if (wanted == String.class || wanted == CharSequence.class) {
            if (value instanceof Map || value instanceof List) {
                throw mismatch(value, wanted);
            }
            return value.toString();
        }
        if (wanted.isArray() && wanted != byte[].class) {
            return array(value, wanted.getComponentType(), wanted.getComponentType(), known);
        }
        if (Map.class.isAssignableFrom(wanted)) {
            return map(value, wanted, resolved, known);
        }
        if (Collection.class.isAssignableFrom(wanted) || wanted == Iterable.class) {
            return collection(value, wanted, argument(resolved, 0), known);
        }
        if (wanted == Optional.class) {
            return Optional.of(bind(value, argument(resolved, 0), known));
        }
        return value instanceof Map ? object((Map<?, ?>) value, wanted, resolved, known) : fromText(value, wanted);
    }

    private static IllegalArgumentException mismatch(Object value, Class<?> wanted) {
        String kind = value instanceof Map ? "an object" : value instanceof List ? "an array" : value instanceof String ? "a string" : value.toString();
        return new IllegalArgumentException("Cannot make an instance of " + wanted.getName() + " from " + kind);
    }

    /** A type's null: zero or false for primitive ones. */
    static Object nothing(Class<?> type) {
        return type.isPrimitive() && type != void.class ? Array.get(Array.newInstance(type, 1), 0) : null;
    }

    private static Object scalar(Object value, Class<?> wanted) {
        try {
            if (wanted == boolean.class || wanted == Boolean.class) {
                if (value instanceof Boolean || "true".equals(value) || "false".equals(value)) {
                    return Boolean.valueOf(value.toString());
                }
                throw mismatch(value, wanted);
            }
            if (wanted == char.class || wanted == Character.class) {
                if (value instanceof String && ((String) value).length() == 1) {
                    return ((String) value).charAt(0);
                }
                throw mismatch(value, wanted);
            }
            if (!(value instanceof Number || value instanceof String)) {
                throw mismatch(value, wanted);
            }
            BigDecimal number = new BigDecimal(value.toString().trim());
            if (wanted == int.class || wanted == Integer.class) {
                return number.toBigInteger().intValueExact();
            } else if (wanted == long.class || wanted == Long.class) {
                return number.toBigInteger().longValueExact();
            } else if (wanted == double.class || wanted == Double.class) {
                return number.doubleValue();
            } else if (wanted == float.class || wanted == Float.class) {
                return number.floatValue();
            } else if (wanted == short.class || wanted == Short.class) {
                return number.toBigInteger().shortValueExact();
            } else if (wanted == byte.class || wanted == Byte.class) {
                return number.toBigInteger().byteValueExact();
            } else if (wanted == BigInteger.class) {
                return number.toBigInteger();
            } else if (wanted == BigDecimal.class) {
                return number;
            }
            return value instanceof Number ? value : number;
        } catch (ArithmeticException | NumberFormatException error) {
            throw mismatch(value, wanted);
        }
    }

    private static Object array(Object value, Class<?> element, Type type, Map<TypeVariable<?>, Type> known) {
        if (!(value instanceof List)) {
            throw mismatch(value, element);
        }
        List<?> values = (List<?>) value;
        Object out = Array.newInstance(element, values.size());
        for (int index = 0; index < values.size(); index++) {
            Array.set(out, index, bind(values.get(index), type, known));
        }
        return out;
    }

    @SuppressWarnings("unchecked")
    private static Object map(Object value, Class<?> wanted, Type type, Map<TypeVariable<?>, Type> known) {
        if (!(value instanceof Map)) {
            throw mismatch(value, wanted);
        }
        Map<Object, Object> out = wanted.isAssignableFrom(LinkedHashMap.class) ? new LinkedHashMap<>()
            : wanted.isAssignableFrom(TreeMap.class) ? new TreeMap<>()
            : wanted.isAssignableFrom(ConcurrentHashMap.class) ? new ConcurrentHashMap<>() : (Map<Object, Object>) make(wanted);
        Type[] arguments = type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments() : new Type[0];
        boolean both = arguments.length == 2;
        for (Map.Entry<?, ?> entry : ((Map<?, ?>) value).entrySet()) {
            out.put(bind(entry.getKey(), both ? arguments[0] : Object.class, known), bind(entry.getValue(), both ? arguments[1] : Object.class, known));
        }
        return out;
    }

    @SuppressWarnings("unchecked")
    private static Object collection(Object value, Class<?> wanted, Type element, Map<TypeVariable<?>, Type> known) {
        if (!(value instanceof List)) {
            throw mismatch(value, wanted);
        }
        Collection<Object> out = wanted.isAssignableFrom(ArrayList.class) ? new ArrayList<>()
            : wanted.isAssignableFrom(LinkedHashSet.class) || wanted == Set.class ? new LinkedHashSet<>()
            : wanted == Queue.class || wanted.isAssignableFrom(ArrayDeque.class) ? new ArrayDeque<>() : (Collection<Object>) make(wanted);
        for (Object one : (List<?>) value) {
            out.add(bind(one, element, known));
        }
        return out;
    }

    @SuppressWarnings({"unchecked", "rawtypes"})
    private static Object fromText(Object value, Class<?> wanted) {
        if (wanted.isEnum()) {
            return Enum.valueOf((Class<? extends Enum>) wanted, value.toString());
        }
        if (wanted == byte[].class || wanted == ByteBuffer.class) {
            byte[] bytes = Base64.getDecoder().decode(value.toString());
            return wanted == byte[].class ? bytes : ByteBuffer.wrap(bytes);
        }
        if (value instanceof Number && wanted == Date.class) {  // Streams count in seconds, programs in milliseconds.
            double number = ((Number) value).doubleValue();
            return new Date(Math.round(number < 1e11 ? number * 1000 : number));
        }
        for (String factory : new String[] {"parse", "fromString", "valueOf", "fromValue"}) {
            for (Class<?> parameter : new Class<?>[] {CharSequence.class, String.class}) {
                try {
                    Method method = wanted.getMethod(factory, parameter);
                    if (Modifier.isStatic(method.getModifiers()) && wanted.isAssignableFrom(method.getReturnType())) {
                        return call(method, null, value.toString());
                    }
                } catch (NoSuchMethodException error) {
                    continue;
                }
            }
        }
        for (Class<?> parameter : new Class<?>[] {String.class, Object.class}) {
            try {
                return call(wanted.getConstructor(parameter), null, value.toString());
            } catch (NoSuchMethodException error) {
                continue;
            }
        }
        throw mismatch(value, wanted);
    }

    private static Object object(Map<?, ?> values, Class<?> wanted, Type type, Map<TypeVariable<?>, Type> known) {
        Map<TypeVariable<?>, Type> inner = new HashMap<>(known);
        inner.putAll(variables(type));
        Object[] components = components(wanted);
        if (components != null) {
            return record(values, wanted, components, inner);
        }
        Object out = make(wanted);
        Map<String, Method> setters = SETTERS.computeIfAbsent(wanted, Binder::settersOf);
        for (Map.Entry<?, ?> entry : values.entrySet()) {
            String name = entry.getKey().toString();
            Method setter = setters.getOrDefault(name, setters.get(name.toLowerCase(Locale.ROOT)));
            Field field = setter == null ? publicField(wanted, name) : null;
            if (setter != null) {
                call(setter, out, bind(entry.getValue(), setter.getGenericParameterTypes()[0], inner));
            } else if (field != null && !Modifier.isFinal(field.getModifiers())) {
                try {
                    field.set(out, bind(entry.getValue(), field.getGenericType(), inner));
                } catch (IllegalAccessException error) {
                    throw new IllegalArgumentException(error);
                }
            }
        }
        return out;
    }

    private static Object record(Map<?, ?> values, Class<?> wanted, Object[] components, Map<TypeVariable<?>, Type> known) {
        Class<?>[] types = new Class<?>[components.length];
        Object[] arguments = new Object[components.length];
        for (int index = 0; index < components.length; index++) {
            types[index] = (Class<?>) property(components[index], "getType");
            Object value = values.get(property(components[index], "getName"));
            arguments[index] = bind(value, (Type) property(components[index], "getGenericType"), known);
        }
        try {
            return call(wanted.getDeclaredConstructor(types), null, arguments);
        } catch (NoSuchMethodException error) {
            throw new IllegalArgumentException(error);
        }
    }

    private static Object make(Class<?> wanted) {
        try {
            return call(wanted.getDeclaredConstructor(), null);
        } catch (NoSuchMethodException error) {
            throw new IllegalArgumentException("Cannot make an instance of " + wanted.getName() + ": it has no constructor without parameters");
        }
    }

    static Object call(Executable executable, Object target, Object... arguments) {
        try {
            executable.setAccessible(true);
            return executable instanceof Method ? ((Method) executable).invoke(target, arguments) : ((Constructor<?>) executable).newInstance(arguments);
        } catch (InvocationTargetException error) {
            throw new IllegalArgumentException(error.getCause().toString(), error.getCause());
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException(error.toString(), error);
        }
    }

    // ---- to JSON

    /** What {@link Json#write} takes. */
    static Object plain(Object value) {
        if (value == null || value instanceof String || value instanceof Number || value instanceof Boolean) {
            return value;
        }
        Class<?> kind = value.getClass();
        if (value instanceof Map) {
            Map<String, Object> out = new LinkedHashMap<>();
            ((Map<?, ?>) value).forEach((key, element) -> out.put(String.valueOf(key), plain(element)));
            return out;
        }
        if (value instanceof Iterable && !(value instanceof java.nio.file.Path)) {
            List<Object> out = new ArrayList<>();
            ((Iterable<?>) value).forEach(element -> out.add(plain(element)));
            return out;
        }
        if (value instanceof Optional) {
            return plain(((Optional<?>) value).orElse(null));
        }
        if (value instanceof byte[]) {
            return Base64.getEncoder().encodeToString((byte[]) value);
        }
        if (value instanceof ByteBuffer) {
            byte[] bytes = new byte[((ByteBuffer) value).remaining()];
            ((ByteBuffer) value).duplicate().get(bytes);
            return Base64.getEncoder().encodeToString(bytes);
        }
        if (kind.isArray()) {
            List<Object> out = new ArrayList<>();
            for (int index = 0; index < Array.getLength(value); index++) {
                out.add(plain(Array.get(value, index)));
            }
            return out;
        }
        if (value instanceof Date) {
            return ((Date) value).getTime();
        }
        String name = kind.getName();
        boolean text = value instanceof Enum || value instanceof CharSequence || value instanceof Character;
        return text || name.startsWith("java.") || name.startsWith("org.joda.time.") ? value.toString() : properties(value, kind);
    }

    private static Object properties(Object value, Class<?> kind) {
        Map<String, Object> out = new LinkedHashMap<>();
        Object[] components = components(kind);
        if (components != null) {
            for (Object component : components) {
                out.put((String) property(component, "getName"), plain(call((Method) property(component, "getAccessor"), value)));
            }
            return out;
        }
        for (Field field : kind.getFields()) {
            if (!Modifier.isStatic(field.getModifiers())) {
                try {
                    out.put(field.getName(), plain(field.get(value)));
                } catch (IllegalAccessException error) {
                    throw new IllegalArgumentException(error);
                }
            }
        }
        GETTERS.computeIfAbsent(kind, Binder::gettersOf).forEach((name, getter) -> out.put(name, plain(call(getter, value))));
        return out;
    }

    // ---- beans, records and types

    private static Map<String, Method> gettersOf(Class<?> kind) {
        Map<String, Method> out = new TreeMap<>();
        for (Method method : kind.getMethods()) {
            String name = method.getName();
            boolean logical = name.startsWith("is") && name.length() > 2 && method.getReturnType() == boolean.class;
            boolean any = name.startsWith("get") && name.length() > 3 && method.getReturnType() != void.class;
            if ((logical || any) && method.getParameterCount() == 0 && !Modifier.isStatic(method.getModifiers()) && method.getDeclaringClass() != Object.class) {
                out.put(Introspector.decapitalize(name.substring(logical ? 2 : 3)), method);
            }
        }
        return out;
    }

    private static Map<String, Method> settersOf(Class<?> kind) {
        Map<String, Method> out = new HashMap<>();
        for (Method method : kind.getMethods()) {
            String name = method.getName();
            if (name.startsWith("set") && name.length() > 3 && method.getParameterCount() == 1 && !method.isBridge()) {
                out.put(Introspector.decapitalize(name.substring(3)), method);
                out.putIfAbsent(name.substring(3).toLowerCase(Locale.ROOT), method);
            }
        }
        return out;
    }

    private static Field publicField(Class<?> kind, String name) {
        for (Field field : kind.getFields()) {
            if (field.getName().equalsIgnoreCase(name) && !Modifier.isStatic(field.getModifiers())) {
                return field;
            }
        }
        return null;
    }

    /** A record's components, null for what is no record: asked for by name, as the oldest Java that this runs on has none. */
    private static Object[] components(Class<?> kind) {
        try {
            return (Object[]) Class.class.getMethod("getRecordComponents").invoke(kind);
        } catch (ReflectiveOperationException error) {
            return null;
        }
    }

    private static Object property(Object component, String name) {
        try {
            return component.getClass().getMethod(name).invoke(component);
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException(error);
        }
    }

    static Class<?> rawClass(Type type) {
        if (type instanceof Class) {
            return (Class<?>) type;
        }
        if (type instanceof ParameterizedType) {
            return (Class<?>) ((ParameterizedType) type).getRawType();
        }
        if (type instanceof GenericArrayType) {
            return Array.newInstance(rawClass(((GenericArrayType) type).getGenericComponentType()), 0).getClass();
        }
        return Object.class;
    }

    private static Type argument(Type type, int index) {
        return type instanceof ParameterizedType ? ((ParameterizedType) type).getActualTypeArguments()[index] : Object.class;
    }

    static Type resolve(Type type, Map<TypeVariable<?>, Type> known) {
        Type out = type;
        for (int step = 0; step < 20; step++) {
            if (out instanceof WildcardType) {
                out = ((WildcardType) out).getUpperBounds()[0];
            } else if (out instanceof TypeVariable) {
                out = known.getOrDefault(out, ((TypeVariable<?>) out).getBounds()[0]);
            } else {
                break;
            }
        }
        return out;
    }

    /** What the type variables of a class, its superclasses and interfaces stand for. */
    static Map<TypeVariable<?>, Type> variables(Type type) {
        Map<TypeVariable<?>, Type> out = new HashMap<>();
        collect(type, out);
        return out;
    }

    private static void collect(Type type, Map<TypeVariable<?>, Type> out) {
        if (type == null) {
            return;
        }
        Class<?> raw = rawClass(type);
        if (type instanceof ParameterizedType) {
            Type[] arguments = ((ParameterizedType) type).getActualTypeArguments();
            for (int index = 0; index < arguments.length; index++) {
                out.put(raw.getTypeParameters()[index], arguments[index]);
            }
        }
        collect(raw.getGenericSuperclass(), out);
        for (Type one : raw.getGenericInterfaces()) {
            collect(one, out);
        }
    }
}
