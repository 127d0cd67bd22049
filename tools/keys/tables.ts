import { applyPolicy, type SealedTable, type TokenTable } from "@medvault/keys";
import type { ServiceName } from "@medvault/postgres";
import { sealedTables as auth } from "../../services/auth/src/tables.ts";
import { files } from "../../services/files/src/file/file.store.ts";
import { tokenTables } from "../../services/records/src/fhir/token-tables.ts";
import { sealedTables as records } from "../../services/records/src/sealed-tables.ts";
import { UsageError } from "./options.ts";

/** A declared table, and how events call one of its rows. */
export interface ResealTable {
  readonly service: ServiceName;
  readonly table: SealedTable<object>;
  readonly kind: string;
  /** False where the subject may be somebody else than a patient. */
  readonly isOfPatients: boolean;
}

const KINDS: Readonly<Record<string, string>> = {
  patients: "patient",
  medical_records: "record",
  medical_record_versions: "record-version",
  prescriptions: "prescription",
  claims: "claim",
  fhir_resources: "fhir-resource",
  files: "file",
  users: "user",
  passkeys: "passkey",
  sessions: "session",
};

const ALL = [...records, ...auth, files] as unknown as readonly SealedTable<object>[];

/** The declared tables of a service: those whose rows are sealed under their subjects' keys. */
export const tablesOf = (service: ServiceName): readonly SealedTable<object>[] =>
  ALL.filter(({ declaration }) => declaration.service === service);

/** Its tables of keyed tokens, each under the table keys of its name. */
export const tokenTablesOf = (service: ServiceName): readonly TokenTable[] =>
  tokenTables.filter((table) => table.service === service);

export const findTokenTable = (name: string | undefined): TokenTable | undefined =>
  tokenTables.find(({ table }) => table === name);

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
