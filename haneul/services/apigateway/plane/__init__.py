"""The data plane: requests to deployed APIs."""
