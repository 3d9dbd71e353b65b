"""The policy that every request to a platform goes through."""

from headend.calls.observe import AttemptEvent, GuardedObserver, Observer, WaitEvent
from headend.calls.operation import Effect, Operation, RateLimit
from headend.calls.pacing import Pacers, PacerState, PacerStore, process_pacers
from headend.calls.policy import Attempt, Calls
from headend.calls.retry import parse_retry_after

__all__ = [
    "Attempt",
    "AttemptEvent",
    "Calls",
    "Effect",
    "GuardedObserver",
    "Observer",
    "Operation",
    "PacerState",
    "PacerStore",
    "Pacers",
    "RateLimit",
    "WaitEvent",
    "parse_retry_after",
    "process_pacers",
]
