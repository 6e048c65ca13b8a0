"""A job before it runs: a contact sheet of what the model gets, warnings, and cost."""
