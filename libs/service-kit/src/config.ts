import { z } from "zod";
import { plaintextFaults } from "./plaintext.ts";

/** The environment does not fit the schema. Names every bad setting at once, and no value of any. */
export class ConfigError extends Error {
  readonly settings: readonly string[];
  constructor(faults: ReadonlyMap<string, string>) {
    super(`bad settings: ${[...faults].map(([name, fault]) => `${name} (${fault})`).join("; ")}`);
    this.name = "ConfigError";
    this.settings = [...faults.keys()];
  }
}

/**
 * Reads the settings of `schema` from `env`. An empty string counts as not set, so that `NAME=` in a file does
 * not slip through as a value. Throws ConfigError, which names every fault and shows no value (they may be
 * secrets, and the error is printed). In production what would go over the wire in clear is a fault too.
 */
export function loadConfig<S extends z.ZodObject>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
): z.infer<S> {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ""),
  );
  const parsed = schema.safeParse(given);
  const faults = new Map<string, string>();
  for (const issue of parsed.error?.issues ?? []) {
    const name = String(issue.path[0] ?? "(settings)");
    faults.set(name, given[name] === undefined ? "missing" : faultOf(issue));
  }
  for (const [name, fault] of plaintextFaults(Object.keys(schema.shape), given))
    if (!faults.has(name)) faults.set(name, fault);
  if (!parsed.success || faults.size > 0) throw new ConfigError(faults);
  return parsed.data;
}

/** What is wrong, in words that hold nothing of the value. */
function faultOf(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case "too_small":
      return `must be at least ${issue.minimum}`;
    case "too_big":
      return `must be at most ${issue.maximum}`;
    case "invalid_value":
      return `must be one of ${issue.values.join(", ")}`;
    case "custom":
      return issue.message;
    default:
      return "is not valid";
  }
}

const port = z.coerce.number().int().min(0).max(65535);

/** A URL of one of these protocols. */
export function urlOf(...protocols: string[]): z.ZodType<string, string> {
  return z.string().refine((value) => protocols.includes(URL.parse(value)?.protocol.replace(":", "") ?? ""), {
    message: `must be a URL with ${protocols.join(" or ")}`,
  });
}

/**
 * How many hours after a shred the rotation begins that makes it final; "off": by command only. An hour of the 24 is left for
 * the work itself. Of services that keep keys of subjects.
 */
export const finalRotationHours = z.union([z.literal("off"), z.coerce.number().min(0).max(23)]).default(12);

/** With what a process is served and calls; README.md, "TLS", says what each is for. */
export const CallingConfig = z.object({
  MEDVAULT_TLS_CERT_FILE: z.string().optional(),
  MEDVAULT_TLS_KEY_FILE: z.string().optional(),
  MEDVAULT_TLS_CA_FILE: z.string().optional(),
  NODE_ENV: z.enum(["development", "test", "production"]).default("production"),
});

/** What every service with data reads. Extend it: `CommonConfig.extend({ … })`. */
export const CommonConfig = CallingConfig.extend({
  MEDVAULT_TLS_CLIENT_CA_FILE: z.string().optional(),
  HOST: z.string().default("127.0.0.1"),
  PORT: port,
  ADMIN_PORT: port,
  DATABASE_URL: urlOf("postgres", "postgresql"),
  AMQP_URL: urlOf("amqp", "amqps"),
  MEDVAULT_KEYS_FILE: z.string().optional(),
  MEDVAULT_KEYS: z.string().optional(),
  MEDVAULT_ASSERTION_JWKS_FILE: z.string(),
  MEDVAULT_INSTANCE: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/)
    .default("1"),
  LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
});
export type CommonConfig = z.infer<typeof CommonConfig>;
