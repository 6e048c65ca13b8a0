"""The shipped workflows as code: what is in them, how they are laid out, and how they are tried.

`python -m tests.workflows` writes them to the folder workflows.
"""
