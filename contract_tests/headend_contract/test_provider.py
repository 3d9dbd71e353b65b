"""The contract on the provider that ``--provider`` names: the way without any file."""

from __future__ import annotations

from headend_contract.suite import ContractSuite


class TestProvider(ContractSuite):
    """The contract, on the provider of the command line."""

    __test__ = True
