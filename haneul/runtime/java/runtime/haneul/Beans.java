package haneul;

import java.lang.reflect.Constructor;
import java.lang.reflect.Executable;
import java.lang.reflect.Field;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;

/** What classes of values look like from outside: constructors, getters, setters, fields, a record's components. */
final class Beans {
    private static final Map<Class<?>, Map<String, Method>> GETTERS = new ConcurrentHashMap<>();
    private static final Map<Class<?>, Map<String, Method>> SETTERS = new ConcurrentHashMap<>();

    private Beans() {}

    /** By the property's name. */
    static Map<String, Method> getters(Class<?> kind) {
        return GETTERS.computeIfAbsent(kind, Beans::gettersOf);
    }

    /** By the property's name, and that in small letters. */
    static Map<String, Method> setters(Class<?> kind) {
        return SETTERS.computeIfAbsent(kind, Beans::settersOf);
    }

    /** All capitals at its beginning become small, as in the library that Lambda's own conversion rests on: getURLPath is `urlpath`. */
    private static String propertyName(String name) {
        int end = 0;
        while (end < name.length() && Character.isUpperCase(name.charAt(end))) {
            end++;
        }
        return name.substring(0, end).toLowerCase(Locale.ROOT) + name.substring(end);
    }

    private static Map<String, Method> gettersOf(Class<?> kind) {
        Map<String, Method> out = new TreeMap<>(String.CASE_INSENSITIVE_ORDER);
        for (Method method : kind.getMethods()) {
            String name = method.getName();
            boolean logical = name.startsWith("is") && name.length() > 2 && method.getReturnType() == boolean.class;
            boolean any = name.startsWith("get") && name.length() > 3 && method.getReturnType() != void.class;
            if ((logical || any) && method.getParameterCount() == 0 && !Modifier.isStatic(method.getModifiers()) && method.getDeclaringClass() != Object.class) {
                out.put(propertyName(name.substring(logical ? 2 : 3)), method);
            }
        }
        return out;
    }

    private static Map<String, Method> settersOf(Class<?> kind) {
        Map<String, Method> out = new HashMap<>();
        for (Method method : kind.getMethods()) {
            String name = method.getName();
            if (name.startsWith("set") && name.length() > 3 && method.getParameterCount() == 1 && !method.isBridge()) {
                out.put(propertyName(name.substring(3)), method);
                out.putIfAbsent(name.substring(3).toLowerCase(Locale.ROOT), method);
            }
        }
        return out;
    }

    /** A field without a setter: a public one, or one that has a getter, also if it belongs to a superclass. */
    static Field settable(Class<?> kind, String name) {
        Map<String, Method> getters = getters(kind);
        for (Class<?> one = kind; one != null && one != Object.class; one = one.getSuperclass()) {
            for (Field field : fieldsOf(one)) {
                boolean seen = Modifier.isPublic(field.getModifiers()) ? !Modifier.isFinal(field.getModifiers()) : getters.containsKey(field.getName());
                if (field.getName().equalsIgnoreCase(name) && seen) {
                    return field;
                }
            }
        }
        return null;
    }

    /** A record's components, null for what is no record: asked for by name, as the oldest Java that this runs on has none. */
    static Object[] components(Class<?> kind) {
        try {
            return (Object[]) Class.class.getMethod("getRecordComponents").invoke(kind);
        } catch (ReflectiveOperationException error) {
            return null;
        }
    }

    /** One of a component's properties, by its method's name. */
    static Object property(Object component, String name) {
        try {
            return component.getClass().getMethod(name).invoke(component);
        } catch (ReflectiveOperationException error) {
            throw new IllegalArgumentException(error);
        }
    }

    /** Of a class that has no constructor without parameters: the one that takes all its fields, as classes of values have it. Null if there is none. */
    static Constructor<?> byFields(Class<?> wanted) {
        Constructor<?> best = null;
        List<Field> fields = fieldsOf(wanted);
        int most = -1;
        for (Constructor<?> one : wanted.getConstructors()) {
            if (one.getParameterCount() == 0) {
                return null;
            }
            if (one.getParameterCount() == fields.size()) {
                int same = 0;
                for (int index = 0; index < fields.size(); index++) {
                    same += one.getParameterTypes()[index] == fields.get(index).getType() ? 1 : 0;
                }
                best = same > most ? one : best;
                most = Math.max(most, same);
            }
        }
        return best;
    }

    /** A class's own fields, in the order of its source. */
    static List<Field> fieldsOf(Class<?> wanted) {
        List<Field> out = new ArrayList<>();
        for (Field field : wanted.getDeclaredFields()) {
            if (!Modifier.isStatic(field.getModifiers()) && !field.isSynthetic()) {
                out.add(field);
            }
        }
        return out;
    }

    /** A new instance. */
    static Object make(Class<?> wanted) {
        try {
            return call(wanted.getDeclaredConstructor(), null);
        } catch (NoSuchMethodException error) {
            throw new IllegalArgumentException("Cannot make an instance of " + wanted.getName() + ": it has no constructor without parameters");
        }
    }

    /** The result of a method, or the instance that a constructor makes; what they throw is the cause of an IllegalArgumentException. */
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
}
