package com.amazonaws.services.lambda.runtime;

/** Between the runtime and logging libraries. */
public final class LambdaRuntimeInternal {
    private static boolean appending;

    private LambdaRuntimeInternal() {}

    /** A logging library says that it writes to the function's log itself. */
    public static void setUseLog4jAppender(boolean use) {
        appending = use;
    }

    public static boolean getUseLog4jAppender() {
        return appending;
    }
}
