import { auditEvent } from "@medvault/contracts";
import { emit } from "@medvault/messaging";
import { assertServiceMigrated, inTransaction } from "@medvault/postgres";
import { afterAll, expect, test } from "vitest";
import { createTestDatabase } from "./database.ts";

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
      auditEvent(null, { type: "medvault.records.thing.read.v1", subject: "thing/1", action: "thing:read" }),
    ),
  );
  const { rows } = await pool.query("select position, audience, event->>'source' as source from outbox");
  expect(rows).toEqual([{ position: 1, audience: "audit", source: "/medvault/records" }]);
});
