import { BlockList } from "node:net";
import { CallingConfig, loadConfig, urlOf } from "@medvault/service-kit";
import { z } from "zod";
import { addRanges } from "./limits/client-address.ts";
import { originsOf } from "./origins/cors.ts";

const port = z.coerce.number().int().min(0).max(65535);
const http = urlOf("http", "https");
const perMinute = z.coerce.number().int().min(1).max(1_000_000_000);

const idleTimeout = z.coerce.number().int().min(100).max(600_000).optional();
const IDLE_TIMEOUT_MS = 30_000;

function areRanges(value: string): boolean {
  try {
    addRanges(new BlockList(), value);
    return true;
  } catch {
    return false;
  }
}

/** Addresses or CIDR ranges, separated by commas. */
const ranges = z
  .string()
  .default("")
  .refine(areRanges, { message: "must be addresses or CIDR ranges, separated by commas" });

function areOrigins(value: string): boolean {
  try {
    originsOf(value);
    return true;
  } catch {
    return false;
  }
}

const GatewayConfig = CallingConfig.extend({
  /** A proxy in front of the public port terminates TLS; that port alone is plain. */
  MEDVAULT_TLS_TERMINATED: z.stringbool().default(false),
  HOST: z.string().default("127.0.0.1"),
  PORT: port,
  ADMIN_PORT: port,
  AMQP_URL: urlOf("amqp", "amqps"),
  REDIS_URL: urlOf("redis", "rediss"),
  MEDVAULT_AUTH_URL: http,
  MEDVAULT_RECORDS_URL: http,
  MEDVAULT_FILES_URL: http,
  MEDVAULT_AUDIT_URL: http,
  MEDVAULT_BACKUP_URL: http,
  /** The private key that signs assertions: `{"signing": <Ed25519 JWK>}`. */
  MEDVAULT_KEYS_FILE: z.string(),
  MEDVAULT_ISSUER: z.string().default("medvault"),
  MEDVAULT_RATE_LIMIT: perMinute.default(600),
  MEDVAULT_LOGIN_RATE: perMinute.default(5),
  MEDVAULT_MAX_UPLOAD_BYTES: z.coerce
    .number()
    .int()
    .min(1)
    .max(2 ** 40)
    .default(16 * 1024 * 1024),
  /** How long a body may be idle, in either direction. */
  MEDVAULT_GATEWAY_IDLE_TIMEOUT_MS: idleTimeout,
  /** The former name of the same. */
  MEDVAULT_GATEWAY_STANDSTILL_MS: idleTimeout,
  /** How many different patients a user may open in an hour. */
  MEDVAULT_PATIENTS_PER_HOUR: perMinute.default(1_000),
  /** Whose X-Forwarded-For is believed. */
  MEDVAULT_TRUSTED_PROXIES: ranges,
  /** Clinics behind one address: ten times an address's limits. */
  MEDVAULT_TRUSTED_RANGES: ranges,
  /** Origins of pages that may call this API from elsewhere, separated by commas. */
  MEDVAULT_CORS_ORIGINS: z
    .string()
    .default("")
    .refine(areOrigins, { message: "must be origins (https://host), separated by commas" }),
  MEDVAULT_INSTANCE: z
    .string()
    .regex(/^[A-Za-z0-9._-]{1,64}$/)
    .default("gateway-1"),
  LOG_LEVEL: z.enum(["fatal", "error", "warn", "info", "debug", "trace", "silent"]).default("info"),
});
export type GatewayConfig = z.infer<typeof GatewayConfig>;

/** How long a body may be idle, by its setting or the setting's former name. */
export function idleTimeoutOf(config: GatewayConfig): number {
  return config.MEDVAULT_GATEWAY_IDLE_TIMEOUT_MS ?? config.MEDVAULT_GATEWAY_STANDSTILL_MS ?? IDLE_TIMEOUT_MS;
}

/** The gateway's settings. Throws ConfigError, which names every bad one. */
export function readConfig(env: NodeJS.ProcessEnv = process.env): GatewayConfig {
  return loadConfig(GatewayConfig, env);
}
