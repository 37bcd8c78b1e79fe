"""Pools of processes and threads."""
