package com.amazonaws.services.lambda.runtime;

/** Who called, if it was an application with Amazon Cognito. */
public interface CognitoIdentity {
    String getIdentityId();

    String getIdentityPoolId();
}
