import pg from "pg";
import { afterAll, expect, test } from "vitest";
import { createScratch } from "../test/harness.ts";
import { openEar } from "./ear.ts";

const scratch = await createScratch(process.env.MEDVAULT_TEST_DATABASE_URL);
afterAll(() => scratch.drop());

const connections = async () =>
  (
    await scratch.superuser.query(
      "select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()",
    )
  ).rowCount;

test("it hears what is notified, until it is closed", async () => {
  let heard = 0;
  const ear = await openEar(scratch.pool(), "news", () => {
    heard += 1;
  });
  await scratch.superuser.query("notify news");
  await expect.poll(() => heard).toBe(1);
  ear.close();
  expect(ear.isOpen()).toBe(false);
  await expect.poll(connections).toBe(0);
});

test("behind a pooler, whose connections are not as was asked, it listens to nothing and keeps no connection", async () => {
  const pooled = new pg.Pool({ connectionString: scratch.superuserUrl });
  const ear = await openEar(pooled, "news", () => {});
  expect(ear.isOpen(), "so that it is not opened again and again").toBe(true);
  await expect.poll(connections).toBe(0);
  ear.close();
  expect(ear.isOpen()).toBe(false);
  await pooled.end();
});
