import { applyPolicy, type SealedTable } from "@medvault/keys";
import type { ServiceName } from "@medvault/postgres";
import { files } from "../../services/files/src/file/file.store.ts";
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
};

/** The table of that name, as declared and as the operator's policy has it. Throws UsageError or PolicyInvalid. */
export async function findTable(
  name: string | undefined,
  policyFile: string | undefined,
): Promise<ResealTable> {
  const all = [...records, files] as unknown as readonly SealedTable<object>[];
  const table = all.find(({ declaration }) => declaration.table === name);
  if (!table) {
    const names = all.map(({ declaration }) => declaration.table).join(", ");
    throw new UsageError(`${name ? `${name} is no` : "name a"} table with sealed fields: ${names}.`);
  }
  const service = table.declaration.service as ServiceName;
  const tables = all.filter(({ declaration }) => declaration.service === service);
  await applyPolicy({ file: policyFile || undefined, service, tables });
  const { table: tableName, subject } = table.declaration;
  const kind = KINDS[tableName] ?? tableName;
  return { service, table, kind, isOfPatients: subject === "patient_id" || tableName === "patients" };
}
