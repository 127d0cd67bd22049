import { fileURLToPath } from "node:url";
import type { MigrationSource } from "./migration-files.ts";

/** The services with data in Postgres: the schemas `<name>` and `<name>_sys`, one role each. */
export const SERVICES_WITH_DATA = ["auth", "records", "files", "audit", "backup"] as const;
export type ServiceName = (typeof SERVICES_WITH_DATA)[number];

/** Whose tables backup may read: they hold ciphertext (ARCHITECTURE.md, "The processes"). */
export const BACKED_UP_SERVICES: readonly ServiceName[] = ["auth", "records", "files"];

/** Owns every schema; migrations and the restore job use it, no running service does. */
export const OWNER_ROLE = "medvault_owner";

export function roleOf(service: ServiceName): string {
  return `medvault_${service}`;
}

export function sysSchemaOf(service: string): string {
  return `${service}_sys`;
}

const REPOSITORY = new URL("../../../", import.meta.url);

function folder(path: string): string {
  return fileURLToPath(new URL(path, REPOSITORY));
}

/** A service's migrations: its business history, and its sys history with the libs' first. */
export function serviceMigrations(service: ServiceName): {
  business: MigrationSource[];
  sys: MigrationSource[];
} {
  return {
    business: [{ prefix: "", dir: folder(`services/${service}/migrations`) }],
    sys: [
      { prefix: "messaging", dir: folder("libs/messaging/migrations") },
      { prefix: "keys", dir: folder("libs/keys/migrations") },
      { prefix: "runtime", dir: folder("libs/runtime/migrations") },
      { prefix: "sys", dir: folder(`services/${service}/migrations/sys`) },
    ],
  };
}
