"""What a request may hold. Lengths are bytes of UTF-8 unless a name says otherwise."""

from __future__ import annotations

from typing import Final

MAX_USER_ID: Final = 256
MAX_EXTERNAL_ID: Final = 1_024
MAX_DEVICE_ID: Final = 128
MAX_REQUEST_ID: Final = 36

MAX_USER_AGENT: Final = 512
MAX_IP_ADDRESS: Final = 64
MAX_DEVICE_NAME: Final = 128
MAX_FINGERPRINT: Final = 128

MAX_ATTRIBUTES: Final = 32
MAX_ATTRIBUTE_KEY: Final = 64
MAX_ATTRIBUTE_BYTES: Final = 480
"""Over all keys and values of one session."""

MAX_METHODS: Final = 8
MAX_METHOD: Final = 32
MAX_ACR: Final = 128
MAX_AUDIENCES: Final = 8
MAX_AUDIENCE: Final = 256
MAX_AUDIENCE_BYTES: Final = 512
"""Over all audiences of one session: its access tokens stay under MAX_JWT."""

MIN_LIFETIME_MS: Final = 1_000
MAX_BATCH: Final = 1_000
MAX_IMPORT: Final = 500
MAX_PAGE_SIZE: Final = 200
DEFAULT_PAGE_SIZE: Final = 50
DEFAULT_RECENT: Final = 30
"""How many of the newest sessions are on a page."""
MAX_PAGE_TOKEN: Final = 256
MAX_CURSOR: Final = 2_048
MOST_EVENTS: Final = 500
"""In one message of a watcher's stream."""
MOST_DEAD: Final = 1_000
"""In one part of a snapshot."""
MAX_JWT: Final = 4_096
"""Of an access or service token; a longer one is refused unread."""
