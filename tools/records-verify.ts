import { KeysConfig } from "./config.ts";
import { command } from "./lib/command.ts";
import { findInstallation } from "./lib/installation.ts";
import { verifyRows } from "./rows/verify.ts";

await command({
  name: "records:verify",
  help: `Compares every row of records with what the audit log says that it was left as (docs/runbooks/rows.md): finds a row
that was rolled back, deleted, swapped, changed or inserted by other ways than MedVault.

  npm run records:verify

  Reads the whole log and all rows; MedVault must be running, and goes on meanwhile. records does the same by itself
  every ten minutes with what is new in the log, and once a day with all of it.

  Each finding is an event in the log too, medvault.records.row.disagrees.v1, once. What the log cannot say is counted:
  rows from before it said what each was left as, and entries that cannot be read.`,
  options: {},
  settings: KeysConfig,
  isStoppable: true,
  run: ({ settings, output, signal }) => verifyRows(findInstallation(settings), output, signal),
});
