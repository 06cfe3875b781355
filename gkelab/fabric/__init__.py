"""`invoke bench.fabric`: what the VPC's router costs, and how soon it does what the cloud says."""
