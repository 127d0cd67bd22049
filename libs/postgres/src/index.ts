export { connectionOf, TlsModeRefused } from "./connection.ts";
export {
  DatabaseUnavailable,
  isUnavailable,
  TransactionAborted,
  toDatabaseError,
  UnsafeInteger,
} from "./errors.ts";
export { ddl, quoteIdentifier } from "./identifiers.ts";
export { assertMigrated, type MigrateOptions, migrate } from "./migrate.ts";
export { assertServiceMigrated, type MigrateServiceOptions, migrateService } from "./migrate-service.ts";
export {
  MigrationDrift,
  MigrationFailed,
  MigrationInvalid,
  MigrationMissing,
  MigrationOutOfOrder,
} from "./migration.errors.ts";
export { type Migration, type MigrationSource, readMigrations } from "./migration-files.ts";
export { columnTypes, createPool, type PoolOptions } from "./pool.ts";
export {
  grantDatabase,
  provisionDatabase,
  provisionRoles,
  provisionSchemas,
  type RolePasswords,
} from "./provision.ts";
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
