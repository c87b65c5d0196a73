package haneul;

import java.lang.reflect.Array;
import java.lang.reflect.Constructor;
import java.lang.reflect.Field;
import java.lang.reflect.GenericArrayType;
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
 * From what {@link Json} makes to the types that handlers declare: texts, numbers, enums, maps, collections, arrays, records, and beans with setters
 * and getters or public fields. A member whose name differs in capitals only is taken all the same, as event classes need it.
 */
final class Binder {
    private Binder() {}

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
            : wanted.isAssignableFrom(ConcurrentHashMap.class) ? new ConcurrentHashMap<>() : (Map<Object, Object>) Beans.make(wanted);
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
            : wanted == Queue.class || wanted.isAssignableFrom(ArrayDeque.class) ? new ArrayDeque<>() : (Collection<Object>) Beans.make(wanted);
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
                        return Beans.call(method, null, value.toString());
                    }
                } catch (NoSuchMethodException error) {
                    continue;
                }
            }
        }
        for (Class<?> parameter : new Class<?>[] {String.class, Object.class}) {
            try {
                return Beans.call(wanted.getConstructor(parameter), null, value.toString());
            } catch (NoSuchMethodException error) {
                continue;
            }
        }
        throw mismatch(value, wanted);
    }

    private static Object object(Map<?, ?> values, Class<?> wanted, Type type, Map<TypeVariable<?>, Type> known) {
        Map<TypeVariable<?>, Type> inner = new HashMap<>(known);
        inner.putAll(variables(type));
        Object[] components = Beans.components(wanted);
        if (components != null) {
            return record(values, wanted, components, inner);
        }
        Constructor<?> whole = Beans.byFields(wanted);
        if (whole != null) {
            return constructed(values, Beans.fieldsOf(wanted), whole, inner);
        }
        Object out = Beans.make(wanted);
        Map<String, Method> setters = Beans.setters(wanted);
        for (Map.Entry<?, ?> entry : values.entrySet()) {
            String name = entry.getKey().toString();
            Method setter = setters.getOrDefault(name, setters.get(name.toLowerCase(Locale.ROOT)));
            Field field = setter == null ? Beans.settable(wanted, name) : null;
            if (setter != null) {
                Beans.call(setter, out, bind(entry.getValue(), setter.getGenericParameterTypes()[0], inner));
            } else if (field != null) {
                try {
                    field.setAccessible(true);
                    field.set(out, bind(entry.getValue(), field.getGenericType(), inner));
                } catch (IllegalAccessException error) {
                    throw new IllegalArgumentException(error);
                }
            }
        }
        return out;
    }

    private static Object constructed(Map<?, ?> values, List<Field> fields, Constructor<?> constructor, Map<TypeVariable<?>, Type> known) {
        Map<String, Object> byName = new HashMap<>();
        values.forEach((name, value) -> byName.put(letters(name.toString()), value));
        Object[] arguments = new Object[fields.size()];
        for (int index = 0; index < arguments.length; index++) {
            arguments[index] = bind(byName.get(letters(fields.get(index).getName())), constructor.getGenericParameterTypes()[index], known);
        }
        return Beans.call(constructor, null, arguments);
    }

    /** A name without what tells members of JSON from Java's: capitals and hyphens. */
    private static String letters(String name) {
        return name.replaceAll("[^A-Za-z0-9]", "").toLowerCase(Locale.ROOT);
    }

    private static Object record(Map<?, ?> values, Class<?> wanted, Object[] components, Map<TypeVariable<?>, Type> known) {
        Class<?>[] types = new Class<?>[components.length];
        Object[] arguments = new Object[components.length];
        for (int index = 0; index < components.length; index++) {
            types[index] = (Class<?>) Beans.property(components[index], "getType");
            Object value = values.get(Beans.property(components[index], "getName"));
            arguments[index] = bind(value, (Type) Beans.property(components[index], "getGenericType"), known);
        }
        try {
            return Beans.call(wanted.getDeclaredConstructor(types), null, arguments);
        } catch (NoSuchMethodException error) {
            throw new IllegalArgumentException(error);
        }
    }

    // ---- types

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
