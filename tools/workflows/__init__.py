"""The shipped workflows as code: what is in them and how they are laid out.

`python -m tools.workflows` writes them to the folder workflows, the blueprints to the folder subgraphs, the page
docs/workflows.md, and the prompts that the tests hold them to.
"""
