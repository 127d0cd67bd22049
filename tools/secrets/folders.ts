// What lies in the folder of each part of an installation.
import { BROKER_USERS, type BrokerUser, brokerDefinitions } from "@medvault/messaging";
import { SERVICES_WITH_DATA } from "@medvault/postgres";

/** Made once; everything else is made of them. */
export interface Passwords {
  readonly postgres: string;
  readonly owner: string;
  readonly redis: string;
  readonly roles: Readonly<Record<string, string>>;
  readonly broker: Readonly<Record<string, string>>;
}

/** As docker-compose.yml names them; each has a folder of that name. */
export const SERVERS = ["postgres", "redis", "rabbitmq"] as const;
export const SERVICES = BROKER_USERS;
/** Migrations and restores: the only ones with the owner's password. */
export const JOBS = "jobs";

/** Of the profile `mail`. */
export const MAIL_CATCHER = "mail";

/** Of the profile `telemetry`, with the user of each image. */
export const WATCHERS: Readonly<Record<string, number>> = {
  collector: 10_001,
  prometheus: 65_534,
  grafana: 472,
};

/** Where a part finds its folder, in its container. */
const HERE = "/run/medvault";
const VHOST = "medvault";

const databaseUrl = (user: string, password: string, database = "medvault") =>
  `postgres://${user}:${password}@postgres:5432/${database}?sslmode=verify-full`;

/** The files of a service, besides its certificate and keys. */
export function serviceFiles(service: BrokerUser, passwords: Passwords): Record<string, string> {
  const role = passwords.roles[service];
  return {
    ...(role ? { "database-url": databaseUrl(`medvault_${service}`, role) } : {}),
    ...(service === "gateway" || service === "auth"
      ? {
          "redis-url": `rediss://:${passwords.redis}@redis:6379/0`,
          "redis-sentinel-password": passwords.redis, // where Redis has sentinels
        }
      : {}),
    "amqp-url": `amqps://${service}:${passwords.broker[service]}@rabbitmq:5671/${VHOST}`,
  };
}

/** What no running service has. */
export function jobFiles({ postgres, owner, roles }: Passwords): Record<string, string> {
  return {
    "superuser-database-url": databaseUrl("postgres", postgres),
    "owner-database-url": databaseUrl("medvault_owner", owner),
    "role-passwords": JSON.stringify({
      owner,
      ...Object.fromEntries(SERVICES_WITH_DATA.map((name) => [name, roles[name]])),
    }),
  };
}

/** The servers' configurations: TLS and a password, or nothing. */
export const serverFiles: Readonly<
  Record<(typeof SERVERS)[number], (passwords: Passwords) => Record<string, string>>
> = {
  postgres: ({ postgres }) => ({
    password: postgres,
    "pg_hba.conf": "local all all scram-sha-256\nhostssl all all all scram-sha-256\n",
  }),
  redis: ({ redis }) => ({
    password: redis,
    // Sessions are no cache: kept on disk, never evicted.
    "redis.conf": lines(
      "port 0",
      "tls-port 6379",
      `tls-cert-file ${HERE}/cert.pem`,
      `tls-key-file ${HERE}/key.pem`,
      `tls-ca-cert-file ${HERE}/ca.pem`,
      "tls-auth-clients yes",
      "unixsocket /tmp/redis.sock", // for the health check, inside the container
      `requirepass ${redis}`,
      "dir /data",
      "appendonly yes",
      'save ""', // a second copy, which a full disk would have it refuse writes for
      "maxmemory 256mb",
      "maxmemory-policy noeviction",
    ),
  }),
  rabbitmq: ({ broker }) => ({
    "definitions.json": JSON.stringify(
      brokerDefinitions({
        vhost: VHOST,
        users: SERVICES.map((name) => ({ name, password: broker[name] ?? "" })),
      }),
    ),
    "rabbitmq.conf": lines(
      "listeners.tcp = none",
      "listeners.ssl.default = 5671",
      `ssl_options.cacertfile = ${HERE}/ca.pem`,
      `ssl_options.certfile = ${HERE}/cert.pem`,
      `ssl_options.keyfile = ${HERE}/key.pem`,
      "ssl_options.verify = verify_peer",
      "ssl_options.fail_if_no_peer_cert = true",
      `load_definitions = ${HERE}/definitions.json`,
      `default_vhost = ${VHOST}`,
      "vm_memory_high_watermark.absolute = 512MB",
      "disk_free_limit.absolute = 100MB",
      "raft.wal_max_size_bytes = 67108864", // 512 MB by default, held in memory until written
      "log.console = true",
      "log.console.level = warning",
      "log.file = false",
    ),
  }),
};

const lines = (...all: string[]) => `${all.join("\n")}\n`;
