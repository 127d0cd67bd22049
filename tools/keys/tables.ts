import * as auth from "@medvault/auth-service/tables";
import * as files from "@medvault/files-service/tables";
import { applyPolicy, type SealedTable, type TokenTable } from "@medvault/keys";
import type { ServiceName } from "@medvault/postgres";
import * as records from "@medvault/records-service/tables";
import { UsageError } from "./options.ts";

/** A declared table, and how events call one of its rows. */
export interface ResealTable {
  readonly service: ServiceName;
  readonly table: SealedTable<object>;
  readonly kind: string;
  /** False where the subject may be somebody else than a patient. */
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
export const tokenTablesOf = (service: ServiceName): readonly TokenTable[] =>
  records.tokenTables.filter((table) => table.service === service);

export const findTokenTable = (name: string | undefined): TokenTable | undefined =>
  records.tokenTables.find(({ table }) => table === name);

/** The table of that name, as declared and as the operator's policy has it. Throws UsageError or PolicyInvalid. */
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
