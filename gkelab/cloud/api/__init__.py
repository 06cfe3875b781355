"""The local Google Cloud: Compute's v1 REST surface over one store, for what the lab makes real."""
