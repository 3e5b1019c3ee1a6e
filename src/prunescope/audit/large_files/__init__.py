"""Files that need not fit into memory: counted part by part, here or on a cluster."""
