"""The doors: the command line, and what else lets people and programs in. No rule of the federation lives here."""
