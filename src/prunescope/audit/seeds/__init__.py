"""Several training seeds of one model: their means, and how much training alone moves them."""
