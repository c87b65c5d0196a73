package com.amazonaws.services.lambda.runtime;

/** The mobile application itself. */
public interface Client {
    String getInstallationId();

    String getAppTitle();

    String getAppVersionName();

    String getAppVersionCode();

    String getAppPackageName();
}
