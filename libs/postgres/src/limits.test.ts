import { afterAll, expect, test } from "vitest";
import { connected, provisioned } from "../test/harness.ts";
import { LIMITS_MS, limitsMissing } from "./limits.ts";

const scratch = await provisioned(process.env.MEDVAULT_TEST_DATABASE_URL);
afterAll(() => scratch.drop());

test("threat: behind a pooler that drops what a connection asks for, no statement waits for ever: the roles have the limits, too", async () => {
  const { rows } = await scratch.superuser.query<{ role: string; settings: string[] }>(
    `select r.rolname as role, s.setconfig as settings
       from pg_db_role_setting s join pg_roles r on r.oid = s.setrole join pg_database d on d.oid = s.setdatabase
      where d.datname = current_database() and r.rolname <> 'medvault_owner'`,
  );
  expect(rows.length).toBe(5);
  for (const { role, settings } of rows) {
    const service = role.replace("medvault_", "");
    expect(settings, role).toEqual(
      expect.arrayContaining([
        `search_path=${service}, ${service}_sys`,
        ...Object.entries(LIMITS_MS).map(([name, ms]) => `${name}=${ms}`),
      ]),
    );
  }
});

test("limits that do not apply are found, whoever should have set them", async () => {
  expect(await limitsMissing(scratch.pool())).toEqual([]);
  const bare = await connected(scratch.superuserUrl);
  await bare.query("set statement_timeout = '10s'");
  expect(await limitsMissing(bare)).toEqual(["idle_in_transaction_session_timeout", "lock_timeout"]);
  await bare.end();
});

test("the restore job finds backup's schema without asking for it", async () => {
  const { rows } = await scratch.superuser.query(
    `select setconfig as settings from pg_db_role_setting s join pg_database d on d.oid = s.setdatabase
      where d.datname = current_database() and s.setrole = 'medvault_owner'::regrole`,
  );
  expect(rows).toEqual([{ settings: ["search_path=backup, backup_sys"] }]);
});
