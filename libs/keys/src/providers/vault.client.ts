import { readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { VaultPlace } from "./key-document.ts";

const REQUEST_TIMEOUT_MS = 3_000;
const MAX_ATTEMPTS = 3;
const RETRY_PAUSE_MS = 150;
const RETRY_WITHIN_MS = 2_000;
/** https://developer.hashicorp.com/vault/api-docs#http-status-codes; 0 is none. */
const WORTH_ANOTHER = new Set([0, 412, 429, 472, 473, 500, 502, 503, 504]);
const MAX_ANSWER_BYTES = 64 * 1024;

/** A transit engine did not do what was asked: its HTTP status, 0 without one; never its words. */
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

/** A 32-byte key of Vault's, encrypted; its plaintext stays in Vault. Throws TransitFault. */
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

/** What Vault says of a token: seconds left (0: no end), seconds at its start, renewable or not. */
export interface TokenLife {
  readonly ttlSeconds: number;
  readonly creationTtlSeconds: number;
  readonly isRenewable: boolean;
}

/** Looks up the place's token. Throws TransitFault: with 403 it has expired or was revoked. */
export async function tokenLife(place: VaultPlace): Promise<TokenLife> {
  const { ttl, creation_ttl, renewable } = await call(place, "GET", "auth/token/lookup-self");
  return {
    ttlSeconds: Number(ttl ?? 0),
    creationTtlSeconds: Number(creation_ttl ?? 0),
    isRenewable: renewable === true,
  };
}

/** https://developer.hashicorp.com/vault/api-docs/secret/transit */
function post(place: VaultPlace, path: string, body: object): Promise<Record<string, unknown>> {
  return call(place, "POST", `${place.mount}/${path}`, body);
}

/**
 * Asks again, twice at most, what may be otherwise in a moment: 412 (a performance standby that has
 * not caught up), 429 (a rate limit), 5xx (an election, a node just unsealed), no answer at once.
 * All of it ends in some 5 s.
 */
async function call(
  place: VaultPlace,
  method: "GET" | "POST",
  path: string,
  body?: object,
): Promise<Record<string, unknown>> {
  const since = performance.now();
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await callOnce(place, method, path, body);
    } catch (error) {
      const fault = error instanceof TransitFault ? error : new TransitFault(0);
      const isLate = performance.now() - since > RETRY_WITHIN_MS;
      if (!WORTH_ANOTHER.has(fault.status) || isLate || attempt === MAX_ATTEMPTS) throw fault;
      await delay(RETRY_PAUSE_MS * attempt);
    }
  }
}

async function callOnce(
  place: VaultPlace,
  method: string,
  path: string,
  body: object | undefined,
): Promise<Record<string, unknown>> {
  const token = (await readFile(place.tokenFile, "utf8")).trim(); // each time: an agent may renew or replace it
  const response = await fetch(`${place.url.replace(/\/+$/, "")}/v1/${path}`, {
    method,
    headers: {
      "X-Vault-Token": token,
      "X-Vault-Request": "true",
      "Content-Type": "application/json",
      ...(place.namespace && { "X-Vault-Namespace": place.namespace }),
    },
    ...(body && { body: JSON.stringify(body) }),
    redirect: "manual", // a token goes nowhere else; a standby that does not forward answers 307
    signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw new TransitFault(response.status);
  }
  const text = await response.text();
  if (text.length > MAX_ANSWER_BYTES) throw new TransitFault(response.status);
  return (JSON.parse(text) as { data?: Record<string, unknown> }).data ?? {};
}
