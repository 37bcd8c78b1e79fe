"""A file translated in parts: by several processes, GPUs and hosts, and going on after a kill."""
