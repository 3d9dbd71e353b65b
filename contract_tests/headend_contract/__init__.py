"""The contract suite of headend. This version holds no checks yet."""
