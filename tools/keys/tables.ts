import * as auth from "@medvault/auth-service/tables";
import * as files from "@medvault/files-service/tables";
import { applyPolicy, type SealedTable, type TokenTable } from "@medvault/keys";
import { type Db, ddl, type ServiceName } from "@medvault/postgres";
import * as records from "@medvault/records-service/tables";
import { UsageError } from "../lib/command.ts";

/** A declared table, and how events call one of its rows. */
export interface ResealTable {
  readonly service: ServiceName;
  readonly table: SealedTable<object>;
  readonly kind: string;
  /** False where the subject may be another person than a patient. */
  readonly isOfPatients: boolean;
}

const ALL = [
  ...records.sealedTables,
  ...auth.sealedTables,
  ...files.sealedTables,
] as unknown as readonly SealedTable<object>[];
const KINDS: Readonly<Record<string, string>> = { ...records.rowKinds, ...auth.rowKinds, ...files.rowKinds };

/** The declared tables of a service: those whose rows are sealed under their subjects' keys. */
export const tablesOf = (service: ServiceName): readonly SealedTable<object>[] =>
  ALL.filter(({ declaration }) => declaration.service === service);

/** Its tables of keyed tokens, each under the table keys of its name. */
const tokenTablesOf = (service: ServiceName): readonly TokenTable[] =>
  records.tokenTables.filter((table) => table.service === service);

export const findTokenTable = (name: string | undefined): TokenTable | undefined =>
  records.tokenTables.find(({ table }) => table === name);

/**
 * The table of that name, as declared and as the operator's policy has it. Throws UsageError or
 * PolicyInvalid.
 */
export async function findTable(
  name: string | undefined,
  policyFile: string | undefined,
): Promise<ResealTable> {
  const table = ALL.find(({ declaration }) => declaration.table === name);
  if (!table) {
    const names = ALL.map(({ declaration }) => declaration.table).join(", ");
    throw new UsageError(`${name ? `${name} is no` : "name a"} table with sealed fields: ${names}.`);
  }
  const service = table.declaration.service as ServiceName;
  await applyPolicy({ file: policyFile || undefined, service, tables: tablesOf(service) });
  const { table: tableName, subject } = table.declaration;
  const kind = KINDS[tableName] ?? tableName;
  return { service, table, kind, isOfPatients: subject === "patient_id" || tableName === "patients" };
}

/** Per version of the service key, how many rows of each table open by keys that it wraps. */
export type RowCounts = ReadonlyMap<number, Readonly<Record<string, number>>>;

/** Reads every sealed table of the service once: about a second a million rows. */
export async function countRows(db: Db, service: ServiceName): Promise<RowCounts> {
  const counts = new Map<number, Record<string, number>>();
  const count = async (table: string, text: string) => {
    const { rows } = await db.query<{ version: Buffer; count: number }>(text);
    for (const { version, count } of rows) {
      const number = version.readUInt32BE(0);
      counts.set(number, { ...counts.get(number), [table]: count });
    }
  };
  for (const { declaration } of tablesOf(service)) {
    const { table, subject } = declaration;
    const text =
      "select substring(k.wrapped from 3 for 4) as version, count(*) as count from %I t join subject_keys k on k.subject_id = t.%I group by 1";
    await count(table, ddl(text, table, subject));
  }
  for (const { table } of tokenTablesOf(service)) {
    const text = `select substring(k.wrapped from 3 for 4) as version, (select count(*) from %I) as count
                    from keys k where k.kind = 'table' and k.name = %L and k.state = 'active'`;
    await count(table, ddl(text, table, table));
  }
  return counts;
}
