import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { ddl } from "../src/identifiers.ts";
import { createPool, type PoolOptions } from "../src/pool.ts";
import { grantDatabase, provisionDatabase, provisionSchemas } from "../src/provision.ts";
import { OWNER_ROLE, roleOf, SERVICES_WITH_DATA, type ServiceName } from "../src/services.ts";

/** The test server's URL. @medvault/testing stands above this lib, whose tests do without it. */
export type ServerUrl = string | undefined;

function parsed(server: ServerUrl): URL {
  if (server === undefined) {
    throw new Error("MEDVAULT_TEST_DATABASE_URL is not set: run `npm test`, which sets it.");
  }
  return new URL(server);
}

export interface Scratch {
  name: string;
  superuserUrl: string;
  url(role: string, password: string): string;
  superuser: pg.Client;
  /** A superuser's pool unless the options say otherwise; ended by `drop`, if not before. */
  pool(options?: Partial<PoolOptions>): pg.Pool;
  drop(): Promise<void>;
}

/** An empty database. */
export async function createScratch(server: ServerUrl): Promise<Scratch> {
  const name = `medvault_test_${Math.floor(Date.now() / 1000)}_${randomBytes(5).toString("hex")}`;
  const admin = await connected(parsed(server).href);
  await admin.query(ddl("create database %I", name));
  const url = parsed(server);
  url.pathname = `/${name}`;
  const superuser = await connected(url.href);
  const pools: pg.Pool[] = [];
  return {
    name,
    superuserUrl: url.href,
    superuser,
    url(role, password) {
      const as = new URL(url);
      as.username = role;
      as.password = password;
      return as.href;
    },
    pool(options) {
      const pool = createPool({ connectionString: url.href, applicationName: "test", ...options });
      pools.push(pool);
      return pool;
    },
    async drop() {
      await Promise.all(pools.filter((pool) => !pool.ended).map((pool) => pool.end()));
      await superuser.end();
      await admin.query(ddl("drop database %I with (force)", name));
      await admin.end();
    },
  };
}

export async function connected(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url });
  client.on("error", () => {});
  await client.connect();
  return client;
}

/**
 * A database with MedVault's schemas and roles. Roles belong to the server and other tests sign in
 * with them, so their passwords stay: tests act by SET ROLE, which has the same privileges.
 */
export async function provisioned(
  server: ServerUrl,
): Promise<Scratch & { as(role: ServiceName | "owner"): Promise<pg.Client> }> {
  const scratch = await createScratch(server);
  const { rows } = await scratch.superuser.query<{ n: number }>(
    "select count(*)::int as n from pg_roles where rolname = $1",
    [OWNER_ROLE],
  );
  if (rows[0]?.n === 1) {
    await provisionSchemas(scratch.superuser);
    await grantDatabase(scratch.superuser);
  } else {
    const password = randomBytes(24).toString("base64url");
    await provisionDatabase(scratch.superuser, {
      ownerPassword: password,
      services: SERVICES_WITH_DATA.map((name) => ({ name, password })),
    });
  }
  const clients: pg.Client[] = [];
  return {
    ...scratch,
    async as(role) {
      const client = await connected(scratch.superuserUrl);
      clients.push(client);
      const name = role === "owner" ? OWNER_ROLE : roleOf(role);
      // session_user too, so that not even RESET ROLE leads back.
      await client.query(ddl("set session authorization %I", name));
      if (role !== "owner") await client.query(ddl("set search_path = %I, %I", role, `${role}_sys`));
      return client;
    },
    async drop() {
      await Promise.all(clients.map((client) => client.end()));
      await scratch.drop();
    },
  };
}

/** A folder of migrations that the test writes itself. */
export async function migrationFolder(files: Record<string, string>): Promise<{
  dir: string;
  write(file: string, sql: string): Promise<void>;
  remove(): Promise<void>;
}> {
  const dir = await mkdtemp(join(tmpdir(), "medvault-migrations-"));
  const write = (file: string, sql: string): Promise<void> => writeFile(join(dir, file), sql);
  for (const [file, sql] of Object.entries(files)) await write(file, sql);
  return { dir, write, remove: () => rm(dir, { recursive: true, force: true }) };
}
