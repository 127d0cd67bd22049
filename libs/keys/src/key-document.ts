import { createSecretKey, type KeyObject } from "node:crypto";
import { z } from "zod";
import {
  KeyDocumentInvalid,
  KeysOfAnotherService,
  KeyVersionDestroyed,
  KeyVersionUnknown,
} from "./errors.ts";
import type { ServiceKeyVersion } from "./provider.ts";

const KEY_BYTES = 32;
const MAX_VERSIONS = 1_000;

// Unknown members are let through: the gateway keeps its signing key in the same file.
const KeyDocument = z.object({
  service: z.string().min(1).max(50),
  versions: z
    .array(
      z.object({
        version: z.int().min(1).max(0xffff_ffff),
        state: z.enum(["active", "retired", "destroyed"]),
        key: z.base64().max(100).optional(),
        createdAt: z.iso.datetime(),
      }),
    )
    .min(1)
    .max(MAX_VERSIONS),
});

/** The versions of one service key, opened from its document. */
export class ServiceKeys {
  readonly #keys = new Map<number, KeyObject>();
  readonly versions: readonly ServiceKeyVersion[];
  readonly current: ServiceKeyVersion;

  constructor(document: z.infer<typeof KeyDocument>, where: string) {
    const faults: string[] = [];
    for (const { version, state, key } of document.versions) {
      if (state === "destroyed") continue;
      const bytes = Buffer.from(key ?? "", "base64");
      if (bytes.length !== KEY_BYTES) faults.push(`version ${version} has no key of 32 bytes`);
      else if (this.#keys.has(version)) faults.push(`version ${version} is there twice`);
      else this.#keys.set(version, createSecretKey(bytes));
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
}

/**
 * Reads `{"service", "versions": [{"version", "state", "key": base64 of 32 bytes, "createdAt"}]}`.
 * `where` names the source in errors. Throws KeyDocumentInvalid or KeysOfAnotherService.
 */
export function parseKeyDocument(text: string, service: string, where: string): ServiceKeys {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new KeyDocumentInvalid(where, ["it is not JSON"]); // JSON.parse quotes what it read
  }
  const parsed = KeyDocument.safeParse(json);
  if (!parsed.success) {
    const places = parsed.error.issues.map(
      (issue) => `${issue.path.join(".") || "the document"} is not valid`,
    );
    throw new KeyDocumentInvalid(where, [...new Set(places)]);
  }
  if (parsed.data.service !== service) throw new KeysOfAnotherService(where, service);
  return new ServiceKeys(parsed.data, where);
}
