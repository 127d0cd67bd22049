import {
  addressRanges,
  CallingConfig,
  CommonConfig,
  maxUploadBytes,
  RedisConfig,
  tokenIssuer,
  urlOf,
  wholeNumber,
} from "@medvault/service-kit";
import { z } from "zod";
import { originsOf } from "./origins/cors.ts";

const urlOfService = urlOf("http", "https").describe("where that service is");
const limit = wholeNumber(1, 1_000_000_000);

const idleTimeout = wholeNumber(100, 600_000).optional();
const IDLE_TIMEOUT_MS = 30_000;

/** Whether `read` takes a value without throwing. */
const isReadBy = (read: (value: string) => unknown) => (value: string) => {
  try {
    read(value);
    return true;
  } catch {
    return false;
  }
};

/** Addresses or CIDR ranges, separated by commas. */
const ranges = z
  .string()
  .default("")
  .refine(isReadBy(addressRanges), { message: "must be addresses or CIDR ranges, separated by commas" });

export const GatewayConfig = CallingConfig.extend({
  ...CommonConfig.pick({
    HOST: true,
    PORT: true,
    ADMIN_PORT: true,
    AMQP_URL: true,
    AMQP_NODES: true,
    LOG_LEVEL: true,
    OTEL_EXPORTER_OTLP_ENDPOINT: true,
    OTEL_TRACES_SAMPLER_ARG: true,
    MEDVAULT_PROOF_KEY: true,
  }).shape,
  MEDVAULT_TLS_TERMINATED: z
    .stringbool()
    .default(false)
    .describe("`true`: what stands before it ends TLS, and its public port alone is plain"),
  ...RedisConfig.shape,
  MEDVAULT_AUTH_URL: urlOfService,
  MEDVAULT_RECORDS_URL: urlOfService,
  MEDVAULT_FILES_URL: urlOfService,
  MEDVAULT_AUDIT_URL: urlOfService,
  MEDVAULT_BACKUP_URL: urlOfService,
  MEDVAULT_KEYS_FILE: z
    .string()
    .describe('the private key that signs assertions: `{"signing": <Ed25519 JWK>}` (mode 0600)'),
  MEDVAULT_ISSUER: tokenIssuer,
  MEDVAULT_RATE_LIMIT: limit
    .default(600)
    .meta({ description: "requests of one client address", unit: "a minute" }),
  MEDVAULT_LOGIN_RATE: limit
    .default(5)
    .meta({ description: "sign-ins of one client address", unit: "a minute" }),
  MEDVAULT_FORGOT_RATE: limit
    .default(3)
    .meta({ description: "requests for a new password by one client address", unit: "a minute" }),
  MEDVAULT_MAX_UPLOAD_BYTES: maxUploadBytes,
  MEDVAULT_GATEWAY_IDLE_TIMEOUT_MS: idleTimeout.meta({
    description: "how long a body may be idle, in either direction",
    shownDefault: IDLE_TIMEOUT_MS,
  }),
  MEDVAULT_GATEWAY_STANDSTILL_MS: idleTimeout.describe("the former name of MEDVAULT_GATEWAY_IDLE_TIMEOUT_MS"),
  MEDVAULT_PATIENTS_PER_HOUR: limit
    .default(1_000)
    .describe("different patients whom one user may ask for by id in an hour"),
  MEDVAULT_TRUSTED_PROXIES: ranges.describe(
    "whose `X-Forwarded-For` is believed: addresses or CIDR ranges, separated by commas",
  ),
  MEDVAULT_TRUSTED_RANGES: ranges.describe(
    "clinics behind one address, with ten times the limits of an address: addresses or CIDR ranges, by commas",
  ),
  MEDVAULT_CORS_ORIGINS: z
    .string()
    .default("")
    .refine(isReadBy(originsOf), { message: "must be origins (https://host), separated by commas" })
    .describe("origins (`https://console.example`), by commas, whose pages may call the API"),
  MEDVAULT_INSTANCE: CommonConfig.shape.MEDVAULT_INSTANCE.unwrap()
    .default("gateway-1")
    .describe("tells replicas apart in events"),
});
export type GatewayConfig = z.infer<typeof GatewayConfig>;

/** How long a body may be idle, by its setting or the setting's former name. */
export function idleTimeoutOf(config: GatewayConfig): number {
  return config.MEDVAULT_GATEWAY_IDLE_TIMEOUT_MS ?? config.MEDVAULT_GATEWAY_STANDSTILL_MS ?? IDLE_TIMEOUT_MS;
}
