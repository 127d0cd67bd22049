import { text } from "node:stream/consumers";
import { createPool } from "@medvault/postgres";
import { createTestDatabase } from "@medvault/testing";
import { expect, onTestFinished, test } from "vitest";
import { startCopy } from "./snapshot.store.ts";

const BACKUPS = { kind: "table" as const, schema: "backup", table: "backups", columns: ["id"] };

test("threat: a restore keeps all later ones waiting: a copied table leaves no timer behind that would keep its job alive", async () => {
  const database = await createTestDatabase(["backup"]);
  onTestFinished(() => database.drop());
  const pool = createPool({ connectionString: database.superuserUrl, applicationName: "copy" });
  const client = await pool.connect();
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === "Timeout").length;
  await client.query("select 1");
  const before = timers();
  for (let i = 0; i < 5; i++) {
    await text(startCopy(client, BACKUPS));
  }
  await new Promise((resolve) => setImmediate(resolve)); // after the streams have closed
  expect(timers()).toBeLessThanOrEqual(before);
  client.release();
  await pool.end();
});
