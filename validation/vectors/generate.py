"""From a request to a vector: expected values certified, condition numbers, notes, provenance, sha256."""
