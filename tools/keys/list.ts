import { countWrapped, keyIdIn, readKeyFile, type WrappedCounts } from "@medvault/keys/operations";
import type { ServiceName } from "@medvault/postgres";
import type { Outcome } from "../lib/command.ts";
import type { Installation } from "../lib/installation.ts";
import { archiveCounts } from "./archives.ts";
import { countRows, type RowCounts } from "./tables.ts";
import { keysFileOf, recordIn, withPlace } from "./work.ts";

const DAY_MS = 86_400_000;
const NOTHING: WrappedCounts = { subject: 0, answer: 0, table: 0, index: 0, signing: 0 };

export interface ListedVersion extends WrappedCounts {
  readonly service: string;
  readonly version: number;
  /** `missing`: keys are wrapped by it, and the key file does not know it. */
  readonly state: "active" | "retired" | "destroyed" | "missing";
  /** Which key it is; null where it is in Vault or gone. */
  readonly keyId: string | null;
  readonly createdAt: string | null;
  readonly ageDays: number | null;
  readonly archives: number;
}

/** Every version of the services' keys, and how many keys each wraps. */
export async function listVersions(
  installation: Installation,
  services: readonly ServiceName[],
): Promise<ListedVersion[]> {
  const listed: ListedVersion[] = [];
  for (const service of services) {
    const { document } = readKeyFile(keysFileOf(installation, service), service);
    const counts = await withPlace(installation, service, ({ pool }) => countWrapped(pool));
    const archives = service === "backup" ? archiveCounts(installation) : new Map<number, number>();
    const known = new Map(document.versions.map((entry) => [entry.version, entry]));
    const numbers = new Set([...known.keys(), ...counts.keys(), ...archives.keys()]);
    for (const version of [...numbers].sort((a, b) => a - b)) {
      const entry = known.get(version);
      listed.push({
        service,
        version,
        state: entry?.state ?? "missing",
        keyId: entry ? keyIdIn(entry) : null,
        createdAt: entry?.createdAt ?? null,
        ageDays: entry ? Math.floor((Date.now() - Date.parse(entry.createdAt)) / DAY_MS) : null,
        ...(counts.get(version) ?? NOTHING),
        archives: archives.get(version) ?? 0,
      });
    }
  }
  return listed;
}

/** `keys list [service]` */
export async function list(installation: Installation, services: readonly ServiceName[]): Promise<Outcome> {
  const rowsUnder = new Map<string, RowCounts>();
  for (const service of services) {
    rowsUnder.set(service, await withPlace(installation, service, ({ pool }) => countRows(pool, service)));
  }
  const versions = (await listVersions(installation, services)).map((listed) => ({
    ...listed,
    rows: rowsUnder.get(listed.service)?.get(listed.version) ?? {},
  }));
  for (const service of services) {
    const count = versions.filter((listed) => listed.service === service).length;
    await recordIn(installation, service, "list", { versions: count });
  }
  const header = [
    "service",
    "version",
    "state",
    "age",
    "subject",
    "answer",
    "table",
    "index",
    "signing",
    "archives",
    "rows",
    "key",
  ];
  const lines = versions.map((v) => [
    v.service,
    String(v.version),
    v.state,
    v.ageDays === null ? "" : `${v.ageDays} d`,
    ...[v.subject, v.answer, v.table, v.index, v.signing, v.archives].map(String),
    String(Object.values(v.rows).reduce((sum, count) => sum + count, 0)),
    v.keyId ?? "",
  ]);
  return { lines: aligned([header, ...lines]), result: { versions } };
}

function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
