import { randomBytes } from "node:crypto";
import { VaultRefused } from "../errors.ts";
import type { KeyDocument } from "./key-document.ts";
import type { NewKey } from "./key-versions.ts";
import { TransitFault, transitNewKey } from "./vault.client.ts";

/** A key for the next version: Vault's own where it wraps, else random. Throws VaultRefused. */
export async function newKeyFor({ vault }: KeyDocument): Promise<NewKey> {
  if (vault) return { wrapped: await orRefused(() => transitNewKey(vault)) };
  const key = randomBytes(32);
  try {
    return { key: key.toString("base64") };
  } finally {
    key.fill(0);
  }
}

/** What Vault's client throws, as the refusal that an operator reads. */
export async function orRefused<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof TransitFault ? new VaultRefused(error.status) : error;
  }
}
