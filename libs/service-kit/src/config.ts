import { accessSync, constants, readFileSync, statSync } from "node:fs";
import { TimeZone } from "@medvault/contracts";
import { z } from "zod";
import { expectedBy } from "./expected.ts";
import { plaintextFaults } from "./plaintext.ts";

/** The environment does not fit the schema. Names every bad setting at once, and no value. */
export class ConfigError extends Error {
  readonly settings: readonly string[];
  /** By setting, what is wrong with it. */
  readonly faults: ReadonlyMap<string, string>;
  /** What was probably meant to be a setting: alone it is only warned of. */
  readonly unknown: ReadonlyMap<string, string>;
  constructor(faults: ReadonlyMap<string, string>, unknown: ReadonlyMap<string, string> = new Map()) {
    super(`bad settings: ${[...faults].map(([name, fault]) => `${name} (${fault})`).join("; ")}`);
    this.name = "ConfigError";
    this.faults = faults;
    this.unknown = unknown;
    this.settings = [...faults.keys()];
  }
}

/**
 * Reads the settings of `schema` from `env`. An empty string counts as not set: `NAME=` in a file
 * is no value, and `NAME_FILE` names a file that holds the value of `NAME`. Throws ConfigError,
 * which names every fault and shows no value (it is printed, and values may be secrets). In
 * production an unencrypted connection is a fault too.
 */
export function loadConfig<S extends z.ZodObject>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
): z.infer<S> {
  const { settings, faults } = examine(schema, env);
  if (settings === undefined || faults.size > 0) throw new ConfigError(faults);
  return settings;
}

/** What was given, also by files; what it means, unless it does not fit the schema; every fault. */
export function examine<S extends z.ZodObject>(
  schema: S,
  env: Readonly<Record<string, string | undefined>>,
): {
  given: Record<string, string | undefined>;
  settings: z.infer<S> | undefined;
  faults: Map<string, string>;
} {
  const given = Object.fromEntries(
    Object.entries(env).filter(([, value]) => value !== undefined && value !== ""),
  );
  const names = Object.keys(schema.shape);
  const faults = readFromFiles(names, given);
  const parsed = schema.safeParse(given);
  for (const issue of parsed.error?.issues ?? []) {
    const name = String(issue.path[0] ?? "(settings)");
    if (faults.has(name) || faults.has(fileSetting(name))) continue;
    const { description = "" } = (schema.shape[name] ?? {}) as z.ZodType;
    const isMissing = given[name] === undefined && issue.code !== "custom";
    faults.set(name, isMissing ? missing(description) : faultOf(issue, schema.shape[name] as z.ZodType));
  }
  for (const [name, fault] of plaintextFaults(names, given)) if (!faults.has(name)) faults.set(name, fault);
  return { given, settings: parsed.data, faults };
}

const missing = (description: string) => (description ? `missing: ${description}` : "missing");

/** The setting that names the file with another's value: how orchestrators give secrets. */
export const fileSetting = (name: string): string => `${name}_FILE`;

/** Adds to `given` what files hold; the last line break is not of the value. Gives the faults. */
function readFromFiles(names: readonly string[], given: Record<string, string | undefined>) {
  const faults = new Map<string, string>();
  for (const name of names) {
    const setting = fileSetting(name);
    const file = given[setting];
    if (file === undefined || names.includes(setting)) continue; // the latter is a setting itself
    if (given[name] !== undefined) faults.set(setting, `is set, and ${name} too: leave one out`);
    else {
      try {
        given[name] = readFileSync(file, "utf8").replace(/\r?\n$/, "");
      } catch {
        faults.set(setting, "must name a file that can be read");
      }
    }
  }
  return faults;
}

/** What is wrong, in words that hold nothing of the value. */
function faultOf(issue: z.core.$ZodIssue, schema?: z.ZodType): string {
  const expected = schema && issue.code !== "custom" ? expectedBy(schema) : null;
  if (expected) return `must be ${expected}`;
  switch (issue.code) {
    case "too_small":
      if (issue.origin === "string") return `must have at least ${issue.minimum} characters`;
      return `must be at least ${issue.minimum}`;
    case "too_big":
      if (issue.origin === "string") return `must have at most ${issue.maximum} characters`;
      return `must be at most ${issue.maximum}`;
    case "invalid_value":
      return `must be one of ${issue.values.join(", ")}`;
    case "custom":
      return issue.message;
    case "invalid_format":
      // A pattern's own message would quote the pattern; one that was given says what is right.
      return /^Invalid/.test(issue.message)
        ? `is not ${issue.format === "email" ? "an address" : "valid"}`
        : issue.message;
    default:
      return "is not valid";
  }
}

/** A whole number within these bounds, both included. */
export const wholeNumber = (least: number, most: number) => z.coerce.number().int().min(least).max(most);

/** A URL of one of these protocols. */
export function urlOf(...protocols: string[]): z.ZodType<string, string> {
  const type = `URL with ${protocols.join(" or ")}`;
  return z
    .string()
    .refine((value) => protocols.includes(URL.parse(value)?.protocol.replace(":", "") ?? ""), {
      message: `must be a ${type}`,
    })
    .meta({ type });
}

/** Where a server listens. */
export interface Place {
  readonly host: string;
  readonly port: number;
}

/** `host:port` of several servers, separated by commas. */
export const places = z.string().transform((text, context): Place[] =>
  text.split(",").map((part) => {
    const url = URL.parse(`tcp://${part.trim()}`);
    if (url?.port && url.host === part.trim())
      return { host: url.hostname.replace(/^\[|\]$/g, ""), port: Number(url.port) };
    context.addIssue({ code: "custom", message: "must be host:port, separated by commas" });
    return z.NEVER;
  }),
);

/** The path of a file that is there and that this process may read. */
export const readableFile = z.string().refine(isReadable, { message: "must name a file that can be read" });

function isReadable(path: string): boolean {
  try {
    accessSync(path, constants.R_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

// A setting's description says what it does, `unit` what its name does not, `shownDefault` a
// default that is no constant: README's tables and `npm start`'s messages are made from them.

// Settings of several services: one definition each, so that none takes what another refuses.

/**
 * Hours from a shred to the start of the rotation that makes it final, with an hour of the 24 left
 * for the work; "off": by command only. Of services that keep keys of subjects.
 */
export const finalRotationHours = z
  .union([z.literal("off"), z.coerce.number().min(0).max(23)])
  .default(12)
  .describe("hours from a shred to the rotation that makes it final: 0 to 23, or `off`: by command only");

export const policyFile = readableFile
  .optional()
  .describe("what is sealed, searched and masked, per field; suites; the digest (docs/runbooks/keys.md)");

/** Of services that use Redis. */
export const RedisConfig = z.object({
  REDIS_URL: urlOf("redis", "rediss").describe("Redis: sessions, lockouts, rates"),
  REDIS_SENTINELS: places
    .optional()
    .describe(
      "its sentinels, as `host:port`, separated by commas; the host of REDIS_URL is then the name that they give it",
    ),
  REDIS_SENTINEL_PASSWORD: z.string().optional().describe("the password of the sentinels"),
});
export type RedisConfig = z.infer<typeof RedisConfig>;

export const tokenIssuer = z.string().min(1).max(200).default("medvault").describe("`iss` of access tokens");

export const clinicTimeZone = TimeZone.default("UTC").describe(
  "the clinic's time zone, such as `Europe/Berlin`: when its days begin, what its hours mean, and when people who chose no other are reminded",
);

export const geoipFile = readableFile
  .optional()
  .describe(
    "a MaxMind file (.mmdb, cities or countries): sessions are shown with their coarse location, and alerts know countries and distances",
  );

export const maxUploadBytes = wholeNumber(1, 4 * 1024 ** 3)
  .default(16 * 1024 * 1024)
  .describe("the size of one file, 4 GiB at most; an upload of several takes ten times that");

/** The files of TLS, for serving and calling: README.md, "TLS". */
export const CallingConfig = z.object({
  MEDVAULT_TLS_CERT_FILE: z
    .string()
    .optional()
    .describe("the chain that the process serves and calls with, PEM; required in production"),
  MEDVAULT_TLS_KEY_FILE: z.string().optional().describe("its private key, PEM; required in production"),
  MEDVAULT_TLS_CA_FILE: z
    .string()
    .optional()
    .describe(
      "whom it trusts when it calls (services, Postgres, Redis, RabbitMQ); without it, Node's own CAs",
    ),
  NODE_ENV: z
    .enum(["development", "test", "production"])
    .default("production")
    .describe("in production nothing starts that would be plain (README.md, TLS)"),
});

/** What every service with data reads. Extend it: `CommonConfig.extend({ … })`. */
export const CommonConfig = CallingConfig.extend({
  MEDVAULT_TLS_CLIENT_CA_FILE: z
    .string()
    .optional()
    .describe(
      "who may call: a handshake without a certificate of this CA is refused; required in production",
    ),
  HOST: z
    .string()
    .regex(/^[A-Za-z0-9.:_-]{1,255}$/, "must be an address or a host name")
    .default("127.0.0.1")
    .describe("the address that it listens on"),
  PORT: wholeNumber(0, 65_535).describe("the port of its API; 0 takes any"),
  ADMIN_PORT: wholeNumber(0, 65_535).describe("the port of health and metrics, for operators alone"),
  DATABASE_URL: urlOf("postgres", "postgresql").describe(
    "PostgreSQL, as the service's own role; `?prepared_statements=off` behind a pooler that knows none (docs/scaling.md)",
  ),
  AMQP_URL: urlOf("amqp", "amqps").describe("RabbitMQ, as the service's own user"),
  AMQP_NODES: places
    .optional()
    .describe("further nodes of its cluster, as `host:port`, separated by commas; tried in turn"),
  MEDVAULT_KEYS_FILE: z.string().optional().describe("the file of its service key (mode 0600)"),
  MEDVAULT_KEYS: z.string().optional().describe("the content of that file, instead of the file"),
  MEDVAULT_ASSERTION_JWKS_FILE: z
    .string()
    .describe("the gateway's public key: whose assertions are believed"),
  MEDVAULT_INSTANCE: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/, "must be 1 to 64 of A-Z, a-z, 0-9, . _ and -")
    .default("1")
    .describe("tells replicas apart in leases and events"),
  MEDVAULT_PROOF_KEY: z
    .string()
    .min(32)
    .optional()
    .describe("a secret by which its ports prove whose they are; `npm start` makes one for each process"),
  LOG_LEVEL: z
    .enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"])
    .default("info")
    .describe("the least that is logged; `PUT /log-level` on the admin port has it say more for a while"),
  OTEL_EXPORTER_OTLP_ENDPOINT: urlOf("http", "https")
    .optional()
    .describe("a collector of traces (OTLP over HTTP); without it nothing is traced (docs/telemetry.md)"),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe("the share of requests that are traced; the gateway's counts"),
});
export type CommonConfig = z.infer<typeof CommonConfig>;
