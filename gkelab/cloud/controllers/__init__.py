"""GKE's controllers outside of the clusters: Kubernetes objects in, Compute resources out.

Each is the same: a pure function from objects to what should be, a comparison with what is, and
the difference written through the API. Nothing depends on having seen an event.
"""
