import type { Db } from "@medvault/postgres";

const id = (kind: number, n: string) =>
  `('0000000${kind}-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;

/** Who has very many files; a tenth of them are on one attachment. */
export const BUSY_PATIENT = "00000002-0000-7000-8000-000000000001";
export const BUSY_ATTACHMENT = "claim/00000004-0000-7000-8000-000000000000";
export const FEW_ATTACHMENT = "claim/00000004-0000-7000-8000-000000000005";
export const MIDDLE_FILE = "00000003-0000-7000-8000-000000004000";
export const fewFilesOf = (n: number): string =>
  `00000002-0000-7000-8000-${(n + 1).toString(16).padStart(12, "0")}`;

/**
 * Fills the table by a superuser's connection, straight. Nothing of it opens: it is for what
 * statements read, not for what they answer. A third of the files are one patient's.
 */
export async function givenManyFiles(db: Db, files: number): Promise<void> {
  const statements = [
    `insert into files (id, patient_id, attached_to, content_type, size_bytes, state, uploaded_by, blob, blob_bytes,
                        blob_sha256, rev, open, sealed)
     select ${id(3, "n")}, ${id(2, "case when n % 3 = 0 then 1 else n / 10 end")},
            case when n % 2 = 0 then 'claim/' || ${id(4, "case when n % 30 = 0 then 0 else n / 5 end")} end,
            'image/png', 100, 'stored', ${id(1, "1")}, gen_random_uuid(), 100, repeat('0', 64), 1, '{}',
            decode(repeat('00', 100), 'hex')
       from generate_series(10, ${files}) n`,
    `insert into subject_keys (subject_id, wrapped)
     select distinct patient_id, decode(repeat('00', 102), 'hex') from files`,
    "vacuum analyze files, subject_keys",
  ];
  for (const statement of statements) await db.query(statement);
}
