"""What of a model is on its device when: measured from headers, decided in a plan, done while a job runs."""
