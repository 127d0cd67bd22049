import { existsSync, statSync } from "node:fs";
import path from "node:path";
import { KeysError, VaultRefused } from "@medvault/keys";
import {
  FINAL_WITHIN_MS,
  heldUpBy,
  openShreds,
  readKeyFile,
  TransitFault,
  tokenLife,
} from "@medvault/keys/operations";
import { type Db, ddl, type ServiceName } from "@medvault/postgres";
import { readAssertionKey } from "@medvault/service-kit";
import type { Outcome } from "../lib/command.ts";
import { DatabaseAway, type Installation } from "../lib/installation.ts";
import { keyFileIn, keyOwnersIn } from "../lib/key-files.ts";
import { type ListedVersion, listVersions } from "./list.ts";
import { openingFindings } from "./opening.ts";
import { keysDirOf, keysFileOf, recordIn, withPlace } from "./work.ts";

// Random nonces of 96 bits under one key: 2^32 at most (NIST SP 800-38D, 8.3); this leaves time to
// act.
const NONCE_BUDGET = 2 ** 30;
const REWRAP_DUE_DAYS = 1;

export interface Finding {
  readonly service: string;
  readonly check:
    | "key_file"
    | "keys"
    | "rows"
    | "archives"
    | "folder"
    | "rotation"
    | "rewrap"
    | "lost"
    | "nonces"
    | "index"
    | "shreds"
    | "vault"
    | "shares"
    | "database";
  readonly says: string;
}

/** `keys doctor`: exit code 1 when it finds something. */
export async function doctor(
  installation: Installation,
  services: readonly ServiceName[],
  maxAgeDays: number,
): Promise<Outcome> {
  const keysDir = keysDirOf(installation);
  const findings: Finding[] = [...folderFindings(keysDir), ...(await gatewayFindings(keysDir))];
  for (const service of services) findings.push(...(await lookAt(installation, service, maxAgeDays)));
  const lines = findings.map(({ service, says }) => `✗ ${service}: ${says}`);
  return {
    lines: lines.length > 0 ? lines : [`✓ Nothing to put right in ${services.join(", ")}.`],
    result: { findings },
    ok: findings.length === 0,
  };
}

/** Without the file, or the database, nothing else can be looked at. */
async function lookAt(
  installation: Installation,
  service: ServiceName,
  maxAgeDays: number,
): Promise<Finding[]> {
  const file = fileFinding(installation, service);
  if (file) return [file];
  try {
    const found = await serviceFindings(installation, service, maxAgeDays);
    await recordIn(installation, service, "doctor", { findings: found.length });
    return found;
  } catch (error) {
    if (!(error instanceof DatabaseAway)) throw error;
    return [{ service, check: "database", says: error.message }];
  }
}

/** Its file may be elsewhere, on the gateway's own machine. */
async function gatewayFindings(keysDir: string): Promise<Finding[]> {
  const file = keyFileIn(keysDir, "gateway");
  if (!existsSync(file)) return [];
  try {
    await readAssertionKey(file);
    return [];
  } catch (error) {
    return [{ service: "gateway", check: "key_file", says: (error as Error).message }];
  }
}

/** The folder, and those of single key files. */
function folderFindings(keysDir: string): Finding[] {
  const folders = [keysDir, ...keyOwnersIn(keysDir).map((owner) => path.dirname(keyFileIn(keysDir, owner)))];
  return [...new Set(folders)].flatMap((folder) => {
    const stats = statSync(folder, { throwIfNoEntry: false });
    if (stats && (stats.mode & 0o022) === 0) return [];
    const says = stats
      ? `others may write into ${folder} and so replace key files; chmod 700 it.`
      : `${folder} is not there.`;
    return [{ service: "all", check: "folder", says }];
  });
}

function fileFinding(installation: Installation, service: ServiceName): Finding | null {
  try {
    readKeyFile(keysFileOf(installation, service), service);
    return null;
  } catch (error) {
    if (!(error instanceof KeysError)) throw error;
    return { service, check: "key_file", says: error.message };
  }
}

async function serviceFindings(
  installation: Installation,
  service: ServiceName,
  maxAgeDays: number,
): Promise<Finding[]> {
  const versions = await listVersions(installation, [service]);
  const found = versions.flatMap((version) => versionFindings(version, maxAgeDays));
  const others = await withPlace(installation, service, async ({ pool, keysFile }) => [
    ...(await openingFindings(installation, service, { pool, keysFile })),
    ...(await nonceFindings(pool, service)),
    ...(await indexFindings(pool, service)),
    ...(await shredFindings(pool, service)),
  ]);
  return [
    ...found,
    ...others,
    ...shareFindings(installation, service),
    ...(await vaultFindings(installation, service)),
  ];
}

/** A key that waits to be put in place is of a rebuild that was stopped. */
async function indexFindings(db: Db, service: ServiceName): Promise<Finding[]> {
  const { rows } = await db.query<{ name: string }>(
    `select distinct name from keys k where kind = 'index' and state = 'retired' and exists (
       select from keys a where a.kind = 'index' and a.name = k.name and a.state = 'active' and a.version < k.version)
      order by name`,
  );
  return rows.map(({ name }) => {
    const table = name.split(".", 1)[0];
    return { service, check: "index", says: `the index ${name} is half rebuilt: keys reindex ${table}.` };
  });
}

// What keeps a service from making its shreds final by itself, and what helps.
const HELD_UP: Readonly<Record<string, string>> = {
  keys_not_writable: "it cannot write its keys; rotate where they are kept (docs/runbooks/keys.md)",
  switched_off: "MEDVAULT_FINAL_ROTATION_AFTER_HOURS is off",
  keys_do_not_open: "some keys do not open; restore or delete those",
  vault_refused: "Vault refuses; the service's token needs update on datakey/wrapped",
  backups_need_version: "kept backups hold keys that cannot be renewed; restore or delete those backups",
  grace: "it is under way",
};

/** Shreds that should be final by now, and are not: old dumps still open with the keys of today. */
async function shredFindings(db: Db, service: ServiceName): Promise<Finding[]> {
  const overdue = await openShreds(db, new Date(Date.now() - FINAL_WITHIN_MS));
  if (!overdue) return [];
  const reason = await heldUpBy(db);
  const why = reason ? (HELD_UP[reason] ?? reason) : "is the service running?";
  const says = `${overdue.count} shreds are older than 24 h and not final (${why}): rotate ${service} --final.`;
  return [{ service, check: "shreds", says }];
}

/**
 * Shares of before the last rotation, which a service may have made by itself, give back a file
 * without the active key.
 */
function shareFindings(installation: Installation, service: ServiceName): Finding[] {
  const { document } = readKeyFile(keysFileOf(installation, service), service);
  const { escrowedVersion: escrowed, versions } = document;
  const active = versions.find(({ state }) => state === "active")?.version ?? 0;
  if (escrowed === undefined || escrowed >= active) return [];
  const says = `shares hold version ${escrowed}, and ${active} is active: escrow again, destroy the old shares.`;
  return [{ service, check: "shares", says }];
}

// What keeps a token fresh renews it at two thirds of its life: with a tenth left nobody does.
const TOKEN_LIFE_LEFT = 0.1;

/** A token that ends stops the next start and the next rotation, not the running service. */
async function vaultFindings(installation: Installation, service: ServiceName): Promise<Finding[]> {
  const { vault } = readKeyFile(keysFileOf(installation, service), service).document;
  if (!vault) return [];
  try {
    const { ttlSeconds, creationTtlSeconds } = await tokenLife(vault);
    if (ttlSeconds === 0 || ttlSeconds > creationTtlSeconds * TOKEN_LIFE_LEFT) return [];
    const says = `the Vault token expires in ${Math.ceil(ttlSeconds / 3_600)} h: renew it, or have an agent do so.`;
    return [{ service, check: "vault", says }];
  } catch (error) {
    if (!(error instanceof TransitFault)) throw error;
    return [{ service, check: "vault", says: new VaultRefused(error.status).message }];
  }
}

function versionFindings(v: ListedVersion, maxAgeDays: number): Finding[] {
  const { service, version, state, ageDays } = v;
  const keys = v.subject + v.table + v.index + v.signing + v.archives;
  if ((state === "missing" || state === "destroyed") && keys > 0) {
    const why = state === "missing" ? "which the key file does not know" : "which was destroyed";
    return [{ service, check: "lost", says: `${keys} keys are wrapped by version ${version}, ${why}.` }];
  }
  if (state === "active" && (ageDays ?? 0) > maxAgeDays) {
    const says = `version ${version} is ${ageDays} days old: rotate it.`;
    return [{ service, check: "rotation", says }];
  }
  if (state === "retired" && keys > 0 && (ageDays ?? 0) >= REWRAP_DUE_DAYS) {
    return [{ service, check: "rewrap", says: `${keys} keys are still under version ${version}: rewrap.` }];
  }
  return [];
}

/**
 * A row's key seals that row alone, once for each revision, so `rev` bounds its nonces. Wrapping
 * keys are of one context (a subject, a name) each and used once for each version of the service
 * key: never near a limit.
 */
async function nonceFindings(db: Db, service: ServiceName): Promise<Finding[]> {
  const { rows: tables } = await db.query<{ table_name: string }>(
    `select table_name from information_schema.columns
      where table_schema = $1 and column_name in ('rev', 'sealed')
      group by table_name having count(*) = 2 order by table_name`,
    [service],
  );
  const findings: Finding[] = [];
  for (const { table_name: table } of tables) {
    const { rows } = await db.query<{ rows: number }>(
      ddl("select count(*) as rows from %I.%I where rev > $1", service, table),
      [NONCE_BUDGET],
    );
    const count = rows[0]?.rows ?? 0;
    if (count === 0) continue;
    const says = `${count} rows of ${table} were sealed more than 2^30 times, each under its one key.`;
    findings.push({ service, check: "nonces", says });
  }
  return findings;
}
