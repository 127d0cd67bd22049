import { randomBytes } from "node:crypto";
import {
  createPool,
  ddl,
  OWNER_ROLE,
  type PoolOptions,
  provisionRoles,
  roleOf,
  type ServiceName,
} from "@medvault/postgres";
import pg from "pg";
import { testServer } from "./environment.ts";
import { sharedPassword } from "./passwords.ts";
import { cloneTemplate, databaseUrl, ensureTemplate, rolePasswords, withConnection } from "./template.ts";

export interface TestDatabase {
  /** The URL by which the service itself would connect: its own role, its own search path. */
  url(service: ServiceName): string;
  /** The owner role: migrations, the restore job. */
  ownerUrl: string;
  /** A superuser in this database: to damage data and to look at what a role may not see. */
  superuserUrl: string;
  /** A pool as the service makes it; one per service (by the first options), ended by `drop`. */
  pool(service: ServiceName, options?: Pick<PoolOptions, "prepared">): pg.Pool;
  /** Ends the pools and drops the database, connected clients or not. */
  drop(): Promise<void>;
}

const PREFIX = "medvault_test_";
const ORPHAN_AGE_SECONDS = 6 * 3600;

/**
 * A database with the schemas of these services, cloned from a template in some 60 ms. Call it once
 * per test file, and `drop` in afterAll. Throws TestServersMissing.
 */
export async function createTestDatabase(services: readonly ServiceName[]): Promise<TestDatabase> {
  const server = testServer("MEDVAULT_TEST_DATABASE_URL");
  const distinct = [...new Set(services)].sort();
  const database = `${PREFIX}${Math.floor(Date.now() / 1000)}_${randomBytes(5).toString("hex")}`;
  await cloned(server, distinct, database);
  const owner = { name: OWNER_ROLE, password: sharedPassword(server, OWNER_ROLE) };
  const ownerUrl = databaseUrl(server, database, owner);
  await ensurePasswords(server, ownerUrl);
  const pools = new Map<ServiceName, pg.Pool>();
  const url = (service: ServiceName): string =>
    databaseUrl(server, database, { name: roleOf(service), password: sharedPassword(server, service) });
  return {
    url,
    ownerUrl,
    superuserUrl: databaseUrl(server, database),
    pool(service, options = {}) {
      const pool =
        pools.get(service) ??
        createPool({ connectionString: url(service), applicationName: `test ${service}`, ...options });
      pools.set(service, pool);
      return pool;
    },
    async drop() {
      await Promise.all([...pools.values()].map((pool) => pool.end()));
      await withConnection(server.href, async (admin) => {
        await admin.query(ddl("drop database if exists %I with (force)", database));
        await dropOrphans(admin);
      });
    },
  };
}

async function cloned(server: URL, services: readonly ServiceName[], database: string): Promise<void> {
  const NO_SUCH_DATABASE = "3D000";
  try {
    await cloneTemplate(server, await ensureTemplate(server, services), database);
  } catch (error) {
    // Dropped as outdated by another process between the look and the clone.
    if (!(error instanceof pg.DatabaseError) || error.code !== NO_SUCH_DATABASE) throw error;
    await cloneTemplate(server, await ensureTemplate(server, services), database);
  }
}

/** A test (of the set-up, say) may have changed the roles' passwords: restores ours. */
async function ensurePasswords(server: URL, ownerUrl: string): Promise<void> {
  const WRONG_PASSWORD = "28P01";
  try {
    await withConnection(ownerUrl, async () => {});
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== WRONG_PASSWORD) throw error;
    await withConnection(server.href, (admin) => provisionRoles(admin, rolePasswords(server)));
  }
}

/** What killed test runs left behind; the time is in the name. */
async function dropOrphans(admin: pg.Client): Promise<void> {
  const { rows } = await admin.query<{ datname: string }>(
    `select datname from pg_database
      where datname ~ '^medvault_test_[0-9]+_[0-9a-f]+$'
        and split_part(datname, '_', 3)::bigint < extract(epoch from now()) - $1 limit 20`,
    [ORPHAN_AGE_SECONDS],
  );
  for (const { datname } of rows) {
    // Another process may be dropping the same one.
    await admin.query(ddl("drop database if exists %I with (force)", datname)).catch(() => {});
  }
}
