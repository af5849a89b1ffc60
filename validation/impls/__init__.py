"""Adapters: one file per library, each with a list ADAPTERS of classes. The contract is in validation/README.md."""
