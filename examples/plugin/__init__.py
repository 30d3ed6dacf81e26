"""A tiny coding agent whose plugin learns which tools work, with the fleet where its user agrees."""
