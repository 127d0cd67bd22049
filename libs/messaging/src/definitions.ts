import { createHash, randomBytes } from "node:crypto";
import {
  AUDIT_BINDING,
  AUDIT_QUEUE,
  DEAD_QUEUE_ARGUMENTS,
  deadNameOf,
  EVENTS_EXCHANGE,
  queueArguments,
} from "./topology.ts";

/** Who has a user at the broker. The name is the service's: events' sources are checked by it. */
export const BROKER_USERS = ["auth", "records", "files", "audit", "backup", "gateway"] as const;
export type BrokerUser = (typeof BROKER_USERS)[number];

export interface BrokerUserPermissions {
  /** Regular expressions over the names of exchanges and queues, as RabbitMQ has them. */
  permissions: { configure: string; write: string; read: string };
  /** Over routing keys: `write` when publishing, `read` when binding a queue. */
  topic: { exchange: string; write: string; read: string };
}

const NOTHING = "^$";

/**
 * What a user may do: publish `medvault.<itself>.#`, and have queues named `medvault.<itself>` and
 * below. Bindings end in a domain event's version: only audit can listen to audit events.
 */
export function permissionsOf(user: BrokerUser): BrokerUserPermissions {
  const own = `medvault\\.${user}(\\..*)?`;
  const publishOwn = { exchange: EVENTS_EXCHANGE, write: `^medvault\\.${user}\\..+$` };
  if (user === "gateway") {
    return {
      permissions: { configure: NOTHING, write: "^medvault\\.events$", read: NOTHING },
      topic: { ...publishOwn, read: NOTHING },
    };
  }
  const domainEvents = "medvault\\.[a-z]+(\\.[a-z*][a-z0-9_-]*)+\\.v[1-9][0-9]*";
  const isAudit = user === "audit";
  return {
    permissions: {
      configure: isAudit ? `^(medvault\\.events|${own})$` : `^${own}$`,
      write: `^(medvault\\.events|${own})$`,
      read: `^(medvault\\.events|${own})$`,
    },
    topic: {
      ...publishOwn,
      read: isAudit ? `^(medvault\\.\\*\\.audit|${domainEvents})$` : `^${domainEvents}$`,
    },
  };
}

/** RabbitMQ's (rabbitmq.com/docs/passwords): 4 bytes of salt, then SHA-256(salt, password). */
function passwordHash(password: string): string {
  const salt = randomBytes(4);
  const digest = createHash("sha256").update(salt).update(password).digest();
  return Buffer.concat([salt, digest]).toString("base64");
}

/** The exchange, the audit queue and what belongs to them, for one vhost. */
export function topologyDefinitions(vhost: string): {
  exchanges: object[];
  queues: object[];
  bindings: object[];
} {
  const dead = deadNameOf(AUDIT_QUEUE);
  const exchange = (name: string, type: string) => ({
    name,
    vhost,
    type,
    durable: true,
    auto_delete: false,
    internal: false,
    arguments: {},
  });
  const queue = (name: string, args: object) => ({
    name,
    vhost,
    durable: true,
    auto_delete: false,
    arguments: args,
  });
  const binding = (source: string, destination: string, key: string) => ({
    source,
    vhost,
    destination,
    destination_type: "queue",
    routing_key: key,
    arguments: {},
  });
  return {
    exchanges: [exchange(EVENTS_EXCHANGE, "topic"), exchange(dead, "fanout")],
    queues: [queue(AUDIT_QUEUE, queueArguments(AUDIT_QUEUE)), queue(dead, DEAD_QUEUE_ARGUMENTS)],
    bindings: [binding(dead, dead, ""), binding(EVENTS_EXCHANGE, AUDIT_QUEUE, AUDIT_BINDING)],
  };
}

/**
 * RabbitMQ definitions (for `load_definitions` or POST /api/definitions): a user per service, with
 * its permissions and a hashed password, and the topology needed before the first publish.
 */
export function brokerDefinitions(options: {
  vhost: string;
  users: readonly { name: BrokerUser; password: string }[];
}): object {
  const { vhost, users } = options;
  return {
    vhosts: [{ name: vhost }],
    users: users.map(({ name, password }) => ({
      name,
      password_hash: passwordHash(password),
      hashing_algorithm: "rabbit_password_hashing_sha256",
      tags: "",
    })),
    permissions: users.map(({ name }) => ({ user: name, vhost, ...permissionsOf(name).permissions })),
    topic_permissions: users.map(({ name }) => ({ user: name, vhost, ...permissionsOf(name).topic })),
    ...topologyDefinitions(vhost),
  };
}
