"""Metric math: expressions over time series, as GetMetricData and alarms take them (CloudWatch User Guide, "Using math expressions with CloudWatch metrics")."""
