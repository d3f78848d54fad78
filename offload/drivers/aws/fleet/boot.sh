#!/bin/bash
# What a machine of a fleet does whenever it is switched on: our container takes images from the
# queue until that is empty; then the machine is gone. Placeholders look like @THIS@.
umask 022
mkdir -p /etc/offload /var/lib/cloud/scripts/per-boot

cat >/etc/offload/worker <<'WORKER'
#!/bin/bash
# No secret is an argument of a command, where others on the machine would see it.
set -o pipefail
umask 077
export HOME=/root
REGION=@REGION@ IMAGE=@IMAGE@ REGISTRY=@REGISTRY@ GROUP=@GROUP@
ECR_URL=@ECR_URL@ AUTOSCALING_URL=@AUTOSCALING_URL@
META=http://169.254.169.254/latest
SHARED=/run/offload   # what the container may read
CONTAINER_USER=10001

# What the metadata service, which containers do not reach, says of this machine.
meta() { printf 'X-aws-ec2-metadata-token: %s' "$token" | curl -sf -m 5 -H @- "$META/meta-data/$1"; }
renew_token() {
    local new
    new=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 600' "$META/api/token") && token=$new
}

# Standard input becomes a file for the container, whole or not at all.
keep() { cat >"$SHARED/.$1" && chown "$CONTAINER_USER" "$SHARED/.$1" && mv -f "$SHARED/.$1" "$SHARED/$1"; }

# The role's credentials, in the words that `credential_process` wants.
keep_credentials() {
    local role said
    role=$(meta iam/security-credentials/) && said=$(meta "iam/security-credentials/$role") || return
    said=$(sed 's/"Code" *: *"Success"/"Version": 1/; s/"Token"/"SessionToken"/' <<<"$said")
    [[ $said == *'"Version": 1'* ]] && printf '%s\n' "$said" | keep credentials
}

# AWS announces two minutes before that it takes a spot machine back.
keep_notice() { local said; said=$(meta spot/instance-action) && printf '%s\n' "$said" | keep notice; }

# Every minute the credentials, as there are new ones five minutes before the old ones end
# (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html).
watch() {
    local round=0
    while sleep 5; do
        if ((++round % 12 == 0)); then renew_token && keep_credentials; fi
        keep_notice
    done
}

held() { sed -n 's/.*"'"$1"'" *: *"\([^"]*\)".*/\1/p' "$SHARED/credentials"; }

# signed SERVICE URL CURL-OPTION...: what AWS answers to a request in the name of the role
signed() {
    {
        printf 'user = "%s:%s"\n' "$(held AccessKeyId)" "$(held SecretAccessKey)"
        printf 'header = "X-Amz-Security-Token: %s"\n' "$(held SessionToken)"
    } | curl -sSf -m 20 -K - --aws-sigv4 "aws:amz:$REGION:$1" "${@:3}" "$2"
}

# A password of the registry; through AWS' own helper where this curl does not sign
# (https://github.com/awslabs/amazon-ecr-credential-helper).
password() {
    signed ecr "$ECR_URL" -d '{}' -H 'Content-Type: application/x-amz-json-1.1' \
        -H 'X-Amz-Target: AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken' |
        sed -n 's/.*"authorizationToken" *: *"\([^"]*\)".*/\1/p' | base64 -d | sed 's/^AWS://' && return
    dnf install -y amazon-ecr-credential-helper >&2 && printf '%s' "$REGISTRY" |
        docker-credential-ecr-login get | sed -n 's/.*"Secret" *: *"\([^"]*\)".*/\1/p'
}

have_image() {
    docker image inspect "$IMAGE" >/dev/null 2>&1 && return
    [ -z "$REGISTRY" ] || password | docker login -u AWS --password-stdin "$REGISTRY" || return
    docker pull -q "$IMAGE" || return
    [ -z "$REGISTRY" ] || docker logout "$REGISTRY"
}

work() {
    began=$SECONDS
    docker rm -f offload-worker >/dev/null 2>&1
    docker run --name offload-worker @DOCKER_OPTIONS@ -v "$SHARED:$SHARED:ro" \
        -e AWS_CONFIG_FILE="$SHARED/config" -e OFFLOAD_INSTANCE="$instance" -e OFFLOAD_GROUP="$GROUP" \
        "$IMAGE" @COMMAND@
}

# The group would replace a machine that only ends; this takes its place with it.
leave() {
    signed autoscaling "$AUTOSCALING_URL" -d Action=TerminateInstanceInAutoScalingGroup \
        -d Version=2011-01-01 -d "InstanceId=$instance" -d ShouldDecrementDesiredCapacity=true
}

mkdir -p "$SHARED" && chmod 755 "$SHARED"
printf '[default]\nregion = %s\ncredential_process = cat %s\n' "$REGION" "$SHARED/credentials" | keep config
until renew_token && keep_credentials && instance=$(meta instance-id); do
    ((SECONDS < 300)) || break
    sleep 1
done
watch &
watching=$!
until docker version >/dev/null 2>&1; do
    ((SECONDS < 600)) || break
    sleep 0.2
done
# The worker leaves the group by itself once its queue is empty. Where none runs for long, this
# machine does, so that it does not cost money for nothing.
tries=0 began=$SECONDS
until have_image && work; do
    if ((SECONDS - began > 600)); then tries=0 began=$SECONDS; fi
    if ((++tries == 5)); then leave; break; fi
    sleep 10
done
kill "$watching"
shutdown -h now || poweroff -f
WORKER

cat >/var/lib/cloud/scripts/per-boot/offload <<'EACH'
#!/bin/bash
# A unit of its own where there is systemd, as the engine may wait for the end of this script.
[ -e /run/offload-begun ] && exit
touch /run/offload-begun
systemd-run --unit=offload-worker --property=Restart=on-failure \
    --property=StandardOutput=journal+console /bin/bash /etc/offload/worker 2>/dev/null ||
    setsid /bin/bash /etc/offload/worker </dev/null >/var/log/offload-worker.log 2>&1 &
EACH
chmod 700 /etc/offload/worker /var/lib/cloud/scripts/per-boot/offload

@ENGINE@
# On the first boot this script may come too late for cloud-init to find the other one.
/var/lib/cloud/scripts/per-boot/offload
