"""Lambda quotas, as the page "Lambda quotas" of the AWS Lambda Developer Guide lists them."""

from __future__ import annotations

MEMORY_MB_MIN = 128
MEMORY_MB_MAX = 10_240
TIMEOUT_SECONDS_MAX = 900
EPHEMERAL_STORAGE_MB_DEFAULT = 512
EPHEMERAL_STORAGE_MB_MAX = 10_240
ENVIRONMENT_BYTES_MAX = 4096
LAYERS_MAX = 5
CODE_ZIPPED_BYTES_MAX = 52_428_800
CODE_UNZIPPED_BYTES_MAX = 262_144_000
IMAGE_BYTES_MAX = 10_737_418_240
"""Of a container image's layers together, uncompressed."""
IMAGE_SETTINGS_BYTES_MAX = 16_384
"""Of what an image and its function say about ENTRYPOINT, CMD, WORKDIR and ENV."""
IMAGE_LAYERS_MAX = 127
"""As builders and other registries' clients have it."""
CODE_STORAGE_BYTES_MAX = 80_530_636_800
FUNCTION_NAME_LENGTH_MAX = 64
POLICY_BYTES_MAX = 20_480
PAYLOAD_BYTES_MAX = 6_291_456
ASYNC_PAYLOAD_BYTES_MAX = 1_048_576
CLIENT_CONTEXT_BYTES_MAX = 3583
"""Of the base64 in an Invoke request, as its API page has it."""
ACCOUNT_CONCURRENCY = 1000
UNRESERVED_CONCURRENCY_MIN = 100
REQUESTS_OF_AN_ENVIRONMENT = 10
"""Synchronous requests a second for each unit of concurrency."""
GROWTH_MAX = 1000
GROWTH_SECONDS = 10
"""So many environments may be added to a function in so many seconds ("Lambda scaling behavior")."""
TAGS_MAX = 50
LOG_TAIL_BYTES_MAX = 4096
LIST_ITEMS_MAX = 50
LIST_PAGE_ITEMS_MAX = 10_000
"""Lists whose members are small come in larger pages, as their API pages say."""
API_BODY_BYTES_MAX = 70 * 1024 * 1024
"""A package of 50 MB travels in base64 (69,905,067 bytes) with the rest of the request around it."""
