package com.amazonaws.services.lambda.runtime;

/** A function whose event and answer are converted from and to JSON. */
public interface RequestHandler<I, O> {
    O handleRequest(I input, Context context);
}
