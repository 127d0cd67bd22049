import { readFile } from "node:fs/promises";
import type { JSONWebKeySet, JWK } from "jose";
import { z } from "zod";
import { AssertionVerifier } from "./assertions.ts";
import { ConfigError } from "./config.ts";

const Ed25519 = z.looseObject({ kty: z.literal("OKP"), crv: z.literal("Ed25519"), kid: z.string() });
const KeyFile = z.looseObject({ signing: Ed25519.extend({ d: z.string() }) });
const Jwks = z.object({ keys: z.array(Ed25519).min(1) });

/** The gateway's private key. Throws ConfigError, which says what to do. */
export async function readAssertionKey(privatePath: string): Promise<JWK> {
  try {
    return KeyFile.parse(JSON.parse(await readFile(privatePath, "utf8"))).signing as JWK;
  } catch {
    const fault = `there is no key of the gateway in ${privatePath}: were two key files exchanged? Put it back; or move the file away, and npm start or node tools/make-keys.ts makes another pair, since nothing lies under it`;
    throw new ConfigError(new Map([["MEDVAULT_KEYS_FILE", fault]]));
  }
}

/**
 * The verifier of a service, from the file of the gateway's public keys. Throws ConfigError, which
 * says what to do.
 */
export async function loadAssertionVerifier(jwksFile: string, audience: string): Promise<AssertionVerifier> {
  return new AssertionVerifier(await readJwks(jwksFile), audience);
}

/** The gateway's public keys. Throws ConfigError, which says what to do. */
export async function readJwks(publicPath: string): Promise<JSONWebKeySet> {
  try {
    return Jwks.parse(JSON.parse(await readFile(publicPath, "utf8"))) as JSONWebKeySet;
  } catch {
    const fault = `there is no public key of the gateway in ${publicPath}: npm start or node tools/make-keys.ts writes it again from gateway.json`;
    throw new ConfigError(new Map([["MEDVAULT_ASSERTION_JWKS_FILE", fault]]));
  }
}
