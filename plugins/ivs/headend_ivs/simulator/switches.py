"""How the simulated platform behaves: switches that each say what they do and who says so.

Where public sources disagree, a switch starts at the reading that is harder on a client.  What no
source says to happen is off until it is switched on.
"""

from __future__ import annotations

from typing import Final

from attrs import field, frozen, validators

from headend.plugin import Switches, switch

_GUIDE: Final = "https://docs.aws.amazon.com/ivs/latest/LowLatencyUserGuide"
_REFERENCE: Final = "https://docs.aws.amazon.com/ivs/latest/LowLatencyAPIReference"
_CLOUDWATCH: Final = "https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference"
_TERRAFORM: Final = (
    "no word of Amazon's; github.com/hashicorp/terraform-provider-aws, "
    "internal/service/ivs/channel.go, polls after create and delete"
)
_UNTOLD: Final = "no source; for tests of clients"


@frozen(kw_only=True)
class IvsSwitches(Switches):
    """How the platform behaves."""

    list_lag: float = field(
        default=1.0,
        validator=validators.ge(0),
        metadata=switch("Seconds until ListChannels shows what was created.", _TERRAFORM),
    )
    delete_lag: float = field(
        default=1.0,
        validator=validators.ge(0),
        metadata=switch("Seconds for which ListChannels shows what was deleted.", _TERRAFORM),
    )
    read_lag: float = field(
        default=0.0,
        validator=validators.ge(0),
        metadata=switch(
            "Seconds for which all but ListChannels say that a new channel does not exist.",
            _TERRAFORM,
        ),
    )
    page_size: int = field(
        default=100,
        validator=validators.ge(1),
        metadata=switch(
            "The most elements of a page, whatever maxResults asks for.",
            f"the most that maxResults may be, {_REFERENCE}/API_ListChannels.html",
        ),
    )
    stuck_token: bool = field(
        default=False,
        metadata=switch("Lists give the same nextToken for ever.", _UNTOLD),
    )
    throttling: bool = field(
        default=True,
        metadata=switch(
            "Each operation takes only its quota of requests in any second.",
            f"{_GUIDE}/service-quotas.html",
        ),
    )
    throttle_status: int = field(
        default=400,
        validator=validators.in_((400, 429)),
        metadata=switch(
            "The HTTP status of ThrottlingException: 400 or 429.",
            f"400: {_REFERENCE}/CommonErrors.html; 429: {_REFERENCE}/API_PutMetadata.html",
        ),
    )
    error_member: str = field(
        default="exceptionMessage",
        validator=validators.in_(("exceptionMessage", "message")),
        metadata=switch(
            "Where an error's text is: exceptionMessage or message.",
            "exceptionMessage: botocore's service model of ivs, shape ValidationException; "
            "message: errors that the tests of "
            "github.com/aws-samples/amazon-ivs-ugc-platform-web-demo keep",
        ),
    )
    query_codes: bool = field(
        default=True,
        metadata=switch(
            "CloudWatch's errors have the codes of its older protocol too, and boto3 gives these: "
            "AccessDenied for AccessDeniedException.",
            "the service model's trait awsQueryCompatible, "
            "https://smithy.io/2.0/aws/protocols/aws-query-protocol.html; the newer codes: "
            f"{_CLOUDWATCH}/CommonErrors.html",
        ),
    )
    channel_quota: int = field(
        default=5000,
        validator=validators.ge(0),
        metadata=switch("Channels that a region may have.", f"{_GUIDE}/service-quotas.html"),
    )
    pending_verification: bool = field(
        default=False,
        metadata=switch(
            "Amazon has not verified the account yet: nothing can be created or changed.",
            f"{_GUIDE}/troubleshooting-faqs.html; "
            "the operations: botocore's service model of ivs, their errors",
        ),
    )
    connect_time: float = field(
        default=6.5,
        validator=validators.ge(0),
        metadata=switch(
            "Seconds from an encoder's arrival until the channel is live.",
            f"6 to 7 s with a key frame every 2 s, {_GUIDE}/streaming-config.html",
        ),
    )
    grace_time: float = field(
        default=30.0,
        validator=validators.ge(0),
        metadata=switch(
            "Seconds for which a stream without data stays, and refuses other connections.",
            f"{_GUIDE}/troubleshooting-faqs.html",
        ),
    )
    stop_time: float = field(
        default=2.0,
        validator=validators.ge(0),
        metadata=switch(
            "Seconds from StopStream, or an encoder's farewell, until the stream is over.",
            f"that it takes time: {_REFERENCE}/API_DeleteChannel.html; how much: no source",
        ),
    )
    unavailable_stops: int = field(
        default=0,
        validator=validators.ge(0),
        metadata=switch(
            "How often StopStream answers StreamUnavailable before it stops a stream.",
            f"that it may: {_REFERENCE}/API_StopStream.html; how often: no source",
        ),
    )
    revocation_disconnects: bool = field(
        default=False,
        metadata=switch(
            "Deleting a stream key throws out the encoder that uses it.",
            f"no source says either; {_REFERENCE}/API_DeleteStreamKey.html only that the key can "
            "no longer be used to stream",
        ),
    )
    offline_state: bool = field(
        default=False,
        metadata=switch(
            "GetStream gives a stream that is OFFLINE, not ChannelNotBroadcasting.",
            f"may be, and is not to be relied on: {_REFERENCE}/API_Stream.html, member state",
        ),
    )
    viewers_timeout: bool = field(
        default=False,
        metadata=switch(
            "Every viewerCount is -1: counting took too long.",
            f"{_REFERENCE}/API_Stream.html, member viewerCount",
        ),
    )
    update_while_live: bool = field(
        default=False,
        metadata=switch(
            "A live channel can be updated.",
            f"not: {_REFERENCE}/API_UpdateChannel.html; it can: github.com/aws/aws-cli, "
            "awscli/examples/ivs/update-channel.rst",
        ),
    )
    metric_lag: float = field(
        default=60.0,
        validator=validators.ge(0),
        metadata=switch(
            "Seconds from the end of a minute until its metrics are there.",
            f"within 1 min, {_GUIDE}/stream-health.html",
        ),
    )
    raw_points: float = field(
        default=30.0,
        validator=validators.ge(0),
        metadata=switch(
            "Seconds for which a high-resolution metric is there and still too low.",
            "the metrics handlers of github.com/aws-samples/amazon-ivs-ugc-platform-web-demo, "
            "which leave out the last points of a live stream",
        ),
    )
    metrics_page: int = field(
        default=100_800,
        validator=validators.ge(1),
        metadata=switch(
            "Points of an answer of GetMetricData; the rest comes with NextToken.",
            f"{_CLOUDWATCH}/API_GetMetricData.html",
        ),
    )
    clock_skew: float = field(
        default=0.0,
        metadata=switch(
            "Seconds by which the platform's clock is ahead of the machine's when it looks at a "
            "signature; more than 300 either way are refused.",
            "https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html",
        ),
    )
    unknown_words: bool = field(
        default=False,
        metadata=switch("Streams have a state and a health that no documentation has.", _UNTOLD),
    )
    extra_members: bool = field(
        default=False,
        metadata=switch("Every object has a member that no documentation has.", _UNTOLD),
    )
