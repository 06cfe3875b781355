"""Instances that are VMs as plain containers; the ports of nodes and VMs kept apart."""
