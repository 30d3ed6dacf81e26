"""Set-ups that show a swarm: containers, Kubernetes, plain machines, and this machine without any of them."""
