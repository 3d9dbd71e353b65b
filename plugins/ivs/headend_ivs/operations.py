"""The operations of AWS that the provider calls: what each does, and how often it may be called.

Their names are AWS's own, as IAM actions and CloudTrail have them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from attrs import evolve

from headend.plugin import Effect, Operation
from headend_ivs.facts import (
    API_LIMIT,
    CHANNEL_METADATA_LIMIT,
    KEY_PAIR_LIMIT,
    METADATA_LIMIT,
    METRICS_LIMIT,
)

if TYPE_CHECKING:
    from headend_ivs.wire import ChannelArn


def _ivs(name: str, effect: Effect) -> Operation:
    return Operation(name, effect=effect, limits=(API_LIMIT,))


CREATE_CHANNEL: Final = _ivs("CreateChannel", Effect.WRITE)
GET_CHANNEL: Final = _ivs("GetChannel", Effect.READ)
BATCH_GET_CHANNEL: Final = _ivs("BatchGetChannel", Effect.READ)
LIST_CHANNELS: Final = _ivs("ListChannels", Effect.READ)
DELETE_CHANNEL: Final = _ivs("DeleteChannel", Effect.REPEATABLE)

CREATE_STREAM_KEY: Final = _ivs("CreateStreamKey", Effect.WRITE)
GET_STREAM_KEY: Final = _ivs("GetStreamKey", Effect.READ)
LIST_STREAM_KEYS: Final = _ivs("ListStreamKeys", Effect.READ)
DELETE_STREAM_KEY: Final = _ivs("DeleteStreamKey", Effect.REPEATABLE)

GET_STREAM: Final = _ivs("GetStream", Effect.READ)
LIST_STREAMS: Final = _ivs("ListStreams", Effect.READ)
STOP_STREAM: Final = _ivs("StopStream", Effect.REPEATABLE)
LIST_STREAM_SESSIONS: Final = _ivs("ListStreamSessions", Effect.READ)
GET_STREAM_SESSION: Final = _ivs("GetStreamSession", Effect.READ)

IMPORT_KEY_PAIR: Final = Operation(
    "ImportPlaybackKeyPair", effect=Effect.WRITE, limits=(KEY_PAIR_LIMIT,)
)
LIST_KEY_PAIRS: Final = Operation(
    "ListPlaybackKeyPairs", effect=Effect.READ, limits=(KEY_PAIR_LIMIT,)
)
DELETE_KEY_PAIR: Final = Operation(
    "DeletePlaybackKeyPair", effect=Effect.REPEATABLE, limits=(KEY_PAIR_LIMIT,)
)

GET_METRIC_DATA: Final = Operation("GetMetricData", effect=Effect.READ, limits=(METRICS_LIMIT,))


def put_metadata(channel: ChannelArn) -> Operation:
    """Return the operation for one channel, which has a limit of its own beside the account's."""
    own = evolve(
        CHANNEL_METADATA_LIMIT, name=f"{CHANNEL_METADATA_LIMIT.name}/{channel.resource_id}"
    )
    return Operation("PutMetadata", effect=Effect.WRITE, limits=(own, METADATA_LIMIT))
