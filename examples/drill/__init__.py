"""A swarm that goes through everything that can happen to one, so that all of its telemetry is there to be checked."""
