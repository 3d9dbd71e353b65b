"""A media server on your own machine as a headend provider."""
