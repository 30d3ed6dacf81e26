"""Learning from telemetry: recorded runs of an airline customer-service agent."""
