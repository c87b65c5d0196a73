"""Amazon ECR service quotas, as the page "Amazon ECR service quotas" lists them."""

from __future__ import annotations

from haneul.clock import DAY

LAYER_BYTES_MAX = 52_000 * 1024 * 1024
PART_BYTES_MIN = 5 * 1024 * 1024
"""Of every part of an upload by the API but the last."""
PARTS_MAX = 4_200
MANIFEST_BYTES_MAX = 4 * 1024 * 1024
TAGS_PER_IMAGE_MAX = 1_000
RESOURCE_TAGS_MAX = 50
LIFECYCLE_RULES_MAX = 50
UPLOAD_KEPT = DAY
"""How long an unfinished upload, or a layer that no image has come to need, is kept (nanoseconds)."""
PULL_RECORDED_EVERY = DAY
"""The time of the last pull is as exact as this (nanoseconds)."""
TOKEN_SECONDS = 12 * 3600
