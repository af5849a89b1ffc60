"""Dynamics as data: a small language of expressions, which any language reads with a JSON parser."""
