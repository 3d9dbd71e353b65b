"""The policy that every request to a platform goes through."""

from headend.calls.policy import Attempt, Calls, Operation

__all__ = ["Attempt", "Calls", "Operation"]
