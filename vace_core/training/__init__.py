"""Training of any base and its adapters: the loss of flow matching and the loop."""
