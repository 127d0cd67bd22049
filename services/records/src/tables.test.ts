import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyPolicy, tokenColumns } from "@medvault/keys";
import { reseal } from "@medvault/keys/operations";
import { createTestDatabase, type TestDatabase, testKeyring } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sealedTables } from "./tables.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase(["records"]);
});
afterAll(() => database?.drop());

test("the list has every table of the service that has boxes, but for the documents made of them", async () => {
  const { rows } = await database.pool("records").query<{ name: string }>(
    `select table_name as name from information_schema.columns
      where table_schema = 'records' and column_name = 'sealed' and table_name <> 'search_documents' order by 1`,
  );
  expect(sealedTables.map(({ declaration }) => declaration.table).sort()).toEqual(
    rows.map(({ name }) => name),
  );
});

test("every declared table can be sealed again: its columns are those of the database", async () => {
  const keyring = await testKeyring("records");
  for (const table of sealedTables) {
    const options = { all: true, onRows: async () => undefined };
    const done = await reseal(database.pool("records"), keyring, table as never, options);
    expect(done, table.declaration.table).toEqual({ resealed: 0, overtaken: 0, refused: [] });
    for (const column of tokenColumns(table.declaration)) {
      const { rowCount } = await database.pool("records").query(
        `select from information_schema.columns
          where table_schema = 'records' and table_name = $1 and column_name = $2 and data_type = 'bytea'`,
        [table.declaration.table, column],
      );
      expect(rowCount, column).toBe(1);
    }
  }
});

test("a policy that would have patients found by their sex, or names a field that is not there, stops the boot with both faults", async () => {
  const folder = await mkdtemp(join(tmpdir(), "medvault-policy-"));
  try {
    const file = join(folder, "policy.json");
    const fields = { sex: { index: "search" }, shoe_size: { store: "open" } };
    await writeFile(file, JSON.stringify({ services: { records: { patients: { fields } } } }));
    await expect(applyPolicy({ file, service: "records", tables: sealedTables })).rejects.toMatchObject({
      code: "policy_invalid",
      faults: [
        "records.patients.sex is in no search: nothing would ask for it",
        "records.patients.shoe_size is not a field",
      ],
    });
  } finally {
    await rm(folder, { recursive: true });
  }
});
