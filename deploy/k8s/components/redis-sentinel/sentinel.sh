#!/bin/sh
# Password and certificate are those of the secret at each start; who leads is what this sentinel wrote down last.
set -eu
umask 077
password=$(sed -n 's/^requirepass //p' /run/medvault/redis.conf)
dir=/data/sentinel
own=$dir/sentinel.conf
mkdir -p "$dir"
known=$(grep '^sentinel ' "$own" 2>/dev/null | grep -Ev '^sentinel (announce-ip|auth-pass|sentinel-pass) ' || true)
[ -n "$known" ] || known='sentinel resolve-hostnames yes
sentinel announce-hostnames yes
sentinel monitor redis redis-0.redis 6379 2
sentinel down-after-milliseconds redis 5000
sentinel failover-timeout redis 10000
sentinel parallel-syncs redis 2'
cat > "$own.new" <<END
port 0
tls-port 26379
tls-cert-file /run/medvault/cert.pem
tls-key-file /run/medvault/key.pem
tls-ca-cert-file /run/medvault/ca.pem
tls-replication yes
tls-auth-clients no
dir $dir
requirepass $password
sentinel announce-ip $HOSTNAME.redis
$known
sentinel auth-pass redis $password
sentinel sentinel-pass $password
END
mv "$own.new" "$own"
exec redis-server "$own" --sentinel
