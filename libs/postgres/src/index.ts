export { connectionOf } from "./connection.ts";
export { withDeadline, withoutDeadline } from "./deadline.ts";
export { type Ear, openEar } from "./ear.ts";
export {
  DatabaseUnavailable,
  isUnavailable,
  Outdated,
  RestoreInProgress,
  TransactionAborted,
  toDatabaseError,
  UnsafeInteger,
} from "./errors.ts";
export { ddl } from "./identifiers.ts";
export { migrate } from "./migrate.ts";
export { assertServiceMigrated, migrateService } from "./migrate-service.ts";
export { MigrationMissing } from "./migration.errors.ts";
export { type Migration, readMigrations } from "./migration-files.ts";
export { createPool, type PoolOptions } from "./pool.ts";
export { isPlannedOnce, PLANNED_EACH_TIME } from "./prepared.ts";
export { grantDatabase, provisionDatabase, provisionRoles, type RolePasswords } from "./provision.ts";
export { createReader, createReplicaPool } from "./reader.ts";
export { probeDatabase } from "./room.ts";
export {
  BACKED_UP_SERVICES,
  OWNER_ROLE,
  roleOf,
  SERVICES_WITH_DATA,
  type ServiceName,
  serviceMigrations,
  sysSchemaOf,
} from "./services.ts";
export { afterCommit, inTransaction, withClient } from "./transaction.ts";
export type { Db, Tx } from "./types.ts";
