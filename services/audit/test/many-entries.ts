import type { Db } from "@medvault/postgres";

/** Who and what is in `givenManyEntries`, of which all the other entries are few. */
export const BUSY = {
  actorId: "00000001-0000-7000-8000-000000000000",
  patientId: "00000002-0000-7000-8000-000000000000",
} as const;

export const actorNumbered = (n: number): string =>
  `00000001-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;
export const patientNumbered = (n: number): string =>
  `00000002-0000-7000-8000-${n.toString(16).padStart(12, "0")}`;

/**
 * Fills the log by a superuser's connection, straight. Nothing of it is in the tree: it is for what
 * statements read, not for what they answer. Of four entries one is the busy actor's, and of four
 * one is about the busy patient.
 */
export async function givenManyEntries(db: Db, entries: number): Promise<void> {
  const id = (kind: number, n: string) =>
    `('0000000${kind}-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
  const statements = [
    "set session_replication_role = replica",
    `insert into log (idx, id, occurred_at, type, producer, actor_id, actor_role, patient_ids, subject, action, outcome, ip,
                      request_id, leaf, sealed)
     select n, gen_random_uuid(), timestamptz '2026-01-01' + n * interval '1 second',
            case when n % 1000 = 0 then 'medvault.records.claim.paid.v1' else 'medvault.records.patient.read.v1' end, 'records',
            ${id(1, "case when n % 4 = 0 then 0 else n % 500 end")}::text, 'doctor',
            array[${id(2, "case when n % 4 = 1 then 0 else n % 2000 end")}], 'patient/' || n % 2000,
            case when n % 1000 = 0 then 'paid' else 'read' end,
            case when n % 100 = 0 then 'denied' else 'success' end, '192.0.2.' || n % 200, 'request-' || n,
            decode(repeat('00', 32), 'hex'), decode(repeat('00', 100), 'hex')
       from generate_series(0, ${entries - 1}) n`,
    "insert into log_ids select id, idx from log",
    "set session_replication_role = origin",
    "vacuum analyze log, log_ids",
  ];
  for (const statement of statements) await db.query(statement);
}
