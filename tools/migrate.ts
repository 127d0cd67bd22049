// Roles, schemas and migrations of every service. Can be run at any time: what is done is left alone.
//   MEDVAULT_SUPERUSER_DATABASE_URL  makes roles and schemas; left out, they must be there already
//   MEDVAULT_OWNER_DATABASE_URL      runs the migrations
//   MEDVAULT_ROLE_PASSWORDS          JSON {owner, auth, records, files, audit, backup}; needed with the superuser only
//   MEDVAULT_TLS_CA_FILE             the CA of a database with sslmode=verify-full, which NODE_ENV=production demands
import { connectionOf, migrateService, provisionDatabase, SERVICES_WITH_DATA } from "@medvault/postgres";
import { CallingConfig, loadConfig, urlOf } from "@medvault/service-kit";
import pg from "pg";
import { z } from "zod";
import { trusted } from "./lib/trust.ts";

const url = urlOf("postgres", "postgresql");
const Settings = CallingConfig.extend({
  MEDVAULT_SUPERUSER_DATABASE_URL: url.optional(),
  MEDVAULT_OWNER_DATABASE_URL: url,
  MEDVAULT_ROLE_PASSWORDS: z.string().default("{}"),
});

async function connected<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    ...connectionOf(url, await trusted()),
    application_name: "medvault-migrate",
  });
  client.on("error", () => {}); // a lost connection fails the query at hand, which says so
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Makes the database that the URL names, when the server has none of that name. */
async function ensureDatabase(url: string): Promise<void> {
  const target = new URL(url);
  const name = decodeURIComponent(target.pathname.slice(1));
  target.pathname = "/postgres";
  await connected(target.href, async (superuser) => {
    const { rowCount } = await superuser.query("select from pg_database where datname = $1", [name]);
    // A name cannot be a parameter; pg quotes it as an identifier.
    if (rowCount === 0) await superuser.query(`create database ${pg.escapeIdentifier(name)}`);
  });
}

async function main(): Promise<void> {
  const { MEDVAULT_SUPERUSER_DATABASE_URL, MEDVAULT_OWNER_DATABASE_URL, MEDVAULT_ROLE_PASSWORDS } =
    loadConfig(Settings, process.env); // npm start sets them, and migrates by itself
  if (MEDVAULT_SUPERUSER_DATABASE_URL) {
    const { owner, ...roles } = JSON.parse(MEDVAULT_ROLE_PASSWORDS) as Record<string, string>;
    if (!owner) throw new Error("MEDVAULT_ROLE_PASSWORDS is missing or names no owner");
    const services = SERVICES_WITH_DATA.map((name) => ({ name, password: roles[name] ?? "" }));
    if (services.some(({ password }) => !password))
      throw new Error("MEDVAULT_ROLE_PASSWORDS lacks a service");
    await ensureDatabase(MEDVAULT_SUPERUSER_DATABASE_URL);
    await connected(MEDVAULT_SUPERUSER_DATABASE_URL, (superuser) =>
      provisionDatabase(superuser, { ownerPassword: owner, services }),
    );
  }
  await connected(MEDVAULT_OWNER_DATABASE_URL, async (client) => {
    for (const name of SERVICES_WITH_DATA) await migrateService(client, name);
  });
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? `${error.name}: ${error.message}` : error);
  process.exitCode = 1;
}
