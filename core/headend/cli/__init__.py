"""The command line: it parses, calls `StreamingPlatform`, and prints; no logic of its own."""
