// Which settings the programs of the image read, and which parts of MedVault they call by them.
import { BackupJobConfig } from "@medvault/backup-service/config";
import type { z } from "zod";
import { SCHEMAS } from "../../dev/settings/registry.ts";
import * as tools from "../../tools/config.ts";

/** The settings of each program of the image that manifests may run. */
const READ_BY: Readonly<Record<string, z.ZodObject>> = {
  "services/auth/src/bootstrap.job.ts": SCHEMAS.bootstrap,
  "services/backup/src/backup.job.ts": BackupJobConfig,
  "services/backup/src/restore.job.ts": SCHEMAS.restore,
  "tools/migrate.ts": tools.MigrateConfig,
  "tools/make-keys.ts": tools.MakeKeysConfig,
};

/** Null: no program of ours. */
export function settingsOf(entry: string): z.ZodObject | null {
  const service = /^services\/([a-z]+)\/src\/main\.ts$/.exec(entry)?.[1];
  return service ? (SCHEMAS[service as keyof typeof SCHEMAS] ?? null) : (READ_BY[entry] ?? null);
}

/** Whom a program with such a setting calls: the app's name, and the port of it. */
export function calleeOf(setting: string): { app: string; port: number } | null {
  if (/^(MEDVAULT_(OWNER|SUPERUSER)_)?DATABASE_URL$/.test(setting)) return { app: "postgres", port: 5432 };
  if (setting === "REDIS_URL") return { app: "redis", port: 6379 };
  if (setting === "REDIS_SENTINELS") return { app: "redis", port: 26379 };
  if (setting === "AMQP_URL") return { app: "rabbitmq", port: 5671 };
  const service = /^MEDVAULT_(AUTH|RECORDS|FILES|AUDIT|BACKUP)_URL$/.exec(setting)?.[1];
  return service ? { app: service.toLowerCase(), port: 8080 } : null;
}
