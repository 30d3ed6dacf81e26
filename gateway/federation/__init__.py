"""The federation's door: REST for installations outside of the trust domain, and what keeps a federation's hours."""
