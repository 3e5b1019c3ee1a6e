"""`prunescope mitigate …`: a module for each measure."""
