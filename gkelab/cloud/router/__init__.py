"""The VPC router's agent: the cloud's state made real as routes, neighbours and nftables rules."""
