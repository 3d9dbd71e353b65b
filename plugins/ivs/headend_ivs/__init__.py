"""AWS IVS as a headend provider. This version holds no provider yet."""
