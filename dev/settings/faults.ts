// What is wrong with an environment, before anything is started with it: all of it at once, each
// with what to do.
import { ConfigError, loadConfig } from "@medvault/service-kit";
import { z } from "zod";
import { StartConfig } from "../config.ts";
import { environment, type ProcessName, type ServiceOptions } from "../run/services.ts";
import { baseFault } from "../servers/ports.ts";
import type { Secrets } from "../servers/secrets.ts";
import { contentFaults } from "./contents.ts";
import { serverFaults } from "./given-servers.ts";
import { declared, knownNames, SCHEMAS, settingsOfStart } from "./registry.ts";

type Environment = Readonly<Record<string, string | undefined>>;

/** One sentence per fault. */
export async function settingFaults(env: Environment): Promise<string[]> {
  const found = new Map<string, string>(faultsIn(StartConfig, env));
  for (const [process, schema] of Object.entries(SCHEMAS)) {
    for (const [name, fault] of faultsIn(schema, environment(process as ProcessName, planned(env))))
      if (!found.has(name)) found.set(name, fault);
  }
  const settings = new Map(settingsOfStart().map((setting) => [setting.name, setting]));
  const sentences = [...found].map(([name, fault]) => {
    const setting = settings.get(name);
    const expected = setting ? expectedBy(setting.schema) : null;
    return `${name} ${expected ? `must be ${expected}` : fault}: change it, or leave it out.`;
  });
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

/** What a value must be, where its schema says so in a way that words can repeat. */
function expectedBy(schema: z.ZodType): string | null {
  return wordsOf(z.toJSONSchema(schema, { unrepresentable: "any" }));
}

function wordsOf(json: z.core.JSONSchema.BaseSchema): string | null {
  if (json.anyOf) {
    const words = json.anyOf.map((each) => wordsOf(each as z.core.JSONSchema.BaseSchema));
    return words.includes(null) ? null : words.reverse().join(", or ");
  }
  if (json.const !== undefined) return String(json.const);
  if (json.enum) return json.enum.join(" or ");
  if (json.type === "boolean") return "true or false";
  if (json.type !== "integer" && json.type !== "number") return null;
  const { minimum, maximum = Number.MAX_SAFE_INTEGER } = json;
  const most = maximum === Number.MAX_SAFE_INTEGER ? "up" : `to ${maximum}`;
  return `${json.type === "integer" ? "a whole number" : "a number"} from ${minimum} ${most}`;
}

/** One sentence per variable that nothing reads and that was probably meant to be a setting. */
export function settingWarnings(env: Environment): string[] {
  const known = [...knownNames()];
  return Object.keys(env)
    .filter((name) => env[name] && !known.includes(name))
    .flatMap((name) => {
      const [nearest] = known.map((one) => ({ one, far: distance(name, one) })).sort((a, b) => a.far - b.far);
      const isOurs = name.startsWith("MEDVAULT_");
      // Others may have short names of their own that look alike.
      const isMisspelt = nearest !== undefined && nearest.one.length >= 8 && nearest.far <= 2;
      if (!isOurs && !isMisspelt) return [];
      return [`${name} is no setting, and nothing reads it: did you mean ${nearest?.one}?`];
    });
}

/** How many characters differ (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, at) => at);
  for (const [i, left] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, right] of [...b].entries())
      next.push(
        Math.min((next[j] ?? 0) + 1, (row[j + 1] ?? 0) + 1, (row[j] ?? 0) + (left === right ? 0 : 1)),
      );
    row = next;
  }
  return row[b.length] ?? 0;
}
