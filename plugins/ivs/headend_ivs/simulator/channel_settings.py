"""What can be set of a channel: defaults, what belongs together, what a list shows of it.

https://docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference/API_CreateChannel.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from headend_ivs.simulator.platform import RefusedError, not_found

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from headend_ivs.simulator.parameters import Parameters

Json = dict[str, object]

_ADVANCED: Final = frozenset({"ADVANCED_SD", "ADVANCED_HD"})

DEFAULTS: Final[Json] = {
    "name": "",
    "latencyMode": "LOW",
    "type": "STANDARD",
    "authorized": False,
    "insecureIngest": False,
    "recordingConfigurationArn": "",
    "playbackRestrictionPolicyArn": "",
    "adConfigurationArn": "",
    "failoverSlateConfigurationArn": "",
    "preset": "",
    "containerFormat": "TS",
    "multitrackInputConfiguration": {
        "enabled": False,
        "maximumResolution": "FULL_HD",
        "policy": "ALLOW",
    },
}
"""Settings that a channel has where nothing is said."""

_REFERENCES: Final = (
    "recordingConfigurationArn",
    "playbackRestrictionPolicyArn",
    "adConfigurationArn",
    "failoverSlateConfigurationArn",
)
"""Settings that name something else; only recording configurations can be there."""

SUMMARY: Final = (
    "name",
    "latencyMode",
    "type",
    "authorized",
    "insecureIngest",
    "recordingConfigurationArn",
    "playbackRestrictionPolicyArn",
    "adConfigurationArn",
    "failoverSlateConfigurationArn",
    "preset",
)

FILTERS: Final[Mapping[str, str]] = {
    "filterByName": "name",
    "filterByRecordingConfigurationArn": "recordingConfigurationArn",
    "filterByPlaybackRestrictionPolicyArn": "playbackRestrictionPolicyArn",
    "filterByAdConfigurationArn": "adConfigurationArn",
    "filterByFailoverSlateConfigurationArn": "failoverSlateConfigurationArn",
}
"""Parameters of ListChannels and the settings that they are compared with."""


def changed(
    old: Mapping[str, object], given: Parameters, recording_configurations: Collection[str]
) -> Json:
    """Return the settings of a channel after a request.

    Args:
        old: those before it; none for a new channel.
        given: what the request says.
        recording_configurations: the ARNs that a channel may name.

    Raises:
        RefusedError: they do not belong together, or name what is not there.
    """
    settings: Json = {
        **DEFAULTS,
        **old,
        **{name: given.value(name) for name in DEFAULTS if name in given},
    }
    kind, preset = str(settings["type"]), str(settings["preset"])
    if kind in _ADVANCED:
        settings["preset"] = preset or "HIGHER_BANDWIDTH_DELIVERY"
    elif "preset" in given and preset:
        raise RefusedError(
            "ValidationException", f"A preset cannot be chosen for the channel type {kind}"
        )
    else:
        settings["preset"] = ""
    _check_multitrack(settings)
    for name in _REFERENCES:
        arn = str(settings[name])
        if arn and arn not in recording_configurations:
            raise not_found(arn)
    return settings


def _check_multitrack(settings: Mapping[str, object]) -> None:
    multitrack = cast("Json", settings["multitrackInputConfiguration"])
    if not multitrack.get("enabled"):
        return
    if settings["type"] != "STANDARD" or settings["containerFormat"] != "FRAGMENTED_MP4":
        raise RefusedError(
            "ValidationException",
            "Multitrack input needs the channel type STANDARD and the container FRAGMENTED_MP4",
        )
    if not {"policy", "maximumResolution"} <= set(multitrack):
        raise RefusedError(
            "ValidationException", "Multitrack input needs a policy and a maximumResolution"
        )
