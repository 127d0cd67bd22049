import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { newId } from "@medvault/contracts";
import { createTestDatabase, pendingEvents, type TestDatabase } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runTool } from "./test/harness.ts";

let db: TestDatabase;
let dataDir: string;
beforeAll(async () => {
  db = await createTestDatabase(["audit"]);
  dataDir = await mkdtemp(path.join(tmpdir(), "medvault-parked-"));
  const ops = { postgres: { services: { audit: db.url("audit") } } };
  await writeFile(path.join(dataDir, "ops.json"), JSON.stringify(ops), { mode: 0o600 });
});
afterAll(async () => {
  await rm(dataDir, { recursive: true });
  await db.drop();
});

test("a parked message is listed, and dismissed with an event of it; one that is not there is said to be so", async () => {
  const parked = (...args: string[]) => runTool("parked", args, { MEDVAULT_DATA: dataDir });
  const id = newId();
  const pool = db.pool("audit");
  await pool.query(
    "insert into parked (id, consumer, reason, routing_key, body) values ($1, 'medvault.audit', 'not_json', 'x', '')",
    [id],
  );
  expect((await parked()).out).toContain(`audit ${id}`);
  expect((await parked("forget", "audit", id)).code).toBe(2);
  expect(await parked("dismiss", "audit", id)).toMatchObject({ code: 0 });
  const events = await pendingEvents(pool);
  expect(events.map(({ type, subject }) => [type, subject])).toEqual([
    ["medvault.audit.parked.dismissed.v1", `parked/${id}`],
  ]);
  expect(await parked("dismiss", "audit", id)).toMatchObject({ code: 1 });
  expect((await parked()).out).toContain("No message is parked.");
});
