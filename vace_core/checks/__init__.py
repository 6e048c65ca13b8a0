"""What is asked before anything is done: whether numbers are within their range, and whether memory is enough."""
