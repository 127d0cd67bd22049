import type { AccountRole } from "@medvault/contracts";
import type { Db } from "@medvault/postgres";
import { createTestDatabase, readingsBeyond, type TestDatabase, testKeyring } from "@medvault/testing";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { BUSY_USER, givenManyAccounts } from "../../test/many-accounts.ts";
import { listLiveSessions, liveSessionsAfter, markEndedOf } from "../sessions/session.store.ts";
import type { AccountSeals } from "./account.store.ts";
import { findAccounts, listAccounts, listStaff } from "./account-list.store.ts";

const OF_A_PAGE = 500;
const MIDDLE = "0000-7000-8000-000000004000";

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase(["auth"]);
  client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  await client.query("set search_path to auth, auth_sys");
  await givenManyAccounts(client, 30_000);
}, 120_000);
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

const keyring = await testKeyring("auth");
const seals = { keyring } as unknown as AccountSeals;
const limit = 51;

/** Those readings that read more rows than they may. */
const beyond = (what: string, work: (db: Db) => Promise<unknown>) =>
  readingsBeyond(client as unknown as Db, OF_A_PAGE, what, work);

// Of admins there are none, of auditors a few.
const ROLES: readonly (AccountRole | null)[] = [null, "patient", "doctor", "auditor", "admin"];

test("a page of accounts reads few rows, by role and state, and at any depth", async () => {
  const found: string[] = [];
  for (const role of ROLES) {
    for (const disabled of [null, true, false]) {
      for (const before of [null, `00000001-${MIDDLE}`]) {
        const filter = { role, disabled, before, limit };
        found.push(...(await beyond(JSON.stringify(filter), (db) => listAccounts(db, seals, filter))));
      }
    }
  }
  expect(found).toEqual([]);
});

test("a page of the directory reads few rows", async () => {
  const found: string[] = [];
  for (const roles of [["doctor"], ["admin"], ["doctor", "auditor", "admin"]] as AccountRole[][]) {
    for (const ids of [null, [BUSY_USER]]) {
      for (const before of [null, `00000001-${MIDDLE}`]) {
        const filter = { roles, ids, before, limit };
        found.push(...(await beyond(JSON.stringify(filter), (db) => listStaff(db, seals, filter))));
      }
    }
  }
  found.push(...(await beyond("by ids", (db) => findAccounts(db, seals, [BUSY_USER]))));
  expect(found).toEqual([]);
});

test("a page of live sessions reads few rows, of everyone, of a role and of one who has ended many", async () => {
  const found: string[] = [];
  const now = new Date();
  for (const userId of [null, BUSY_USER]) {
    for (const role of ROLES) {
      for (const before of [null, `00000003-${MIDDLE}`]) {
        const filter = { userId, role, before, limit };
        found.push(
          ...(await beyond(JSON.stringify(filter), (db) => listLiveSessions(db, keyring, filter, now))),
        );
      }
    }
  }
  found.push(...(await beyond("all, step by step", (db) => liveSessionsAfter(db, keyring, null, 100, now))));
  const end = (db: Db) => markEndedOf(db as never, BUSY_USER, null, "revoked" as never, now);
  found.push(...(await beyond("end of all of one", end)));
  expect(found).toEqual([]);
});
