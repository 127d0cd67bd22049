import { BACKED_UP_SERVICES, type Db, ddl, sysSchemaOf, type Tx } from "@medvault/postgres";
import type { ExpectedHashes } from "../archive/manifest.store.ts";
import type { LiveKey, LiveKeys } from "./renewal.ts";
import type { Tally } from "./tally.ts";

/** A kept backup whose keyset is to be looked at. */
export interface KeptKeyset extends ExpectedHashes {
  readonly id: string;
  readonly generation: number;
}

// A number that nothing else locks in these databases.
const KEYSETS_LOCK = 7_102_311;
/** A keyset that cannot be renewed, or not wholly, is looked at again this often. */
const AGAIN_MINUTES = 10;

/** Takes the right to change keysets, for this connection. False while another has it. */
export async function lockKeysets(db: Db): Promise<boolean> {
  const { rows } = await db.query<{ got: boolean }>("select pg_try_advisory_lock($1) as got", [KEYSETS_LOCK]);
  return rows[0]?.got === true;
}

export async function unlockKeysets(db: Db): Promise<void> {
  await db.query("select pg_advisory_unlock($1)", [KEYSETS_LOCK]);
}

/** Versions of the services' keys under which nothing may be wrapped any more. */
export async function closedVersions(db: Db): Promise<Map<string, Set<number>>> {
  const closed = new Map<string, Set<number>>();
  for (const service of BACKED_UP_SERVICES) {
    const { rows } = await db.query<{ version: number }>(
      ddl("select version from %I.service_key_versions", sysSchemaOf(service)),
    );
    closed.set(service, new Set(rows.map(({ version }) => version)));
  }
  return closed;
}

/**
 * Complete backups that hold keys under closed versions, whose keyset was never counted, or of
 * whose former keysets something lies there still. Those that were tried in vain are left out for a
 * while, unless `evenIfTried`.
 */
export async function keysetsToRenew(
  db: Db,
  closed: ReadonlyMap<string, ReadonlySet<number>>,
  evenIfTried: boolean,
): Promise<KeptKeyset[]> {
  const pairs = [...closed].flatMap(([service, versions]) =>
    [...versions].map((version) => ({ service, version })),
  );
  const { rows } = await db.query<KeptKeyset>(
    `select b.id, b.manifest_sha256 as "manifestSha256", b.keyset_generation as generation,
            b.keyset_sha256 as "keysetSha256"
       from backups b
      where b.state = 'complete'
        and (not b.keyset_swept
             or ((not b.keyset_surveyed or exists (
                    select from keyset_versions v join unnest($1::text[], $2::bigint[]) as c (service, version) using (service, version)
                     where v.backup_id = b.id))
                 and ($3 or b.keyset_looked_at is null or b.keyset_looked_at < now() - $4 * interval '1 minute'
                      or exists (select from keyset_versions v join unnest($1::text[], $2::bigint[]) as c (service, version) using (service, version)
                                  where v.backup_id = b.id and v.keys > v.stray))))
      order by b.id`,
    [pairs.map(({ service }) => service), pairs.map(({ version }) => version), evenIfTried, AGAIN_MINUTES],
  );
  return rows;
}

/**
 * Puts the next keyset in force. False when it is not the next any more, or during a verification
 * or a restore, which may be reading the one in force.
 */
export async function putKeysetInForce(tx: Tx, kept: KeptKeyset, sha256: string): Promise<boolean> {
  const { rowCount } = await tx.query(
    `update backups set keyset_generation = $2 + 1, keyset_sha256 = $3, keyset_swept = false
      where id = $1 and keyset_generation = $2 and state = 'complete' and verify_state is distinct from 'running'
        and not exists (select from restores where state in ('requested', 'running'))`,
    [kept.id, kept.generation, sha256],
  );
  return rowCount === 1;
}

/** Notes what the keyset in force holds. */
export async function noteTally(tx: Tx, backupId: string, tally: Tally): Promise<void> {
  const counts = tally.all;
  await tx.query("delete from keyset_versions where backup_id = $1", [backupId]);
  await tx.query(
    `insert into keyset_versions (backup_id, service, version, keys, stray)
     select $1, * from unnest($2::text[], $3::bigint[], $4::bigint[], $5::bigint[])`,
    [
      backupId,
      counts.map(({ service }) => service),
      counts.map(({ version }) => version),
      counts.map(({ keys }) => keys),
      counts.map(({ stray }) => stray),
    ],
  );
  await tx.query("update backups set keyset_surveyed = true, keyset_looked_at = now() where id = $1", [
    backupId,
  ]);
}

export async function noteLooked(db: Db, backupId: string): Promise<void> {
  await db.query("update backups set keyset_looked_at = now() where id = $1", [backupId]);
}

export async function noteSwept(db: Db, backupId: string, generation: number): Promise<void> {
  await db.query("update backups set keyset_swept = true where id = $1 and keyset_generation = $2", [
    backupId,
    generation,
  ]);
}

/** The hashes that a complete backup must have; null when there is no such backup. */
export async function hashesOf(db: Db, backupId: string): Promise<ExpectedHashes | null> {
  const { rows } = await db.query<ExpectedHashes>(
    `select manifest_sha256 as "manifestSha256", keyset_sha256 as "keysetSha256"
       from backups where id = $1 and state = 'complete'`,
    [backupId],
  );
  return rows[0] ?? null;
}

/** The services' key tables, by backup's right to read them. */
export function liveKeys(db: Db): LiveKeys {
  return {
    async subjects(service, ids) {
      const { rows } = await db.query<LiveKey & { id: string }>(
        ddl(
          `select subject_id as id, wrapped, (extract(epoch from created_at) * 1000000)::bigint as "createdAtUs"
             from %I.subject_keys where subject_id = any($1::uuid[])`,
          sysSchemaOf(service),
        ),
        [ids],
      );
      return new Map(rows.map((row) => [row.id, row]));
    },
    async shreds(service, ids) {
      const { rows } = await db.query<{ id: string; at: number }>(
        ddl(
          `select subject_id as id, (extract(epoch from shredded_at) * 1000000)::bigint as at
             from %I.shreds where subject_id = any($1::uuid[])`,
          sysSchemaOf(service),
        ),
        [ids],
      );
      return new Map(rows.map((row) => [row.id, row.at]));
    },
    async keys(service) {
      const { rows } = await db.query<LiveKey & { id: string }>(
        ddl(
          `select kind || '/' || name || '/' || version as id, wrapped,
                  (extract(epoch from created_at) * 1000000)::bigint as "createdAtUs"
             from %I.keys where state <> 'destroyed'`,
          sysSchemaOf(service),
        ),
      );
      return new Map(rows.map((row) => [row.id, row]));
    },
  };
}
