import type { Db } from "@medvault/postgres";

/** Who reaches whom in `givenManyRows`, by what is particular about the rows of their patients. */
export const DOCTORS = {
  /** Ten patients. */
  few: "00000001-0000-7000-8000-000000000001",
  /** A tenth of all patients. */
  many: "00000001-0000-7000-8000-000000000002",
  /** As many, without a row. */
  rowless: "00000001-0000-7000-8000-000000000003",
  /** As many, whose rows are all older than anyone else's. */
  old: "00000001-0000-7000-8000-000000000004",
  /** Ten, one of them with very many rows. */
  heavy: "00000001-0000-7000-8000-000000000005",
} as const;

/** How much there is. Of ten patients eight have rows of all times, one has none, one old ones. */
export interface Many {
  readonly patients: number;
  readonly rowsPerPatient: number;
  /** Rows of the one patient who has very many, and versions of one of them. */
  readonly heavyRows: number;
}

export const patientNumbered = (n: number): string =>
  `00000002-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
/** Merged with the patient after. */
export const HEAVY_PATIENT = patientNumbered(2);
export const OTHER_CHART = patientNumbered(3);
/** A row with very many versions. */
export const HEAVY_ROW = "00000003-0000-7000-8000-000000000001";

const ID = (n: string) => `('00000002-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
const BY = `'${DOCTORS.few}'::uuid`;
const BOX = "1, '{}', decode(repeat('00', 100), 'hex')";
// In hours: of years and days Postgres would round the product, so that two could be the same.
const TIME = `case when n % 10 = 9 then timestamptz '2010-01-01' + random() * interval '8760 hours'
                 else timestamptz '2015-01-01' + random() * interval '78840 hours' end`;
const TABLES = {
  prescriptions: [
    "patient_id, prescribed_by, status, start_date, end_date, created_at, updated_at",
    `case when chance < 0.7 then 'active' else 'completed' end, at, at + interval '30 days', at, at`,
  ],
  claims: [
    "patient_id, created_by, status, created_at, updated_at",
    `case when chance < 0.7 then 'draft' else 'paid' end, at, at`,
  ],
  appointments: [
    "patient_id, created_by, doctor_id, status, created_at, updated_at, starts_at, ends_at",
    `('${DOCTORS.few}')::uuid, case when chance < 0.7 then 'booked' else 'fulfilled' end, at, at, at, at + interval '1 microsecond'`,
  ],
  medical_records: ["patient_id, author_id, version, occurred_at, created_at, updated_at", "1, at, at, at"],
} as const;

/**
 * Fills tables by a superuser's connection, straight: through the service it would take hours.
 * Nothing of it opens: it is for what statements read, not for what they answer.
 */
export async function givenManyRows(db: Db, { patients, rowsPerPatient, heavyRows }: Many): Promise<void> {
  const everyone = `generate_series(1, ${patients}) n`;
  // Their ids do not rise with what lists are ordered by.
  const rows = `select gen_random_uuid() as id, ${ID("n")} as patient_id, at, random() as chance from (
      select n, ${TIME} as at from ${everyone}, generate_series(1, ${heavyRows}) i
       where i <= case when n = 2 then ${heavyRows} when n % 10 = 8 then 0 else ${rowsPerPatient} end) x`;
  const panel = (
    doctor: string,
    chosen: string,
  ) => `insert into care_team (patient_id, user_id, added_by, added_at)
      select ${ID("n")}, '${doctor}', '${doctor}', now() from ${everyone} where ${chosen}`;
  const tenth = Math.floor(patients / 10);
  const statements = [
    // Without triggers and foreign keys: there is no search to take it in.
    "set session_replication_role = replica",
    `insert into patients (id, created_by, created_at, updated_at, national_id_token, rev, open, sealed)
      select ${ID("n")}, ${BY}, at, at, decode(md5(n::text), 'hex'), ${BOX} from (select n, ${TIME} as at from ${everyone}) x`,
    `insert into subject_keys (subject_id, wrapped) select id, decode(repeat('00', 102), 'hex') from patients`,
    `insert into patient_identifiers (patient_id, token) select id, national_id_token from patients`,
    ...Object.entries(TABLES).map(
      ([table, [columns, values]]) => `insert into ${table} (id, ${columns}, rev, open, sealed)
      select id, patient_id, ${BY}, ${values}, ${BOX} from (${rows}) y`,
    ),
    `insert into fhir_resources (id, subject_id, created_at, rev, open, sealed)
      select id, patient_id, at, ${BOX} from (${rows}) y`,
    `insert into row_versions (id, patient_id, kind, row_id, version, rev, open, sealed)
      select gen_random_uuid(), ${ID("2")}, 'claim', '${HEAVY_ROW}', v, ${BOX} from generate_series(1, ${heavyRows}) v`,
    // One of ten is merged with the next.
    `insert into patient_merges (from_id, into_id, merged_by, merged_at)
      select ${ID("n")}, ${ID("n - n % 10 + 2")}, ${BY}, now() from ${everyone} where n % 10 in (2, 3)`,
    panel(DOCTORS.few, "n % 10 < 8 and n > 10 order by random() limit 10"),
    panel(DOCTORS.many, `n % 10 < 8 and n > 10 order by random() limit ${tenth}`),
    panel(DOCTORS.rowless, "n % 10 = 8"),
    panel(DOCTORS.old, "n % 10 = 9"),
    panel(DOCTORS.heavy, "n <= 10"),
    "set session_replication_role = origin",
    ...["patients", "subject_keys", "patient_identifiers", "care_team", "patient_merges"].map(vacuum),
    ...[...Object.keys(TABLES), "fhir_resources", "row_versions"].map(vacuum),
  ];
  for (const statement of statements) await db.query(statement);
}

const vacuum = (table: string) => `vacuum analyze ${table}`;
