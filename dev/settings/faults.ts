// What is wrong with an environment, before anything is started with it: all of it at once, each
// with what to do.
import { applyPolicy } from "@medvault/keys";
import { ConfigError, loadConfig } from "@medvault/service-kit";
import { z } from "zod";
import { tablesOf } from "../../tools/keys/tables.ts";
import { StartConfig } from "../config.ts";
import { environment, type ProcessName, type ServiceOptions } from "../run/services.ts";
import type { Secrets } from "../servers/secrets.ts";
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
  return [...sentences, ...(found.has("MEDVAULT_POLICY_FILE") ? [] : await policyFaults(env))];
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

/** The operator's field policy, as each service would read it. */
async function policyFaults(env: Environment): Promise<string[]> {
  const file = env.MEDVAULT_POLICY_FILE;
  if (!file) return [];
  const faults = new Set<string>();
  for (const service of ["auth", "records", "files"] as const) {
    await applyPolicy({ file, service, tables: tablesOf(service) }).catch((error: Error) =>
      faults.add(error.message),
    );
  }
  return [...faults].map((fault) => `MEDVAULT_POLICY_FILE: ${fault}`);
}

/**
 * One sentence per MEDVAULT_* variable that nothing reads, with the name that was probably meant.
 */
export function unknownSettings(env: Environment): string[] {
  const known = [...knownNames()];
  return Object.keys(env)
    .filter((name) => name.startsWith("MEDVAULT_") && !known.includes(name))
    .map((name) => {
      const [nearest] = known.map((one) => ({ one, far: distance(name, one) })).sort((a, b) => a.far - b.far);
      return `${name} is no setting, and nothing reads it; the nearest is ${nearest?.one}.`;
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
