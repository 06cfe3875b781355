"""Faults: what traffic loses when a part of the lab dies, measured with traffic that goes on."""
