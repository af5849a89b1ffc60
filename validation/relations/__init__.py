"""Relations: checks that need no expected value. An implementation is asked two related questions, and its answers are compared."""
