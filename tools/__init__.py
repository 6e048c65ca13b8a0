"""What makes files that are shipped; it is not shipped itself."""
