package com.amazonaws.services.lambda.runtime.logging;

/** How log entries are written. */
public enum LogFormat {
    JSON,
    TEXT;

    public static LogFormat fromString(String name) {
        return valueOf(name.toUpperCase(java.util.Locale.ROOT));
    }
}
