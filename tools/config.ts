import { AuditConfig } from "@medvault/audit-service/config";
import { SERVICES_WITH_DATA, type ServiceName } from "@medvault/postgres";
import { CallingConfig, policyFile, urlOf } from "@medvault/service-kit";
import { z } from "zod";

const postgres = urlOf("postgres", "postgresql");

const dataDir = z
  .string()
  .default(".data")
  .describe("the data directory of `npm start`, whose ops.json says where everything is");

/** Of tools that reach services' databases. */
export const DatabaseConfig = CallingConfig.omit({ NODE_ENV: true }).extend({
  MEDVAULT_DATA: dataDir,
  ...(Object.fromEntries(
    SERVICES_WITH_DATA.map((service) => [
      databaseSetting(service),
      postgres.optional().describe(`PostgreSQL, as the role of ${service}, instead of what ops.json says`),
    ]),
  ) as Record<`MEDVAULT_${Uppercase<ServiceName>}_DATABASE_URL`, z.ZodOptional<typeof postgres>>),
});
export type DatabaseConfig = z.infer<typeof DatabaseConfig>;

/** The setting that names a service's database. */
export function databaseSetting(service: ServiceName): `MEDVAULT_${Uppercase<ServiceName>}_DATABASE_URL` {
  return `MEDVAULT_${service.toUpperCase() as Uppercase<ServiceName>}_DATABASE_URL`;
}

/** Of `keys`. */
export const KeysConfig = DatabaseConfig.extend({
  MEDVAULT_KEYS_DIR: z.string().optional().describe("where the key files are, instead of what ops.json says"),
  MEDVAULT_BACKUPS_DIR: z.string().optional().describe("where backups lie, instead of what ops.json says"),
  MEDVAULT_POLICY_FILE: policyFile,
});
export type KeysConfig = z.infer<typeof KeysConfig>;

/** Of `audit-heal`. */
export const AuditHealConfig = KeysConfig.omit({ MEDVAULT_POLICY_FILE: true }).extend({
  MEDVAULT_OWNER_DATABASE_URL: postgres
    .optional()
    .describe("PostgreSQL, as the role that owns the schemas, instead of what ops.json says"),
  MEDVAULT_AUDIT_DIR: z
    .string()
    .optional()
    .describe("the audit log's store outside Postgres, instead of what ops.json says"),
  MEDVAULT_AUDIT_ORIGIN: AuditConfig.shape.MEDVAULT_AUDIT_ORIGIN,
});

/** Of tools that sign in at the gateway. */
export const GatewayConfig = z.object({
  MEDVAULT_DATA: dataDir,
  MEDVAULT_GATEWAY_URL: urlOf("http", "https").optional().meta({
    description: "the gateway to sign in at",
    shownDefault: "that of ops.json, else `http://127.0.0.1:8080`",
  }),
  MEDVAULT_TOKEN: z.string().optional().describe("an access token, instead of signing in"),
  MEDVAULT_PASSWORD: z.string().optional().describe("the password to sign in with; left out, you are asked"),
  MEDVAULT_TOTP_SECRET: z
    .string()
    .optional()
    .describe("the TOTP secret (base32) that makes the second factor's codes; left out, you are asked"),
});
export type GatewayConfig = z.infer<typeof GatewayConfig>;

/** Of `token`, which asks for passwords. */
export const TokenConfig = GatewayConfig.pick({ MEDVAULT_DATA: true, MEDVAULT_GATEWAY_URL: true });

/** Of `make-keys`. In production it connects with TLS alone. */
export const MakeKeysConfig = CallingConfig.extend({
  MEDVAULT_OWNER_DATABASE_URL: postgres
    .optional()
    .describe(
      "PostgreSQL, as the role that owns the schemas: a key is made only where nothing lies under one",
    ),
});
export type MakeKeysConfig = z.infer<typeof MakeKeysConfig>;

/** Of `make-secrets`. */
export const MakeSecretsConfig = z.object({
  MEDVAULT_PUBLIC_URL: urlOf("https")
    .default("https://localhost:8443")
    .describe("where users reach the gateway: its certificate is for that host"),
});

/** Of `migrate`. In production it connects with TLS alone. */
export const MigrateConfig = CallingConfig.extend({
  MEDVAULT_SUPERUSER_DATABASE_URL: postgres
    .optional()
    .describe("PostgreSQL, as superuser: makes database, roles and schemas; left out, they must be there"),
  MEDVAULT_OWNER_DATABASE_URL: postgres.describe("PostgreSQL, as the role that owns the schemas"),
  MEDVAULT_ROLE_PASSWORDS: z
    .string()
    .default("{}")
    .describe("JSON {owner, auth, records, files, audit, backup}, with a superuser: the roles' passwords"),
});
