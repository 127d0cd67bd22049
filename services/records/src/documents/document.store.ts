import type { Db, Tx } from "@medvault/postgres";

/** A prescription that was printed. */
export interface PrintedDocument {
  readonly id: string;
  readonly patientId: string;
  readonly prescriptionId: string;
  readonly revision: number;
  readonly madeAt: Date;
}

/** The newest of a prescription are kept; older pages are not found any more. */
const MAX_PER_PRESCRIPTION = 200;

/** Keeps a document of a prescription whose chart the caller locked. */
export async function insertDocument(
  tx: Tx,
  { id, patientId, prescriptionId, revision, madeAt }: PrintedDocument,
  lookup: Buffer,
  box: Buffer,
): Promise<void> {
  await tx.query(
    `insert into prescription_documents (id, patient_id, prescription_id, prescription_rev, made_at, lookup, box)
     values ($1, $2, $3, $4, $5, $6, $7)`,
    [id, patientId, prescriptionId, revision, madeAt, lookup, box],
  );
  await tx.query(
    `delete from prescription_documents where id in (
       select id from prescription_documents where prescription_id = $1
        order by made_at desc, id desc offset ${MAX_PER_PRESCRIPTION})`,
    [prescriptionId],
  );
}

export interface FoundDocument extends PrintedDocument {
  readonly box: Buffer;
  /** As the prescription is now; null where it was deleted. */
  readonly revisionNow: number | null;
  readonly statusNow: string | null;
}

/**
 * The document whose code has this `lookup`: who has the code holds the page, so this asks for no
 * one's reach. Of the prescription it reads only whether it was changed.
 */
export async function findDocument(db: Db, lookup: Buffer): Promise<FoundDocument | undefined> {
  const { rows } = await db.query<FoundDocument>(
    `select d.id, d.patient_id as "patientId", d.prescription_id as "prescriptionId",
            d.prescription_rev as revision, d.made_at as "madeAt", d.box,
            p.rev as "revisionNow", p.status as "statusNow"
       from prescription_documents d left join prescriptions p on p.id = d.prescription_id
      where d.lookup = $1`,
    [lookup],
  );
  return rows[0];
}
