import { availableParallelism } from "node:os";
import { BINDINGS } from "@medvault/contracts";
import { CallingConfig, CommonConfig, finalRotationHours, loadConfig, urlOf } from "@medvault/service-kit";
import { z } from "zod";
import { LOCKOUT } from "./lockout/lockout.ts";
import { LEAST_HASH_COST } from "./passwords/password-hasher.service.ts";

const minutes = z.coerce
  .number()
  .int()
  .min(1)
  .max(60 * 24);
const hours = z.coerce
  .number()
  .int()
  .min(1)
  .max(24 * 30);
const DAY_MS = 24 * 3600_000;
const daySeconds = z.coerce
  .number()
  .int()
  .min(1)
  .max(24 * 3600);
const days = z.coerce.number().int().min(1).max(90);

/** Separated by commas or spaces. */
const origins = z
  .string()
  .transform((text) => text.split(/[\s,]+/).filter(Boolean))
  .pipe(
    z
      .array(z.url({ protocol: /^https?$/ }))
      .min(1)
      .max(10),
  );

const AuthConfig = CommonConfig.extend({
  MEDVAULT_FINAL_ROTATION_AFTER_HOURS: finalRotationHours,
  REDIS_URL: urlOf("redis", "rediss"),
  /** Where mailed links lead. Never taken from a request: a Host header must not choose who gets a token. */
  MEDVAULT_PUBLIC_URL: urlOf("http", "https").default("http://127.0.0.1:8080"),
  /** The domain that passkeys are bound to, and the origins that may ask for them; default: those of the public URL. */
  MEDVAULT_PASSKEY_RP_ID: z
    .string()
    .regex(/^[a-z0-9.-]{1,253}$/, "must be a domain")
    .optional(),
  MEDVAULT_PASSKEY_ORIGINS: origins.optional(),
  /** The operator's field policy, JSON. */
  MEDVAULT_POLICY_FILE: z.string().optional(),
  MEDVAULT_ISSUER: z.string().min(1).max(200).default("medvault"),
  /** Mails go to this server; it wins over the folder. */
  MEDVAULT_SMTP_URL: urlOf("smtp", "smtps")
    .refine((value) => URL.parse(value)?.search === "", { message: "must be a URL without a query" })
    .optional(),
  /** Mails become files here; for demos. */
  MEDVAULT_MAIL_DIR: z.string().optional(),
  MEDVAULT_MAIL_FROM: z
    .string()
    .regex(/^[^\r\n\0]+$/)
    .default("MedVault <no-reply@medvault.invalid>"),
  MEDVAULT_SESSION_IDLE_MINUTES: minutes.default(15),
  MEDVAULT_SESSION_STAFF_HOURS: hours.default(12),
  MEDVAULT_SESSION_PATIENT_DAYS: days.default(7),
  /** A session that is used with another user agent, or from elsewhere, ends, or is told of, or neither. */
  MEDVAULT_SESSION_BIND_AGENT: z.enum(BINDINGS).default("enforce"),
  MEDVAULT_SESSION_BIND_ADDRESS_STAFF: z.enum(BINDINGS).default("enforce"),
  MEDVAULT_SESSION_BIND_ADDRESS_PATIENT: z.enum(BINDINGS).default("watch"),
  /** What a sign-in over a user's limit of sessions does. */
  MEDVAULT_SESSION_LIMIT: z.enum(["end-oldest", "refuse"]).default("end-oldest"),
  /** A MaxMind file (.mmdb, city or country): sessions are shown with their coarse location. */
  MEDVAULT_GEOIP_FILE: z.string().optional(),
  /** Every session ends once a day, when the signing key turns. */
  SESSION_DAILY_RESET: z.stringbool().default(false),
  /** I22: one count per account, per account and address, or both; what `sign-in/lockout.ts` says. */
  MEDVAULT_LOCKOUT_BY: z.enum(["account", "address", "both"]).default(LOCKOUT.by),
  MEDVAULT_LOCKOUT_FAILURES: z.coerce.number().int().min(1).max(100).default(LOCKOUT.max),
  MEDVAULT_LOCKOUT_WINDOW_SECONDS: daySeconds.default(LOCKOUT.windowMs / 1000),
  MEDVAULT_LOCKOUT_SECONDS: daySeconds.default(LOCKOUT.lockMs / 1000),
  /** Each further lock lasts this many times the one before, a day at most; 1: all alike. */
  MEDVAULT_LOCKOUT_GROWTH: z.coerce.number().min(1).max(10).default(LOCKOUT.growth),
  /** How long a device, or an address, stays one that its account has signed in from. */
  MEDVAULT_KNOWN_DEVICE_DAYS: z.coerce
    .number()
    .int()
    .min(1)
    .max(400)
    .default(LOCKOUT.knownMs / DAY_MS),
  /** A registered account waits until the link mailed to its address is used. */
  MEDVAULT_REGISTRATION_CONFIRM: z.stringbool().default(false),
  /** Which passwords are taken. */
  PASSWORD_POLICY: z.enum(["composition", "nist"]).default("composition"),
  /** Passwords that are not taken: words, or sorted SHA-1 hashes. */
  MEDVAULT_PASSWORD_LIST: z.string().optional(),
  /** I22: how long generated tokens and codes are; never under 80 bits. */
  MEDVAULT_TOKEN_BITS: z.coerce.number().int().min(128).max(512).default(256),
  MEDVAULT_RECOVERY_CODE_BITS: z.coerce.number().int().min(80).max(160).default(80),
  /** What a password hash costs; never less than the least. */
  MEDVAULT_ARGON2_MEMORY_KIB: z.coerce
    .number()
    .int()
    .min(LEAST_HASH_COST.memoryKiB)
    .max(4 * 1024 * 1024)
    .default(LEAST_HASH_COST.memoryKiB),
  MEDVAULT_ARGON2_PASSES: z.coerce
    .number()
    .int()
    .min(LEAST_HASH_COST.passes)
    .max(100)
    .default(LEAST_HASH_COST.passes),
  MEDVAULT_ARGON2_LANES: z.coerce
    .number()
    .int()
    .min(LEAST_HASH_COST.lanes)
    .max(16)
    .default(LEAST_HASH_COST.lanes),
  /** argon2id runs at once: 19 MiB and one of libuv's four threads each; one is left for files and names. */
  MEDVAULT_HASHES_AT_ONCE: z.coerce
    .number()
    .int()
    .min(1)
    .max(64)
    .default(Math.min(3, availableParallelism())),
}).refine((config) => config.MEDVAULT_SMTP_URL !== undefined || config.MEDVAULT_MAIL_DIR !== undefined, {
  path: ["MEDVAULT_SMTP_URL"],
  message: "this or MEDVAULT_MAIL_DIR must be set",
});
export type Config = z.infer<typeof AuthConfig>;

/** The service's settings. Throws ConfigError, which names every bad one. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  return loadConfig(AuthConfig, env);
}

const BootstrapConfig = CallingConfig.extend({
  ...CommonConfig.pick({ DATABASE_URL: true, MEDVAULT_KEYS_FILE: true, MEDVAULT_KEYS: true }).shape,
  MEDVAULT_ADMIN_USERNAME: z
    .string()
    .regex(/^[A-Za-z0-9_-]{3,50}$/)
    .default("admin"),
  MEDVAULT_ADMIN_EMAIL: z.email().default("admin@medvault.invalid"),
});
export type BootstrapConfig = z.infer<typeof BootstrapConfig>;

/** What the one-shot bootstrap reads. Throws ConfigError. */
export function readBootstrapConfig(env: NodeJS.ProcessEnv = process.env): BootstrapConfig {
  return loadConfig(BootstrapConfig, env);
}
