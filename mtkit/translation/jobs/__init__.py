"""Translation of a file in parts by several processes, GPUs and hosts, which survives a kill."""
