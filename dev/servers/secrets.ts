import { randomBytes } from "node:crypto";
import path from "node:path";
import { readJson } from "../lib/json.mjs";
import { privateFile } from "./files.ts";

/** The services that have a user at RabbitMQ; all but the gateway have a role in Postgres too. */
export const SERVICES = ["gateway", "auth", "records", "files", "audit", "backup"] as const;
export type ServiceName = (typeof SERVICES)[number];

export interface Secrets {
  postgres: string;
  owner: string;
  roles: Record<ServiceName, string>;
  redis: string;
  rabbitmq: string;
  erlangCookie: string;
  broker: Record<ServiceName, string>;
}

const secret = () => randomBytes(18).toString("hex");
const perService = () =>
  Object.fromEntries(SERVICES.map((name) => [name, secret()])) as Record<ServiceName, string>;

/** The passwords of this data directory (mode 0600); made at random the first time. */
export function loadSecrets(data: string): Secrets {
  const file = path.join(data, "secrets.json");
  const found = readJson(file) as Secrets | null;
  if (found) return found;
  const made: Secrets = {
    postgres: secret(),
    owner: secret(),
    roles: perService(),
    redis: secret(),
    rabbitmq: secret(),
    erlangCookie: secret(),
    broker: perService(),
  };
  privateFile(file, JSON.stringify(made, null, 2));
  return made;
}
