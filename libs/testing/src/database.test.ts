import { auditEvent } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { assertServiceMigrated, ddl, inTransaction } from "@medvault/postgres";
import pg from "pg";
import { afterAll, expect, test } from "vitest";
import { createTestDatabase } from "./database.ts";
import { testServer } from "./environment.ts";
import { ensureTemplate, withConnection } from "./template.ts";

const databases = await Promise.all([createTestDatabase(["records"]), createTestDatabase(["records"])]);
const [database] = databases;
afterAll(async () => {
  await Promise.all(databases.map((each) => each.drop()));
});

test("a clone has the migrations, the grants and the search path of production", async () => {
  const pool = database.pool("records");
  await assertServiceMigrated(pool, "records");
  const { rows } = await pool.query("select current_user as role, current_setting('search_path') as path");
  expect(rows).toEqual([{ role: "medvault_records", path: "records, records_sys" }]);
});

test("an event goes into the outbox of a clone", async () => {
  const pool = database.pool("records");
  await inTransaction(pool, (tx) =>
    emit(
      tx,
      "records",
      auditEvent(null, {
        type: "medvault.records.example.read.v1",
        subject: "example/1",
        action: "example:read",
      }),
    ),
  );
  const { rows } = await pool.query("select position, audience, event->>'source' as source from outbox");
  expect(rows).toEqual([{ position: 1, audience: "audit", source: "/medvault/records" }]);
});

test("a template that several processes want at once is made once", async () => {
  const server = testServer("MEDVAULT_TEST_DATABASE_URL");
  const services = ["audit", "auth"] as const;
  const name = await ensureTemplate(server, services);
  await withConnection(server.href, (admin) => admin.query(ddl("drop database %I", name)));
  expect(await Promise.all([1, 2, 3, 4].map(() => ensureTemplate(server, services)))).toEqual([
    name,
    name,
    name,
    name,
  ]);
  const { rows } = await withConnection(server.href, (admin) =>
    admin.query("select datname from pg_database where datname like $1 order by 1", [`${name}%`]),
  );
  expect(rows).toEqual([{ datname: name }]);
});

test("drop leaves nothing, even while a client is connected", async () => {
  const doomed = await createTestDatabase(["records"]);
  const client = new pg.Client({ connectionString: doomed.superuserUrl });
  client.on("error", () => {});
  await client.connect();
  await doomed.drop();
  await expect(new pg.Client({ connectionString: doomed.ownerUrl }).connect()).rejects.toMatchObject({
    code: "3D000",
  });
});
