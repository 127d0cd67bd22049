import { KeyVersionActive, KeyVersionDestroyed, KeyVersionUnknown } from "../errors.ts";
import type { KeyDocument, KeyVersionEntry } from "./key-document.ts";

/** A new key: base64 of it, or as Vault wrapped it. */
export type NewKey = { readonly key: string } | { readonly wrapped: string };

/** Adds a version above the highest, active from now on; the active one before is retired. */
export function withNextVersion(document: KeyDocument, made: NewKey, now: Date): KeyDocument {
  const highest = Math.max(...document.versions.map(({ version }) => version));
  const at = now.toISOString();
  const older = document.versions.map(
    (entry): KeyVersionEntry =>
      entry.state === "active" ? { ...entry, state: "retired", retiredAt: at } : entry,
  );
  return {
    ...document,
    versions: [...older, { version: highest + 1, state: "active", ...made, createdAt: at }],
  };
}

/**
 * Takes a retired version's key out; its number stays, so that it is never used again. Destroying
 * twice changes nothing. Throws KeyVersionActive or KeyVersionUnknown.
 */
export function withoutVersion(document: KeyDocument, version: number, now: Date): KeyDocument {
  const { state } = entryOf(document, version);
  if (state === "active") throw new KeyVersionActive(version);
  if (state === "destroyed") return document;
  return {
    ...document,
    versions: document.versions.map((entry): KeyVersionEntry => {
      if (entry.version !== version) return entry;
      const { key: _key, wrapped: _wrapped, ...rest } = entry;
      return { ...rest, state: "destroyed", destroyedAt: now.toISOString() };
    }),
  };
}

/** Throws KeyVersionUnknown, KeyVersionActive or KeyVersionDestroyed unless it is retired. */
export function assertRetired(document: KeyDocument, version: number): void {
  const { state } = entryOf(document, version);
  if (state === "active") throw new KeyVersionActive(version);
  if (state === "destroyed") throw new KeyVersionDestroyed();
}

function entryOf(document: KeyDocument, version: number): KeyVersionEntry {
  const entry = document.versions.find((entry) => entry.version === version);
  if (!entry) throw new KeyVersionUnknown();
  return entry;
}
