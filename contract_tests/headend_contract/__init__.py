"""The contract suite of headend: so far the reference provider and the fault layer, no checks."""
