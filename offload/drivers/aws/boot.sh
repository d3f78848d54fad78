#!/bin/bash
# What a rented machine does when it is first switched on: it takes the host key that its client
# knows it by, arms its own end, and sees to an engine. Placeholders look like @THIS@.
umask 077
mkdir -p -m 755 /etc/offload
cat >/etc/ssh/ssh_host_ed25519_key <<'KEY'
@HOST_KEY@
KEY
ssh-keygen -y -f /etc/ssh/ssh_host_ed25519_key >/etc/ssh/ssh_host_ed25519_key.pub
# A client that vanishes is noticed within a minute. The first mention of a setting counts.
sed -i '1i ClientAliveInterval 15\nClientAliveCountMax 4' /etc/ssh/sshd_config

cat >/etc/offload/limits <<'LIMITS'
IDLE_S=@IDLE_S@
LIFETIME_S=@LIFETIME_S@
LIMITS

cat >/etc/offload/watch <<'WATCH'
#!/bin/bash
# Ends this machine after IDLE_S seconds with nobody connected over SSH, and LIFETIME_S seconds
# after its boot in any case; 0 is never. The limits may change at any time; idling then counts anew.
up() { cut -d. -f1 /proc/uptime; }
connected() { [[ $(cat /proc/net/tcp /proc/net/tcp6) =~ :0016\ [0-9A-F]+:[0-9A-F]+\ 01\  ]]; }
began=$(up) used=$began
while sleep 0.5; do   # few connections are shorter
    . /etc/offload/limits
    now=$(up)
    if connected || [ "$IDLE_S" != "$idle" ]; then used=$now idle=$IDLE_S; fi
    [ "$IDLE_S" -gt 0 ] && [ $((now - used)) -ge "$IDLE_S" ] && break
    [ "$LIFETIME_S" -gt 0 ] && [ $((now - began)) -ge "$LIFETIME_S" ] && break
done
shutdown -h now || poweroff -f
WATCH

mkdir -p /var/lib/cloud/scripts/per-boot
cat >/var/lib/cloud/scripts/per-boot/offload <<'EACH'
#!/bin/bash
# A unit of its own where there is systemd, so that nothing ends it with what started it; and a
# net below it, should it be killed. systemd lets nobody log in for the last 5 minutes before that.
. /etc/offload/limits
systemd-run --unit=offload-watch --property=Restart=on-failure /bin/bash /etc/offload/watch 2>/dev/null ||
    setsid /bin/bash /etc/offload/watch </dev/null >/dev/null 2>&1 &
[ "$LIFETIME_S" -gt 0 ] && shutdown -h +$((LIFETIME_S / 60 + 7))
touch /run/offload-armed
EACH
chmod 700 /var/lib/cloud/scripts/per-boot/offload
# On the first boot this script may come too late for cloud-init to find the other one.
[ -e /run/offload-armed ] || /var/lib/cloud/scripts/per-boot/offload

systemctl restart sshd 2>/dev/null || systemctl restart ssh 2>/dev/null || kill -HUP "$(cat /run/sshd.pid)"

@ENGINE@
touch /etc/offload/booted
