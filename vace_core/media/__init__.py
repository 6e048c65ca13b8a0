"""Videos and images, read from files and written to them."""
