"""Implementations in any language: lines of JSON over stdin and stdout. The contract is PROTOCOL.md, one folder up."""
