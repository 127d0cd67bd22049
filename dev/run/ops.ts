import { rmSync } from "node:fs";
import path from "node:path";
import { childNamed } from "../lib/processes.mjs";
import { privateFile } from "../servers/files.ts";
import type { ServiceName } from "../servers/secrets.ts";
import type { Supervised } from "../servers/supervise.ts";
import { portsOf, publicUrl, type ServiceOptions, serviceDsn, withDatabase } from "./services.ts";

/** A person whom the first start made, with what signs them in. */
export interface DemoUser {
  role: string;
  username: string;
  password: string;
  totpSecret: string | null;
}

const fileOf = (data: string) => path.join(data, "ops.json");

/** At the start: what an earlier run wrote names processes that are gone. */
export const removeOps = (data: string) => rmSync(fileOf(data), { force: true });

/**
 * Writes ops.json (mode 0600), the page by which tools find everything; see "For tools" in the API.
 */
export function writeOps(o: ServiceOptions, services: Supervised[], users: DemoUser[]): void {
  const pid = (name: string) => o.servers.running.find((one) => one.program.name === name)?.id?.pid ?? null;
  const shell = pid("rabbitmq");
  const { databaseUrl, redisUrl, amqpUrl, managementUrl } = o.servers;
  const { compileCache: _, ...dirs } = o.dirs;
  const ops = {
    gateway: publicUrl(o),
    processes: services.map(({ program, id }) => ({
      name: program.name,
      pid: id?.pid ?? null,
      ...portsOf(program.name as (typeof withDatabase)[number], o.ports, o.gatewayPort),
      log: program.log,
      start: id?.start ?? "",
      proofKey: o.proofKeys[program.name as ServiceName],
    })),
    postgres: {
      superuser: databaseUrl,
      owner: serviceDsn(databaseUrl, "medvault_owner", o.secrets.owner),
      services: Object.fromEntries(
        withDatabase.map((name) => [
          name,
          serviceDsn(databaseUrl, `medvault_${name}`, o.secrets.roles[name]),
        ]),
      ),
      pid: pid("postgres"),
    },
    redis: { url: redisUrl, pid: pid("redis") },
    // The Erlang machine itself, not the shell that waits for it.
    rabbitmq: { url: amqpUrl, managementUrl, pid: shell ? (childNamed(shell, /beam/)?.pid ?? shell) : null },
    dirs,
    demo: { users },
  };
  privateFile(fileOf(o.dirs.data), JSON.stringify(ops, null, 2));
}
