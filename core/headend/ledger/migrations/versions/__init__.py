"""One script per version, in the order of their revisions."""
