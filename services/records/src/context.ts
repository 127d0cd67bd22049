import { type IndexKeys, type Keyring, tableKey } from "@medvault/keys";
import type { Appender } from "@medvault/messaging";
import type { Db } from "@medvault/postgres";
import type pg from "pg";
import { patients } from "./patients/patient.table.ts";
import { prescriptions } from "./prescriptions/prescription.table.ts";

/** What every use case of this service works with. */
export interface Context {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  /** For the events of what has no transaction of its own. */
  readonly appender: Appender;
  readonly indexes: Indexes;
}

/** The keys of the blind indexes; they change only by a rebuild. */
export interface Indexes {
  readonly patients: IndexKeys;
  readonly prescriptions: IndexKeys;
  /** Of patients' identifiers, by which an import finds its patient. */
  readonly identifiers: Buffer;
  /** Of what an import has stored already. */
  readonly sources: Buffer;
}

/** Opens the index keys, made at first use: once, at boot, so that no transaction waits for another's first use. */
export async function openIndexes(db: Db, keyring: Keyring): Promise<Indexes> {
  return {
    patients: await patients.indexKeys(db, keyring),
    prescriptions: await prescriptions.indexKeys(db, keyring),
    identifiers: await tableKey(db, keyring, "patient_identifiers"),
    sources: await tableKey(db, keyring, "fhir_sources"),
  };
}
