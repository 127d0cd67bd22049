import { readFile } from "node:fs/promises";
import type { VaultPlace } from "./key-document.ts";

const REQUEST_TIMEOUT_MS = 3_000;
const MAX_ANSWER_BYTES = 64 * 1024;

/** What a transit engine answered instead of what was asked: its HTTP status, or 0 when nothing came. Never its words. */
export class TransitFault extends Error {
  readonly status: number;
  constructor(status: number) {
    super("the transit engine did not answer as it should");
    this.name = "TransitFault";
    this.status = status;
  }
}

/** Decrypts what transit encrypted; the caller wipes the bytes. Throws TransitFault. */
export async function transitDecrypt(place: VaultPlace, ciphertext: string): Promise<Buffer> {
  const { plaintext } = await post(place, `decrypt/${place.keyName}`, { ciphertext });
  if (typeof plaintext !== "string") throw new TransitFault(0);
  return Buffer.from(plaintext, "base64");
}

/** A key of 32 bytes out of Vault's random numbers, encrypted; its plaintext does not leave Vault. Throws TransitFault. */
export function transitNewKey(place: VaultPlace): Promise<string> {
  return ciphertextOf(post(place, `datakey/wrapped/${place.keyName}`, { bits: 256 }));
}

/** Encrypts bytes under the transit key. Throws TransitFault. */
export function transitEncrypt(place: VaultPlace, bytes: Buffer): Promise<string> {
  return ciphertextOf(post(place, `encrypt/${place.keyName}`, { plaintext: bytes.toString("base64") }));
}

async function ciphertextOf(answer: Promise<Record<string, unknown>>): Promise<string> {
  const { ciphertext } = await answer;
  if (typeof ciphertext !== "string" || !/^vault:v[0-9]+:/.test(ciphertext)) throw new TransitFault(0);
  return ciphertext;
}

/** https://developer.hashicorp.com/vault/api-docs/secret/transit */
async function post(place: VaultPlace, path: string, body: object): Promise<Record<string, unknown>> {
  try {
    const token = (await readFile(place.tokenFile, "utf8")).trim();
    const response = await fetch(`${place.url.replace(/\/+$/, "")}/v1/${place.mount}/${path}`, {
      method: "POST",
      headers: { "X-Vault-Token": token, "X-Vault-Request": "true", "Content-Type": "application/json" },
      body: JSON.stringify(body),
      redirect: "error", // a token goes nowhere else
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
    if (!response.ok) {
      await response.body?.cancel();
      throw new TransitFault(response.status);
    }
    const text = await response.text();
    if (text.length > MAX_ANSWER_BYTES) throw new TransitFault(response.status);
    return (JSON.parse(text) as { data?: Record<string, unknown> }).data ?? {};
  } catch (error) {
    throw error instanceof TransitFault ? error : new TransitFault(0);
  }
}
