if ! command -v dockerd >/dev/null; then
    if command -v dnf >/dev/null; then dnf install -y docker; else apt-get update; apt-get install -y docker.io; fi
fi
systemctl disable --now ecs 2>/dev/null   # an agent that would look for a cluster
systemctl enable --now --no-block docker   # it may wait for the end of this script
