"""Translation of files in parts, by several processes, GPUs and machines; it survives a kill."""
