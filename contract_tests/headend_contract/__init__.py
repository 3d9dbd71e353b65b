"""The contract suite of headend: checks, known-bad providers, a reference provider, `simulate`."""
