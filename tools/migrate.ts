import {
  connectionOf,
  isUnavailable,
  migrateService,
  provisionDatabase,
  SERVICES_WITH_DATA,
} from "@medvault/postgres";
import type { TlsSettings } from "@medvault/service-kit";
import pg from "pg";
import { MigrateConfig } from "./config.ts";
import { command } from "./lib/command.ts";
import { DatabaseAway, trusted } from "./lib/installation.ts";

await command({
  name: "migrate",
  help: `Roles, schemas and migrations of every service. Can be run at any time: what is done is left alone.

  npm run migrate            (npm start does it by itself)`,
  options: {},
  settings: MigrateConfig,
  run: async ({ settings }) => {
    const { MEDVAULT_SUPERUSER_DATABASE_URL: superuserUrl, MEDVAULT_OWNER_DATABASE_URL: ownerUrl } = settings;
    if (superuserUrl) {
      const passwords = rolePasswords(settings.MEDVAULT_ROLE_PASSWORDS);
      await ensureDatabase(superuserUrl, settings);
      await connected(superuserUrl, settings, (superuser) => provisionDatabase(superuser, passwords));
    }
    await connected(ownerUrl, settings, async (client) => {
      for (const name of SERVICES_WITH_DATA) await migrateService(client, name);
    });
    return { lines: ["Every service has the schemas of this version."] };
  },
});

function rolePasswords(json: string) {
  const { owner, ...roles } = JSON.parse(json) as Record<string, string>;
  if (!owner) throw new Error("MEDVAULT_ROLE_PASSWORDS is missing or names no owner");
  const services = SERVICES_WITH_DATA.map((name) => ({ name, password: roles[name] ?? "" }));
  if (services.some(({ password }) => !password)) throw new Error("MEDVAULT_ROLE_PASSWORDS lacks a service");
  return { ownerPassword: owner, services };
}

/** Makes the database that the URL names, when the server has none of that name. */
async function ensureDatabase(url: string, tls: TlsSettings): Promise<void> {
  const target = new URL(url);
  const name = decodeURIComponent(target.pathname.slice(1));
  target.pathname = "/postgres";
  await connected(target.href, tls, async (superuser) => {
    const { rowCount } = await superuser.query("select from pg_database where datname = $1", [name]);
    // A name cannot be a parameter; pg quotes it as an identifier.
    if (rowCount === 0) await superuser.query(`create database ${pg.escapeIdentifier(name)}`);
  });
}

async function connected<T>(
  url: string,
  tls: TlsSettings,
  work: (client: pg.Client) => Promise<T>,
): Promise<T> {
  const client = new pg.Client({
    ...connectionOf(url, await trusted(tls)),
    application_name: "medvault-migrate",
  });
  client.on("error", () => {}); // a lost connection fails the query at hand, which says so
  await client.connect().catch((error: unknown) => {
    if (!isUnavailable(error)) throw error;
    throw new DatabaseAway(
      `PostgreSQL does not answer at ${new URL(url).host}: start it, or correct the URL.`,
    );
  });
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}
