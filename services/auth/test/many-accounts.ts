import type { Db } from "@medvault/postgres";

/** One who has very many sessions, of which all but a few have ended. */
export const BUSY_USER = "00000001-0000-7000-8000-000000000001";

/**
 * Fills users and sessions by a superuser's connection, straight. Nothing of it opens: it is for
 * what statements read, not for what they answer. Of 200 users one is a doctor, of 5,000 one an
 * auditor, of 1,000 one is disabled; each has two sessions, one of which has ended.
 */
export async function givenManyAccounts(db: Db, users: number): Promise<void> {
  const id = (kind: number, n: string) =>
    `('0000000${kind}-0000-7000-8000-' || lpad(to_hex(${n}), 12, '0'))::uuid`;
  const role = "case when n % 5000 = 0 then 'auditor' when n % 200 = 0 then 'doctor' else 'patient' end";
  const box = "1, '{}', decode(repeat('00', 100), 'hex')";
  const statements = [
    "set session_replication_role = replica",
    `insert into users (id, role, disabled, activated, mfa_enabled, username_token, email_token, created_at, updated_at,
                        rev, open, sealed)
     select ${id(1, "n")}, ${role}, n % 1000 = 1, true, false, decode(md5(n::text), 'hex'), decode(md5('e' || n), 'hex'),
            now(), now(), ${box} from generate_series(1, ${users}) n`,
    "insert into subject_keys (subject_id, wrapped) select id, decode(repeat('00', 102), 'hex') from users",
    `insert into sessions (id, user_id, role, kind, amr, auth_time, created_at, last_seen_at, idle_expires_at,
                           absolute_expires_at, ended_at, end_reason, rev, open, sealed)
     select ${id(3, "n")}, ${id(1, "case when n % 40 = 1 then 1 else (n + 1) / 2 end")}, ${role.replaceAll("n %", "((n + 1) / 2) %")},
            'full', '{pwd}', now(), now(), now(), now() + interval '1 hour', now() + interval '1 day',
            case when n % 2 = 1 then now() end, case when n % 2 = 1 then 'signed_out' end, ${box}
       from generate_series(1, 2 * ${users}) n`,
    "set session_replication_role = origin",
    "vacuum analyze users, subject_keys, sessions",
  ];
  for (const statement of statements) await db.query(statement);
}
