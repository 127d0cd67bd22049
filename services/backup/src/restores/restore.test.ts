import { CloudEvent } from "@medvault/contracts";
import { expect, test } from "vitest";
import { restoredEvent } from "./restore.events.ts";
import { lastMigration, loadOrder, schemasOf } from "./restore.ts";

const known = ["0001_a.sql", "0002_b.sql", "0003_c.sql"].map((name, i) => ({
  name,
  prefix: "",
  number: i + 1,
  sql: "",
  checksum: `sum-${name}`,
}));
const applied = (...names: string[]) => names.map((name) => ({ name, checksum: `sum-${name}` }));

test("a restore begins at the backup's last migration, older or the same", () => {
  expect(lastMigration(applied("0001_a.sql"), known)).toBe("0001_a.sql");
  expect(lastMigration(applied("0001_a.sql", "0002_b.sql", "0003_c.sql"), known)).toBe("0003_c.sql");
});

test.each([
  [
    "a newer version's backup",
    applied("0001_a.sql", "0002_b.sql", "0003_c.sql", "0004_d.sql"),
    "backup_newer_than_code",
  ],
  ["a migration that was changed since", [{ name: "0001_a.sql", checksum: "other" }], "migrations_differ"],
  ["a gap", applied("0001_a.sql", "0003_c.sql"), "migrations_differ"],
  ["no migration at all", [], "migrations_differ"],
])("%s is refused", (_, migrations, reason) => {
  expect(() => lastMigration(migrations, known)).toThrow(expect.objectContaining({ reason }));
});

test("tables are loaded after those that they refer to", () => {
  const order = loadOrder(
    ["claims", "patients", "versions", "records"],
    [
      { table: "claims", refersTo: "patients" },
      { table: "records", refersTo: "patients" },
      { table: "versions", refersTo: "records" },
      { table: "records", refersTo: "records" },
    ],
  );
  expect(order).toEqual(["patients", "claims", "records", "versions"]);
});

test("tables that refer to each other in a circle are no order, and the restore stops", () => {
  const references = [
    { table: "a", refersTo: "b" },
    { table: "b", refersTo: "a" },
  ];
  expect(() => loadOrder(["a", "b"], references)).toThrow(
    expect.objectContaining({ reason: "tables_in_a_circle" }),
  );
});

test("the job's event names who asked, under the id of their request, and fits contracts", () => {
  const task = {
    id: "01890a5d-ac96-774b-bcce-b302099a8057",
    n: 3,
    backupId: "01890a5d-ac96-774b-bcce-b302099a8058",
    kind: "restore" as const,
    withoutSafetyBackup: false,
    requestedBy: "01890a5d-ac96-774b-bcce-b302099a8059",
    requestedRole: "admin",
    requestId: "req-1",
    traceparent: null,
  };
  const event = restoredEvent(task, { rows: 5 });
  expect(event).toMatchObject({ requestId: "req-1", data: { actor: { id: task.requestedBy }, from: null } });
  expect(CloudEvent.shape.data.parse(event.data)).toBeTruthy();
  expect(schemasOf("records", 3)).toEqual({
    scratch: "records_restore_3",
    old: "records_old_3",
    keys: "records_keys_3",
  });
});
