"""The demonstration and the paper's experiments."""
