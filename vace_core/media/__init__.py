"""Videos and pictures, read from files and written to them."""
