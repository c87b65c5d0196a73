package haneul;

import java.lang.reflect.Array;
import java.lang.reflect.Field;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Date;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** From what handlers return to what {@link Json} writes. */
final class Plain {
    private Plain() {}

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
        Object[] components = Beans.components(kind);
        if (components != null) {
            for (Object component : components) {
                out.put((String) Beans.property(component, "getName"), plain(Beans.call((Method) Beans.property(component, "getAccessor"), value)));
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
        Beans.getters(kind).forEach((name, getter) -> out.put(name, plain(Beans.call(getter, value))));
        return out;
    }
}
