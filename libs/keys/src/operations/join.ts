import { KeysNotComparable } from "../errors.ts";
import type { KeyDocument, KeyVersionEntry } from "../providers/key-document.ts";

export interface Joined {
  readonly document: KeyDocument;
  /** Versions that the file did not have, or had as another key. */
  readonly putBack: readonly number[];
  /** Keys of the file that had the number of one put back, and what they are called from now on. */
  readonly renamed: readonly { readonly from: number; readonly to: number }[];
}

/**
 * Joins a key file with what its shares hold, so that whatever either of them wrapped opens. A key
 * of the file whose number is another key in the shares gets the next number, remembers the one
 * that it had, and is active: the highest version always is. A version that the file has destroyed
 * stays so. Throws KeysNotComparable, naming `path`, unless both or none are wrapped by one Vault.
 */
export function joinDocuments(there: KeyDocument, shared: KeyDocument, path: string, now: Date): Joined {
  if (JSON.stringify(there.vault) !== JSON.stringify(shared.vault)) throw new KeysNotComparable(path);
  const missing = shared.versions.filter((entry) => entry.state !== "destroyed" && !isHeld(there, entry));
  if (missing.length === 0) return { document: there, putBack: [], renamed: [] };
  const versions = new Map(there.versions.map((entry) => [entry.version, entry]));
  const displaced = missing.flatMap(({ version }) => versions.get(version) ?? []);
  for (const entry of missing) versions.set(entry.version, entry);
  const renamed: { from: number; to: number }[] = [];
  for (const entry of displaced) {
    const to = Math.max(...versions.keys()) + 1;
    versions.set(to, { formerVersion: entry.version, ...entry, version: to });
    renamed.push({ from: entry.version, to });
  }
  const { escrowedVersion } = shared;
  const document = {
    ...there,
    ...(escrowedVersion !== undefined && { escrowedVersion }), // what was renamed is in no share
    versions: withOneActive([...versions.values()], now),
  };
  return { document, putBack: missing.map(({ version }) => version), renamed };
}

/** Whether the file has that key by that number, or has it joined, or has destroyed the number. */
function isHeld(there: KeyDocument, { version, key, wrapped }: KeyVersionEntry): boolean {
  return there.versions.some((mine) => {
    if (mine.version === version && mine.state === "destroyed") return true;
    const hasNumber = mine.version === version || mine.formerVersion === version;
    return hasNumber && mine.key === key && mine.wrapped === wrapped;
  });
}

function withOneActive(entries: readonly KeyVersionEntry[], now: Date): KeyVersionEntry[] {
  const sorted = [...entries].sort((one, other) => one.version - other.version);
  const highest = sorted.at(-1)?.version;
  return sorted.map((entry): KeyVersionEntry => {
    if (entry.version === highest) {
      const { retiredAt: _, ...rest } = entry;
      return entry.state === "destroyed" ? entry : { ...rest, state: "active" };
    }
    return entry.state === "active" ? { ...entry, state: "retired", retiredAt: now.toISOString() } : entry;
  });
}
