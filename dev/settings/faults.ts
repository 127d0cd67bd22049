// What is wrong with an environment, before anything is started with it: all of it at once, each
// with what to do.
import { ConfigError, loadConfig, unknownSettings } from "@medvault/service-kit";
import type { z } from "zod";
import { StartConfig } from "../config.ts";
import { environment, type ProcessName, type ServiceOptions } from "../run/services.ts";
import { baseFault } from "../servers/ports.ts";
import type { Secrets } from "../servers/secrets.ts";
import { contentFaults } from "./contents.ts";
import { serverFaults } from "./given-servers.ts";
import { declared, knownNames, SCHEMAS } from "./registry.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** One sentence per fault. */
export async function settingFaults(env: Environment): Promise<string[]> {
  const found = new Map<string, string>(faultsIn(StartConfig, env));
  for (const [process, schema] of Object.entries(SCHEMAS)) {
    for (const [name, fault] of faultsIn(schema, environment(process as ProcessName, planned(env))))
      if (!found.has(name)) found.set(name, fault);
  }
  const sentences = [...found].map(([name, fault]) => `${name} ${fault}: change it, or leave it out.`);
  const skip = new Set(found.keys());
  const base = skip.has("MEDVAULT_BASE_PORT") ? undefined : env.MEDVAULT_BASE_PORT;
  const [contents, servers, port] = await Promise.all([
    contentFaults(env, skip),
    serverFaults(env, skip),
    base ? baseFault(base, Number(env.MEDVAULT_PORT) || 8080) : null,
  ]);
  return [...sentences, ...contents, ...servers, ...(port === null ? [] : [port])];
}

function faultsIn(schema: z.ZodObject, env: Environment): ReadonlyMap<string, string> {
  try {
    loadConfig(schema, { ...env, NODE_ENV: "development" });
    return new Map();
  } catch (error) {
    if (error instanceof ConfigError) return error.faults;
    throw error;
  }
}

/**
 * The services as they would be started, with ports, passwords and places that are not chosen yet.
 */
export function planned(settings: Environment): ServiceOptions {
  const each = (value: unknown) => new Proxy({}, { get: () => value }) as never;
  return {
    dirs: each("/planned"),
    gatewayPort: Number(settings.MEDVAULT_PORT) || 8080,
    ports: each(1),
    secrets: { owner: "planned", roles: each("planned"), broker: each("planned") } as unknown as Secrets,
    servers: {
      databaseUrl: "postgres://127.0.0.1/planned",
      redisUrl: "redis://127.0.0.1",
      amqpUrl: "amqp://127.0.0.1",
      vhost: "planned",
    } as ServiceOptions["servers"],
    proofKeys: each("planned".repeat(5)),
    settings,
    declared,
    onBackupMessage: () => {},
  };
}

/** One sentence per variable that nothing reads and that was probably meant to be a setting. */
export function settingWarnings(env: Environment): string[] {
  return [...unknownSettings(env, knownNames())].map(([name, fault]) => `${name} ${fault}`);
}
