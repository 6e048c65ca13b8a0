"""Training data: examples of every task, encoded once, drawn in batches."""
