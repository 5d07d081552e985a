"""A real model to try everything on: a DLRM of 26 tables, whose rows are made on the spot."""
