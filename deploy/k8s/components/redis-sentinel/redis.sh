#!/bin/sh
# Settings are those of the secret at each start; the role is what Redis wrote down at the last failover.
set -eu
umask 077
secret=/run/medvault/redis.conf
own=/data/redis.conf
if [ -f "$own" ]; then role=$(grep '^replicaof ' "$own" || true)
elif [ "$HOSTNAME" = redis-0 ]; then role=
else role='replicaof redis-0.redis 6379'
fi
cat > "$own.new" <<END
include $secret
masterauth $(sed -n 's/^requirepass //p' "$secret")
tls-replication yes
tls-auth-clients no
replica-announce-ip $HOSTNAME.redis
min-replicas-to-write 1
min-replicas-max-lag 2
repl-diskless-sync-delay 0
$role
END
mv "$own.new" "$own"
exec redis-server "$own"
