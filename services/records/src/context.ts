import type { Digest } from "@medvault/crypto";
import { type Keyring, LiveIndexes, TokenChain } from "@medvault/keys";
import type { Appender } from "@medvault/messaging";
import type { Db } from "@medvault/postgres";
import type pg from "pg";
import { fhirSources, patientIdentifiers } from "./fhir/token-tables.ts";
import { patients } from "./patients/patient.table.ts";
import type { Patient } from "./patients/patient.ts";
import { prescriptions } from "./prescriptions/prescription.table.ts";
import type { Prescription } from "./prescriptions/prescription.ts";

/** What every use case of this service works with. */
export interface Context {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  /** For the events of what has no transaction of its own. */
  readonly appender: Appender;
  readonly indexes: Indexes;
  /** With which content is hashed before it is signed: the deployment's choice. */
  readonly digest: Digest;
}

/** The blind indexes. A rebuild may change their keys under a running process. */
export interface Indexes {
  readonly patients: LiveIndexes<Patient>;
  readonly prescriptions: LiveIndexes<Prescription>;
  /** Of patients' identifiers, by which an import finds its patient. */
  readonly identifiers: TokenChain;
  /** Of what an import has stored already. */
  readonly sources: TokenChain;
}

/** Opens the index keys, made at first use: once, at boot, so that no transaction waits for another's first use. */
export async function openIndexes(db: Db, keyring: Keyring): Promise<Indexes> {
  return {
    patients: await LiveIndexes.open(db, keyring, patients),
    prescriptions: await LiveIndexes.open(db, keyring, prescriptions),
    identifiers: await TokenChain.open(db, keyring, patientIdentifiers),
    sources: await TokenChain.open(db, keyring, fhirSources),
  };
}
