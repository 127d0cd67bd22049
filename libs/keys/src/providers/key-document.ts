import { createSecretKey, type KeyObject } from "node:crypto";
import { z } from "zod";
import {
  KeyDocumentInvalid,
  KeysOfAnotherService,
  KeyVersionDestroyed,
  KeyVersionUnknown,
} from "../errors.ts";
import type { ServiceKeyVersion } from "./provider.ts";

const KEY_BYTES = 32;
const MAX_VERSIONS = 1_000;

const KeyVersionEntry = z.looseObject({
  version: z.int().min(1).max(0xffff_ffff),
  state: z.enum(["active", "retired", "destroyed"]),
  /** Base64 of the key; or `wrapped`, the key as Vault's transit engine encrypted it. */
  key: z.base64().max(100).optional(),
  wrapped: z
    .string()
    .regex(/^vault:v[0-9]+:[A-Za-z0-9+/=]+$/)
    .max(1_000)
    .optional(),
  /** What it wrapped says this version: it had that number before it was joined to another key. */
  formerVersion: z.int().min(1).max(0xffff_ffff).optional(),
  createdAt: z.iso.datetime(),
  retiredAt: z.iso.datetime().optional(),
  destroyedAt: z.iso.datetime().optional(),
});

/**
 * Where the keys of a document are unwrapped. `keyName` is the transit key; `tokenFile` holds a
 * Vault token; `namespace` is an enterprise's. Vault answers 404 to names that end in a period.
 */
const VaultPlace = z.strictObject({
  url: z.url({ protocol: /^https?$/ }),
  tokenFile: z.string().min(1),
  keyName: z.string().regex(/^[A-Za-z0-9_.-]{0,99}[A-Za-z0-9_-]$/),
  namespace: z
    .string()
    .regex(/^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*\/?$/)
    .optional(),
  mount: z
    .string()
    .regex(/^[A-Za-z0-9_.-]+(\/[A-Za-z0-9_.-]+)*$/)
    .default("transit"),
});
export type VaultPlace = z.infer<typeof VaultPlace>;

// Unknown members are let through and kept: the gateway has its signing key in the same file.
const KeyDocumentSchema = z.looseObject({
  service: z.string().min(1).max(50),
  vault: VaultPlace.optional(),
  /** The version that was active when the file was last split into shares. */
  escrowedVersion: z.int().optional(),
  versions: z.array(KeyVersionEntry).min(1).max(MAX_VERSIONS),
});
export type KeyDocument = z.infer<typeof KeyDocumentSchema>;
export type KeyVersionEntry = z.infer<typeof KeyVersionEntry>;

/** The bytes of a version's key, which the caller wipes. */
export type KeyOf = (entry: KeyVersionEntry) => Buffer;

/** The versions of one service key, opened from its document. */
export class ServiceKeys {
  readonly #keys = new Map<number, KeyObject>();
  readonly #called = new Map<number, KeyObject[]>();
  readonly versions: readonly ServiceKeyVersion[];
  readonly current: ServiceKeyVersion;

  constructor(document: KeyDocument, where: string, keyOf: KeyOf = keyInDocument) {
    const faults: string[] = [];
    for (const entry of document.versions) {
      if (entry.state === "destroyed") continue;
      const bytes = keyOf(entry);
      if (bytes.length !== KEY_BYTES) faults.push(`version ${entry.version} has no key of 32 bytes`);
      else if (this.#keys.has(entry.version)) faults.push(`version ${entry.version} is there twice`);
      else this.#add(entry, createSecretKey(bytes));
      bytes.fill(0);
    }
    this.versions = document.versions.map(({ version, state, createdAt }) => ({ version, state, createdAt }));
    const active = this.versions.filter((version) => version.state === "active");
    const [current] = active;
    if (current === undefined || active.length > 1) faults.push("not exactly one version is active");
    if (current === undefined || faults.length > 0) throw new KeyDocumentInvalid(where, faults);
    this.current = current;
  }

  key(version: number): KeyObject {
    const key = this.#keys.get(version);
    if (key) return key;
    const known = this.versions.some((known) => known.version === version);
    throw known ? new KeyVersionDestroyed() : new KeyVersionUnknown();
  }

  keysCalled(version: number): readonly KeyObject[] {
    return this.#called.get(version) ?? [];
  }

  /** The version, not destroyed there, whose key is not in these: they open less. Null: none. */
  versionLostSince(before: ServiceKeys): number | null {
    for (const [version, key] of before.#keys) {
      const isDestroyed = this.versions.some((now) => now.version === version && now.state === "destroyed");
      if (!isDestroyed && !this.keysCalled(version).some((now) => now.equals(key))) return version;
    }
    return null;
  }

  #add({ version, formerVersion }: KeyVersionEntry, key: KeyObject): void {
    this.#keys.set(version, key);
    for (const number of [version, formerVersion])
      if (number !== undefined) this.#called.set(number, [...this.keysCalled(number), key]);
  }
}

function keyInDocument(entry: KeyVersionEntry): Buffer {
  return Buffer.from(entry.key ?? "", "base64");
}

/**
 * Reads `{"service", "versions": [{"version", "state", "key": base64 of 32 bytes, "createdAt"}]}`.
 * `where` names the source in errors. Throws KeyDocumentInvalid or KeysOfAnotherService.
 */
export function readKeyDocument(text: string, service: string, where: string): KeyDocument {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new KeyDocumentInvalid(where, ["it is not JSON"]); // JSON.parse quotes what it read
  }
  const parsed = KeyDocumentSchema.safeParse(json);
  if (!parsed.success) {
    const places = parsed.error.issues.map(
      (issue) => `${issue.path.join(".") || "the document"} is not valid`,
    );
    throw new KeyDocumentInvalid(where, [...new Set(places)]);
  }
  if (parsed.data.service !== service) throw new KeysOfAnotherService(where, service, parsed.data.service);
  return parsed.data;
}

/** The number of the version that wraps now. */
export function activeVersion({ versions }: KeyDocument): number {
  return versions.find(({ state }) => state === "active")?.version ?? 0;
}

/** The numbers that what this version has wrapped may say. */
export function labelsOf({ versions }: KeyDocument, version: number): number[] {
  const former = versions.find((entry) => entry.version === version)?.formerVersion;
  return former === undefined ? [version] : [version, former];
}

/** A document as it is written to its file. */
export function documentText(document: KeyDocument): string {
  return `${JSON.stringify(document, null, 2)}\n`;
}
