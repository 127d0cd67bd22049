import { type Db, inTransaction, RestoreInProgress } from "@medvault/postgres";
import type pg from "pg";
import { KeyFileChanged, KeyTablesBusy, KeyVersionNeeded, VaultRefused } from "../errors.ts";
import type { Keyring } from "../keyring/keyring.ts";
import { activeVersion, type KeyDocument, labelsOf } from "../providers/key-document.ts";
import { readKeyFile } from "../providers/key-file.ts";
import { findUnopenable } from "./check-keys.ts";
import {
  endLease,
  holdLease,
  type Lease,
  LeaseLost,
  loggedVersion,
  noteLoggedVersion,
  noteOverdue,
  takeLease,
} from "./final-rotation.store.ts";
import { rewrap } from "./rewrap.ts";
import { type Audit, destroyVersion, type KeyPlace, retireVersion, rotateServiceKey } from "./service-key.ts";
import { markShredsFinal, type OpenShreds, openShreds } from "./shred.ts";
import type { Throttle } from "./throttle.ts";
import { closedVersion } from "./wrapped-keys.store.ts";

const HOUR_MS = 3_600_000;
/** A shred has to be final this soon (ARCHITECTURE.md, "Keys"). */
export const FINAL_WITHIN_MS = 24 * HOUR_MS;
const REPORT_OVERDUE_EVERY_MS = 24 * HOUR_MS;
// No request lives this long, so none holds a row with a key under a version destroyed now.
const GRACE_MS = 60_000;
const NOT_WRITABLE = ["EACCES", "EPERM", "EROFS"];

/** `waiting` for a later run, `held up` until a person helps, `elsewhere`: in another process. */
type FinalRotationState = "nothing to do" | "waiting" | "elsewhere" | "held up" | "done";

export interface FinalRotationOutcome {
  readonly state: FinalRotationState;
  /** Why it waits or is held up, a stable code. */
  readonly reason?: string;
}

export interface FinalRotationOptions extends Throttle {
  readonly pool: pg.Pool;
  readonly keyring: Keyring;
  /** Null: the keys come from where nothing can be written. */
  readonly keysFile: string | null;
  /** This process among its like. */
  readonly owner: string;
  /** The age of the oldest shred at which a rotation makes all final; Infinity: never, here. */
  readonly afterMs: number;
  /** The event `keys.<verb>` of the service, which may name subjects. */
  readonly audit: (verb: string, subjectIds?: readonly string[]) => Audit;
  /** How many keys outside the tables need that version: keysets of backups. */
  readonly countOutside: (db: Db, version: number) => Promise<number>;
  readonly now?: () => Date;
  readonly graceMs?: number;
}

/** One run, under its lease. */
interface Run extends FinalRotationOptions {
  readonly lease: Lease;
  readonly shreds: OpenShreds;
  readonly at: Date;
}

/** A run of a process that may write the key file. */
interface WritingRun extends Run {
  readonly place: KeyPlace;
}

/**
 * Makes shreds final when they are due: a new version of the service key, every key wrapped under
 * it, the old versions retired and, once nothing outside needs them either, destroyed. What is left
 * to do is read off the key file and the tables each time, so the next run, of any process, goes on
 * where one was killed; one process at a time, by a lease. To be called again and again. Throws
 * what the database or reading the keys throws.
 */
export async function makeShredsFinal(options: FinalRotationOptions): Promise<FinalRotationOutcome> {
  const { pool, keyring, owner, afterMs } = options;
  keyring.refresh();
  const at = options.now?.() ?? new Date();
  // Later shreds wait for their own time: else each rotation would be followed by another.
  const shreds = await openShreds(pool, new Date(at.getTime() - Math.min(afterMs, FINAL_WITHIN_MS)));
  if (!shreds) return { state: "nothing to do" };
  const lease = await takeLease(pool, owner);
  if (!lease) return { state: "elsewhere" };
  const run = { ...options, lease, shreds, at };
  const outcome = await tried(run);
  if (outcome.state === "elsewhere") return outcome;
  const isOverdue = at.getTime() - shreds.oldest.getTime() >= FINAL_WITHIN_MS;
  if (isOverdue && outcome.state !== "done") await reportOverdue(run, outcome.reason ?? "unexpected");
  await endLease(pool, lease, outcome.reason ?? null);
  return outcome;
}

async function reportOverdue({ pool, lease, at, shreds, audit }: Run, reason: string): Promise<void> {
  await inTransaction(pool, async (tx) => {
    await holdLease(tx, lease);
    if (!(await noteOverdue(tx, at, REPORT_OVERDUE_EVERY_MS))) return;
    await audit("overdue")(tx, { shreds: shreds.count, reason });
  });
}

async function tried(run: Run): Promise<FinalRotationOutcome> {
  const { keysFile, keyring, pool, afterMs, lease } = run;
  try {
    if (keysFile === null) return await withoutFile(run);
    if (!Number.isFinite(afterMs)) return { state: "held up", reason: "switched_off" };
    return await rotateAndDestroy({ ...run, place: { service: keyring.service, keysFile, pool } });
  } catch (error) {
    const known = outcomeOf(error);
    if (known) return known;
    await endLease(pool, lease, run.signal?.aborted ? null : "unexpected");
    throw error;
  }
}

/** An operator who can write the keys may have destroyed the versions: that makes them final. */
async function withoutFile(run: Run): Promise<FinalRotationOutcome> {
  const { provider } = run.keyring;
  const isLeft = provider
    .versions()
    .filter(({ version }) => version <= run.shreds.upTo)
    .some(({ version }) => provider.keysCalled(version).length > 0);
  if (isLeft) return { state: "held up", reason: "keys_not_writable" };
  return finish(run);
}

async function rotateAndDestroy(run: WritingRun): Promise<FinalRotationOutcome> {
  const { place, shreds, keyring, pool, at } = run;
  await logWhatIsNot(run);
  if (isUpTo(documentOf(run), activeVersion(documentOf(run)), shreds.upTo))
    await rotateServiceKey(place, held(run, run.audit("rotate")));
  const { refused } = await rewrap(pool, keyring, {
    ...run,
    onBatch: (tx, keys) =>
      held(run, run.audit("rewrap"))(tx, { keys, version: activeVersion(documentOf(run)) }),
  });
  const old = retiredUpTo(documentOf(run), shreds.upTo);
  // Before a version is closed: from then on backups take what is here in place of their own.
  if (refused.length > 0 || (await areDamaged(run, old)))
    return { state: "held up", reason: "keys_do_not_open" };
  for (const version of old) await retire(run, version);
  for (const version of old) {
    const closed = await closedVersion(pool, version);
    const closedForMs = closed ? at.getTime() - closed.closedAt.getTime() : 0;
    if (closedForMs < (run.graceMs ?? GRACE_MS)) return { state: "waiting", reason: "grace" };
    if ((await countOutside(run, version)) > 0) return { state: "waiting", reason: "backups_need_version" };
    // Closed already: a run was killed between database and file, and the event is in the log.
    const audit: Audit = closed?.state === "destroyed" ? async () => undefined : run.audit("destroy");
    await destroyVersion(place, version, [], held(run, audit));
  }
  keyring.refresh();
  return finish(run);
}

/** Logs a rotation that was killed before its event's commit, or that was done by hand. */
async function logWhatIsNot(run: WritingRun): Promise<void> {
  const active = activeVersion(documentOf(run));
  await inTransaction(run.pool, async (tx) => {
    const logged = await loggedVersion(tx);
    if (logged === active) return;
    const audit: Audit = logged !== null && logged < active ? run.audit("rotate") : async () => undefined;
    await held(run, audit)(tx, { version: active, retired: logged ?? active, found: 1 });
    await noteLoggedVersion(tx, active);
  });
}

async function areDamaged(run: Run, old: readonly number[]): Promise<boolean> {
  const closed = await Promise.all(old.map((version) => closedVersion(run.pool, version)));
  if (closed.every((found) => found !== null)) return false; // looked at before
  return (await findUnopenable(run.pool, run.keyring, run)).count > 0;
}

async function countOutside(run: WritingRun, version: number): Promise<number> {
  const counts = labelsOf(documentOf(run), version).map((label) => run.countOutside(run.pool, label));
  return Math.max(...(await Promise.all(counts)));
}

async function retire(run: WritingRun, version: number): Promise<void> {
  if (await closedVersion(run.pool, version)) return;
  await retireVersion(run.place, version, held(run, run.audit("retire")));
}

async function finish({ pool, lease, shreds, at, audit }: Run): Promise<FinalRotationOutcome> {
  const event = (subjects: readonly string[]) => audit("shred-final", subjects);
  await markShredsFinal(pool, shreds.upTo, event, at, (tx) => holdLease(tx, lease));
  return { state: "done" };
}

/** Writes the event only under our lease, whose row stays locked until the change is committed. */
function held({ lease }: Run, audit: Audit): Audit {
  return async (tx, details) => {
    await holdLease(tx, lease);
    await audit(tx, details);
  };
}

function outcomeOf(error: unknown): FinalRotationOutcome | null {
  if (error instanceof LeaseLost) return { state: "elsewhere" };
  if (error instanceof VaultRefused) return { state: "held up", reason: error.code };
  // Under the fence of a restore no kept answer is written, so none is wrapped again either.
  const passing = [KeyVersionNeeded, KeyTablesBusy, KeyFileChanged, RestoreInProgress];
  const isPassing = passing.some((Kind) => error instanceof Kind);
  const { code } = error as { code?: unknown };
  if (isPassing) return { state: "waiting", reason: String(code) };
  return NOT_WRITABLE.includes(String(code)) ? { state: "held up", reason: "keys_not_writable" } : null;
}

const documentOf = ({ place }: WritingRun): KeyDocument =>
  readKeyFile(place.keysFile, place.service).document;

/** Whether a copy of a key that says `upTo` or less may lie under that version. */
const isUpTo = (document: KeyDocument, version: number, upTo: number): boolean =>
  labelsOf(document, version).some((label) => label <= upTo);

const retiredUpTo = (document: KeyDocument, upTo: number): number[] =>
  document.versions
    .filter(({ version, state }) => state === "retired" && isUpTo(document, version, upTo))
    .map(({ version }) => version);
