import { randomBytes } from "node:crypto";
import { Keyring } from "../src/keyring/keyring.ts";
import { envKeyProvider } from "../src/providers/env-provider.ts";

/** A keyring with a random service key, in no file. */
export function testKeyring(service: string): Keyring {
  const key = randomBytes(32).toString("base64");
  const versions = [{ version: 1, state: "active", key, createdAt: "2026-01-31T00:00:00Z" }];
  return new Keyring(service, envKeyProvider(JSON.stringify({ service, versions }), service));
}
