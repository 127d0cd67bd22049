import { randomBytes } from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { readJson } from "../lib/json.mjs";
import { Trouble } from "../lib/words.mjs";
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

/**
 * The passwords of this data directory (mode 0600); made at random the first time.
 * @throws Trouble when they are damaged and a database is there that only they open
 */
export function loadSecrets(data: string): Secrets {
  const file = path.join(data, "secrets.json");
  const found = readJson(file) as Secrets | null;
  if (found) return found;
  if (fs.existsSync(file) && fs.existsSync(path.join(data, "postgres"))) {
    throw new Trouble(
      `${file} is damaged, and it has the passwords of this data: put back a copy of it; without one, docs/runbooks/full-disk.md says how to set new ones.`,
    );
  }
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
