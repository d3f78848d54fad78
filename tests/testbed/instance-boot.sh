#!/bin/bash
# The power-on sequence of one instance; host.py runs it.
#
# Stage 1 is PID 1 of new pid, mount, uts and ipc namespaces within the instance's network. It makes
# a root file system that shares only /usr and /etc with this machine, copied on write: its
# packages, and nothing from /root, /home, /tmp, /opt or /usr/local. It moves in and becomes stage 2,
# the init: sshd, dockerd, and user data as cloud-init would run it. All that the instance does dies
# with PID 1, and every mount is private to it.
set -eu

if [ "${1:-}" != stage2 ]; then
    D=$1                                    # instance directory, see Host in host.py
    . "$D/seed/env"                         # HOSTNAME LOGIN CGPARENT CGPROCS DOCKER DISK
    read -r hostpid _ </proc/self/stat      # still the host's /proc: our pid out there
    echo "$hostpid" >"$D/init.pid.new"; mv "$D/init.pid.new" "$D/init.pid"    # read as soon as there
    for f in $CGPROCS; do echo 0 >"$f"; done
    hostname "$HOSTNAME"

    R=$D/root
    mkdir -p "$R"/{usr,etc,dev,proc,sys,run,tmp,root,home,opt,srv,mnt,var/{lib/docker,lib/cloud/instance,log,tmp,cache}}
    mkdir -p "$D"/{usr,etc}.{up,wk} "$D"/local/{bin,sbin,lib,etc,share}
    chmod 1777 "$R/tmp" "$R/var/tmp"; chmod 700 "$R/root"; chmod 711 "$R/var/lib/docker"
    ln -sfn /run "$R/var/run"
    for l in bin sbin lib lib32 lib64 libx32; do
        [ -L "/$l" ] && ln -sfn "$(readlink "/$l")" "$R/$l"
    done
    mount --bind "$R" "$R"
    mount -t overlay -o "lowerdir=/usr,upperdir=$D/usr.up,workdir=$D/usr.wk" usr "$R/usr"
    mount --bind "$D/local" "$R/usr/local"
    mount -t overlay -o "lowerdir=/etc,upperdir=$D/etc.up,workdir=$D/etc.wk" etc "$R/etc"
    mount --rbind /dev "$R/dev"
    mount -t proc proc "$R/proc"
    mount -t sysfs sysfs "$R/sys"
    mount --rbind /sys/fs/cgroup "$R/sys/fs/cgroup"
    mount -t securityfs none "$R/sys/kernel/security" 2>/dev/null || true
    mount -t tmpfs -o mode=755 tmpfs "$R/run"
    mkdir -p "$R/run/sshd" "$R/run/lock"
    cp "$0" "$R/run/boot.sh"; cp -r "$D/seed" "$R/run/seed"; chmod 700 "$R/run/seed"

    if [ -n "$DISK" ]; then                 # see mkdisk
        data=$R/var/lib/docker
        [ -e "$data/image" ] || tar -C "$DISK" -c --exclude='./overlay2/*/diff' . | tar -C "$data" -x
        for layer in "$DISK"/overlay2/*/diff; do
            mkdir -p "$data/${layer#"$DISK/"}"
            mount --bind "$layer" "$data/${layer#"$DISK/"}"
        done
    fi

    cd "$R"; mkdir -p .old; pivot_root . .old
    exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 chroot . /bin/bash /run/boot.sh stage2 </dev/null >/var/log/boot.log 2>&1
fi

. /run/seed/env
mount --make-rslave /.old && umount -l /.old && rmdir /.old
mount --make-rshared /
set +e

if [ ! -e /var/lib/cloud/instance/sem ]; then            # first boot of this instance
    echo "127.0.0.1 localhost $HOSTNAME" >/etc/hosts
    echo "$HOSTNAME" >/etc/hostname
    getent group docker >/dev/null || groupadd -r docker
    useradd -m -s /bin/bash -p '*' "$LOGIN"
    [ "$DOCKER" = manual ] || usermod -aG docker "$LOGIN"
    mkdir -p /etc/sudoers.d
    echo "$LOGIN ALL=(ALL) NOPASSWD:ALL" >/etc/sudoers.d/90-cloud-init-users
    chmod 440 /etc/sudoers.d/90-cloud-init-users
    install -d -m 700 -o "$LOGIN" -g "$LOGIN" "/home/$LOGIN/.ssh"
    install -m 600 -o "$LOGIN" -g "$LOGIN" /run/seed/authorized_keys "/home/$LOGIN/.ssh/"
    rm -f /etc/ssh/ssh_host_* /etc/ssh/sshd_config.d/*.conf
    ssh-keygen -q -t ed25519 -N '' -f /etc/ssh/ssh_host_ed25519_key
    printf '%s\n' 'PasswordAuthentication no' 'KbdInteractiveAuthentication no' \
        'PermitRootLogin no' 'UsePAM no' 'UseDNS no' 'PrintMotd no' \
        'Subsystem sftp internal-sftp' >/etc/ssh/sshd_config

    # The few commands of a real image that need a service manager or a package mirror. They act on
    # the one thing there is to act on, the Docker engine.
    cat >/usr/local/bin/fc-docker <<'EOF'
#!/bin/bash
# start | stop | status of this instance's own dockerd
pid=$(cat /run/docker.pid 2>/dev/null)
up() { [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null; }
case $1 in
start) up && exit 0
    . /run/seed/env
    rm -f /run/docker.pid
    setsid dockerd --pidfile /run/docker.pid --data-root /var/lib/docker --exec-root /run/docker \
        -H unix:///run/docker.sock --cgroup-parent "$CGPARENT" \
        --exec-opt native.cgroupdriver=cgroupfs </dev/null >>/var/log/dockerd.log 2>&1 &
    for _ in $(seq 150); do docker version >/dev/null 2>&1 && exit 0; sleep .1; done; exit 1 ;;
stop) up && kill "$pid"; while up; do sleep .1; done ;;
status) up ;;
esac
EOF
    cat >/usr/local/bin/systemctl <<'EOF'
#!/bin/bash
# Knows one unit, docker; any other is missing.
[ "$1" = daemon-reload ] && exit 0
case " $* " in *" docker "*|*" docker.service "*) ;; *) echo "Unit not found (fakecloud)." >&2; exit 5 ;; esac
case " $* " in *" enable "*) touch /etc/docker.enabled ;; *" disable "*) rm -f /etc/docker.enabled ;; esac
case " $* " in
*" start "*|*" --now "*) exec fc-docker start ;;
*" restart "*) fc-docker stop; exec fc-docker start ;;
*" stop "*) exec fc-docker stop ;;
*" is-active "*) fc-docker status && echo active && exit 0; echo inactive; exit 3 ;;
esac
EOF
    cat >/usr/local/bin/dnf <<'EOF'
#!/bin/bash
# There is no mirror, so `install` succeeds for what is here already and nothing else.
install=
for p in "$@"; do
    case $p in
    -*) continue ;;
    install) install=1; continue ;;
    docker|docker.io|docker-ce) p=dockerd ;;
    esac
    [ -z "$install" ] || command -v "$p" >/dev/null ||
        { echo "No match for argument: $p (fakecloud has no package mirror)" >&2; exit 1; }
done
EOF
    cat >/usr/local/bin/cloud-init <<'EOF'
#!/bin/bash
# Knows `cloud-init status [--wait]`.
f=/var/lib/cloud/instance/boot-finished
case " $* " in *" --wait "*) until [ -e $f ]; do sleep .2; done ;; esac
[ -e $f ] && echo "status: $(cat $f)" || echo "status: running"
grep -qs error $f && exit 1 || exit 0
EOF
    cat >/usr/local/bin/shutdown <<'EOF'
#!/bin/bash
# shutdown [-h|-P] [now|+MINUTES]: PID 1 leaves; what that means is InstanceInitiatedShutdownBehavior.
for a in "$@"; do case $a in -c) kill "$(cat /run/shutdown.pid)" 2>/dev/null; exit 0 ;; +*) m=${a#+} ;; esac; done
setsid bash -c "echo \$\$ >/run/shutdown.pid; sleep $(( ${m:-0} * 60 )); kill -TERM 1" </dev/null >/dev/null 2>&1 &
EOF
    ln -sf dnf /usr/local/bin/yum; ln -sf dnf /usr/local/bin/apt-get
    printf '#!/bin/bash\nexec shutdown -P now\n' >/usr/local/bin/poweroff
    ln -sf poweroff /usr/local/bin/halt
    chmod 755 /usr/local/bin/*
fi

trap "timeout 2 fc-docker stop; exit 0" TERM        # containers that take longer are cut off
/usr/sbin/sshd -D -e 2>>/var/log/sshd.log &
(
    [ "$DOCKER" = manual ] && [ ! -e /etc/docker.enabled ] || fc-docker start
    for script in /var/lib/cloud/scripts/per-boot/*; do     # those that earlier boots left
        [ ! -x "$script" ] || "$script" >>/var/log/cloud-init-output.log 2>&1
    done
    if [ ! -e /var/lib/cloud/instance/sem ]; then
        : >/var/lib/cloud/instance/sem
        result=done
        if [ -s /run/seed/user-data ]; then
            cp /run/seed/user-data /var/lib/cloud/instance/user-data.txt
            if [ "$(head -c2 /run/seed/user-data)" = '#!' ]; then
                chmod 700 /var/lib/cloud/instance/user-data.txt
                /var/lib/cloud/instance/user-data.txt >/var/log/cloud-init-output.log 2>&1 || result=error
            else
                echo "fakecloud runs only user data that starts with #!" >/var/log/cloud-init-output.log
                result=error
            fi
        fi
        echo "$result" >/var/lib/cloud/instance/boot-finished
    fi
) &
while :; do wait; sleep 1; done
