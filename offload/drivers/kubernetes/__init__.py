"""Kubernetes: what is asked of a cluster, and the way to its pods."""
