"""The contract suite of headend: so far the reference provider, faults, `simulate`; no checks."""
