import { randomBytes } from "node:crypto";
import { BROKER_USERS, type BrokerUser, permissionsOf, topologyDefinitions } from "@medvault/messaging";
import { testServer } from "./environment.ts";
import { sharedPassword } from "./passwords.ts";

export interface TestBroker {
  /** The URL of the service's own user, who has production's permissions in this vhost. */
  url(user: BrokerUser): string;
  /** An administrator in this vhost. */
  adminUrl: string;
  vhost: string;
  /** The management API: path below /api; `{vhost}` is this one. Throws for a status of 400 up. */
  manage(method: string, path: string, body?: object): Promise<unknown>;
  /** Deletes the vhost and all in it. */
  close(): Promise<void>;
}

/**
 * A vhost with production's users, permissions, exchange and audit queue. Users belong to the whole
 * server, and test processes share their passwords; permissions are per vhost. Throws
 * TestServersMissing.
 */
export async function createTestBroker(): Promise<TestBroker> {
  const amqp = testServer("MEDVAULT_TEST_AMQP_URL");
  const vhost = `medvault_test_${randomBytes(6).toString("hex")}`;
  const manage = (method: string, path: string, body?: object): Promise<unknown> =>
    callManagement(method, path.replace("{vhost}", vhost), body);
  await manage("PUT", "vhosts/{vhost}");
  await manage("PUT", `permissions/{vhost}/${amqp.username}`, { configure: ".*", write: ".*", read: ".*" });
  await Promise.all(BROKER_USERS.map((user) => createUser(amqp, user, manage)));
  await manage("POST", "definitions/{vhost}", topologyDefinitions(vhost));
  const urlFor = (user: string, password: string): string => {
    const url = new URL(amqp);
    url.username = user;
    url.password = password;
    url.pathname = `/${vhost}`;
    return url.href;
  };
  return {
    url: (user) => urlFor(user, sharedPassword(amqp, user)),
    adminUrl: urlFor(amqp.username, amqp.password),
    vhost,
    manage,
    async close() {
      await manage("DELETE", "vhosts/{vhost}");
    },
  };
}

type Manage = TestBroker["manage"];

async function createUser(amqp: URL, user: BrokerUser, manage: Manage): Promise<void> {
  const { permissions, topic } = permissionsOf(user);
  await manage("PUT", `users/${user}`, { password: sharedPassword(amqp, user), tags: "" });
  await manage("PUT", `permissions/{vhost}/${user}`, permissions);
  await manage("PUT", `topic-permissions/{vhost}/${user}`, topic);
}

async function callManagement(method: string, path: string, body?: object): Promise<unknown> {
  const server = testServer("MEDVAULT_TEST_RABBITMQ_URL");
  const { username, password } = server;
  const answer = await fetch(new URL(`/api/${path}`, server.origin), {
    method,
    signal: AbortSignal.timeout(15_000),
    headers: {
      authorization: `Basic ${Buffer.from(`${username}:${decodeURIComponent(password)}`).toString("base64")}`,
      "content-type": "application/json",
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok)
    throw new Error(`RabbitMQ management: ${method} ${path} answered ${answer.status}: ${text}`);
  return text === "" ? undefined : JSON.parse(text);
}
