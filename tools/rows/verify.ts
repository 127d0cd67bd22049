import { hasEvent, openRowEvents } from "@medvault/audit-service/row-events";
import { type CheckedRows, checkByCommand } from "@medvault/records-service/row-check";
import { declaredTables } from "@medvault/records-service/tables";
import { withKeyring } from "../keys/work.ts";
import type { Outcome, Output } from "../lib/command.ts";
import type { Installation } from "../lib/installation.ts";

const SAYS = {
  rolled_back: "was rolled back",
  deleted: "was deleted, not by MedVault",
  swapped: "holds what was written as another row or revision",
  unknown_row: "was inserted, not by MedVault, or was deleted before",
  changed: "was changed, not by MedVault",
  list_lost: "the list of what an import or a restore left is gone or was changed",
} as const;

/** `records:verify` */
export function verifyRows(
  installation: Installation,
  output: Output,
  signal: AbortSignal,
): Promise<Outcome> {
  return withKeyring(installation, "audit", async (audit, auditKeys) => {
    const pages = await openRowEvents(audit.pool, auditKeys);
    return withKeyring(installation, "records", async ({ pool }, keyring) => {
      const checked = await checkByCommand({
        ...{ pool, keyring, signal, pages, tables: declaredTables },
        isLogged: (id) => hasEvent(audit.pool, id),
        onProgress: (what, done, of) => output.progress(`${what} read`, done, of),
      });
      return { lines: linesOf(checked), result: checked, ok: checked.disagreeing === 0 };
    });
  });
}

function linesOf(checked: CheckedRows): string[] {
  const { rows, entries, findings, disagreeing } = checked;
  const revision = (of: number | null) => (of === null ? "none" : `revision ${of}`);
  const found = findings.map(
    ({ kind, id, what, expectedRev, foundRev }) =>
      `${kind}/${id} ${SAYS[what]}: the log says ${revision(expectedRev)}, there is ${revision(foundRev)}`,
  );
  const more = disagreeing > findings.length ? [`and ${disagreeing - findings.length} more.`] : [];
  const verdict =
    disagreeing === 0
      ? `${rows} rows are what the ${entries} entries of the audit log say.`
      : `${disagreeing} of ${rows} rows are not what the audit log says: docs/runbooks/rows.md says what to do.`;
  return [...found, ...more, ...unsaid(checked), verdict];
}

/** What the log could not say. */
function unsaid({ adopted, busy, missingEntries, unlistedImports, unlistedRestores }: CheckedRows): string[] {
  const counts: [number, string][] = [
    [adopted, "rows from before the log said what each was left as: watched from now on as they are"],
    [missingEntries, "entries of the log cannot be read (dropped by retention, or damaged)"],
    [unlistedImports, "imports from before their rows were listed"],
    [unlistedRestores, "restores from before their rows were listed"],
    [busy, "rows were written all the time: run it again for them"],
  ];
  return counts.flatMap(([count, says]) => (count > 0 ? [`not said by the log: ${count} ${says}`] : []));
}
