"""Workers of a cluster that is up: added to it and deleted from it, as by a resize in GKE."""
