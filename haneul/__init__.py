"""Haneul: a serverless cloud that its users own, speaking the AWS protocols."""

__version__ = "0.1.0"
