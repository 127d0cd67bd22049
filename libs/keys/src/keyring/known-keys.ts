import { WrappedKeyCommitmentMismatch } from "@medvault/crypto";
import type { Db } from "@medvault/postgres";
import { KeysDoNotFit } from "../errors.ts";
import { keyIdOf, shownKeyId } from "../providers/key-id.ts";
import type { StoredWrapped } from "../rotation/wrapped-keys.store.ts";
import type { Keyring } from "./keyring.ts";
import { findKnownKeys, noteKeys, sampleWrapped } from "./known-keys.store.ts";

/** Versions that open: their keys' ids, and those of keys that once had their number. */
interface Ids {
  readonly own: ReadonlyMap<number, Buffer>;
  readonly destroyed: ReadonlySet<number>;
  isHeld(version: number, id: Buffer): boolean;
}

/**
 * Proves that the keyring is the one of this database: every version that was ever noted here is
 * there and the same key, and what is noted for the first time opens what lies under it. One
 * statement where nothing is new. Throws KeysDoNotFit; nothing is noted then.
 */
export async function assertKeysFit(db: Db, keyring: Keyring): Promise<void> {
  const known = await findKnownKeys(db);
  const ids = idsOf(keyring);
  const faults = [...known].flatMap(([version, id]) => knownFault(ids, version, id));
  const news = new Map([...ids.own].filter(([version, id]) => known.get(version)?.equals(id) !== true));
  if (faults.length === 0 && news.size > 0) {
    const samples = await sampleWrapped(db);
    for (const version of news.keys()) {
      const sample = samples.get(version) ?? [];
      if (!opensMost(keyring, sample)) faults.push(`version ${version} opens nothing of what lies under it`);
    }
    // Later on such a version is one damaged row, which the doctor names.
    if (known.size === 0) faults.push(...unknownFaults(ids, samples));
  }
  if (faults.length > 0) throw new KeysDoNotFit(keyring.service, keyring.provider.where, faults);
  if (news.size > 0) await noteKeys(db, news);
}

function idsOf({ provider }: Keyring): Ids {
  const versions = provider.versions();
  const live = versions.filter(({ state }) => state !== "destroyed").map(({ version }) => version);
  const own = new Map(live.map((version) => [version, keyIdOf(provider.key(version))]));
  return {
    own,
    destroyed: new Set(versions.filter(({ state }) => state === "destroyed").map(({ version }) => version)),
    isHeld: (version, id) => provider.keysCalled(version).some((key) => keyIdOf(key).equals(id)),
  };
}

function knownFault({ own, destroyed, isHeld }: Ids, version: number, id: Buffer | null): string[] {
  if (destroyed.has(version) || (id !== null && isHeld(version, id))) return [];
  const here = own.get(version);
  if (here === undefined) return [`version ${version} is missing there`];
  if (id === null) return [];
  return [`version ${version} is another key there (${shownKeyId(here)}, in the tables ${shownKeyId(id)})`];
}

function unknownFaults({ own, destroyed }: Ids, samples: ReadonlyMap<number, unknown>): string[] {
  const unknown = [...samples.keys()].filter((version) => !own.has(version) && !destroyed.has(version));
  return unknown.map((version) => `version ${version} is missing there`);
}

/** One damaged key is no wrong key, nor is one that a wrong key wrapped before keys were noted. */
function opensMost(keyring: Keyring, sample: readonly StoredWrapped[]): boolean {
  const refused = sample.filter(({ wrapped, context }) => {
    try {
      keyring.unwrap(wrapped, context).fill(0);
      return false;
    } catch (error) {
      return error instanceof WrappedKeyCommitmentMismatch;
    }
  });
  return refused.length * 2 <= sample.length;
}
