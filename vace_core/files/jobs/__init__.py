"""The folder of a job: its plan, its stages that are done, and the lock that one process at a time holds."""
