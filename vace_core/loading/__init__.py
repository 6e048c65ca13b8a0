"""From files to models: what a file is, what is in it, and the networks it holds."""
