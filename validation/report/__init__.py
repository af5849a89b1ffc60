"""What a run leaves behind: the table in the terminal (table.py) and the canonical file of JSON lines (jsonl.py)."""
