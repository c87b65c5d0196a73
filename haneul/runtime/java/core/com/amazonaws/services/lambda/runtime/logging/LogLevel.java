package com.amazonaws.services.lambda.runtime.logging;

/** The importance of a log entry. */
public enum LogLevel {
    UNDEFINED,
    TRACE,
    DEBUG,
    INFO,
    WARN,
    ERROR,
    FATAL;

    public static LogLevel fromString(String name) {
        return valueOf(name.toUpperCase(java.util.Locale.ROOT));
    }
}
