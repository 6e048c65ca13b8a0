"""One job on several devices, a process on each: a pass shared out by its tokens, or a step by its two prompts."""
