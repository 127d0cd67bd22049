import { KeysConfig } from "./config.ts";
import { command } from "./lib/command.ts";
import { findInstallation } from "./lib/installation.ts";
import { RESTORABLE, restoreRow } from "./rows/restore.ts";

await command({
  name: "restore-row",
  help: `Puts one damaged or lost row back from a backup; every other row stays as it is (docs/runbooks/damage.md).

  npm run restore-row -- --backup <backup id> --table <table> --row <row id>

  --backup <id>     a backup that is complete; its manifest and the table's part are verified
  --table <table>   ${RESTORABLE.join(", ")}
  --row <id>        as the list shows it, with "damaged": true

  Refused for a row that opens, for one that the backup does not have or that does not open with the present keys,
  and for what was erased, deleted, hidden or given to another account since the backup. The row says again what it
  said in the backup, under a revision of its own, and an event names it, its patient and both revisions.`,
  options: { backup: { type: "string" }, table: { type: "string" }, row: { type: "string" } },
  settings: KeysConfig,
  run: ({ values, settings }) =>
    restoreRow(findInstallation(settings), settings.MEDVAULT_POLICY_FILE, values),
});
