import { createHash } from "node:crypto";
import pg from "pg";

// A statement that Postgres has parsed and planned under a name costs it a third of a new one. The
// texts are in the code, so there are few; any beyond the limit are run as they are.
const TEXTS_MAX = 500;
/**
 * `$1 is null or …`: which rows there are to read depends on what is asked for. Such a statement is
 * planned with its values, each time; under a name it may get one plan for all of them.
 */
const MAY_BE_ABSENT = /\$\d+(?:::\w+(?:\[\])?)? is null or /;
/**
 * Begins a text that is planned with its values each time: on a table that is mostly empty and at
 * times huge. A plan made while it is empty would read all of it.
 */
export const PLANNED_EACH_TIME = "/* planned each time */";

/** Whether a pool that prepares gives a text a name, and so, at times, one plan for all values. */
export const isPlannedOnce = (text: string): boolean =>
  !text.startsWith(PLANNED_EACH_TIME) && !MAY_BE_ABSENT.test(text);

/** How often the names are renewed, once a connection and migration; a bad pooler ends it. */
const GENERATIONS_MAX = 64;

const INVALID_STATEMENT_NAME = "26000";
const DUPLICATE_STATEMENT = "42P05";
const FEATURE_NOT_SUPPORTED = "0A000";

/**
 * The names under which a pool's connections prepare their statements: made of the text's hash, so
 * that a connection that comes to another process by a pooler never runs another text under it.
 */
export class StatementNames {
  #names = new Map<string, string | undefined>();
  #generation = 0;

  /** The name for a text, or undefined where it is to be run without. */
  of(text: string): string | undefined {
    if (this.#names.has(text)) return this.#names.get(text);
    if (this.#names.size >= TEXTS_MAX || this.#generation >= GENERATIONS_MAX) return undefined;
    this.#names.set(text, isPlannedOnce(text) ? this.#nameOf(text) : undefined);
    return this.#names.get(text);
  }

  #nameOf(text: string): string {
    const hash = createHash("sha256").update(text, "utf8").digest("hex").slice(0, 32);
    return `medvault_${this.#generation}_${hash}`;
  }

  /** Gives all names up: what is prepared is outdated, or gone. */
  renew(): void {
    this.#generation += 1;
    this.#names.clear();
  }
}

const namesOf = new WeakMap<object, StatementNames>();

/** Notes that the connections of this pool prepare under these names. */
export function keepNames(pool: pg.Pool, names: StatementNames): void {
  namesOf.set(pool, names);
}

/**
 * Whether a statement failed, unexecuted, only because it had been prepared: a migration changed
 * what it answers, or the connection forgot it (DISCARD ALL, a pooler). The pool then prepares its
 * next statements again, so that this one, or its transaction, can be run again.
 */
export function renewedAfter(pool: pg.Pool, error: unknown): boolean {
  const names = namesOf.get(pool);
  if (!names || !isOutdated(error)) return false;
  names.renew();
  return true;
}

function isOutdated(error: unknown): boolean {
  if (!(error instanceof pg.DatabaseError)) return false;
  const { code, routine } = error;
  // "cached plan must not change result type"
  if (code === FEATURE_NOT_SUPPORTED) return routine === "RevalidateCachedQuery";
  return code === INVALID_STATEMENT_NAME || code === DUPLICATE_STATEMENT;
}
