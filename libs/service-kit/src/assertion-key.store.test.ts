import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { loadAssertionVerifier, readAssertionKey } from "./assertion-key.store.ts";
import { type Claims, importAssertionKey, newAssertionKey, signAssertion } from "./assertions.ts";
import { ConfigError } from "./config.ts";

const GUEST: Claims = {
  ...{ sub: "guest", role: "guest", sid: null, scope: "", auth_time: 0, amr: [] },
  ...{ ip: "127.0.0.1", ua: "test" },
};

async function givenPair() {
  const dir = await mkdtemp(join(tmpdir(), "kit-"));
  onTestFinished(() => rm(dir, { recursive: true }));
  const [secret, shown] = [join(dir, "gateway.json"), join(dir, "gateway.jwks.json")];
  const { privateJwk, jwks } = await newAssertionKey();
  await writeFile(secret, JSON.stringify({ service: "gateway", signing: privateJwk }));
  await writeFile(shown, JSON.stringify(jwks));
  return { secret, shown };
}

test("a service verifies by the file of the gateway's public keys what the gateway signs by its own", async () => {
  const { secret, shown } = await givenPair();
  const token = await signAssertion(await importAssertionKey(await readAssertionKey(secret)), GUEST, "audit");
  expect((await (await loadAssertionVerifier(shown, "audit")).verify(token)).role).toBe("guest");
});

test.each(["", "{", '{"service":"files","versions":[]}', '{"signing":{"kty":"OKP","crv":"Ed25519"}}', null])(
  "threat: a key file of the gateway that was lost or exchanged is refused in words (%j)",
  async (content) => {
    const { secret, shown } = await givenPair();
    for (const file of [secret, shown]) await (content === null ? rm(file) : writeFile(file, content));
    for (const [read, words] of [
      [() => readAssertionKey(secret), /exchanged\? Put it back/],
      [() => loadAssertionVerifier(shown, "audit"), /writes it again from gateway.json/],
    ] as const) {
      const refused = await read().catch((error: unknown) => error);
      expect(refused).toBeInstanceOf(ConfigError);
      expect(String(refused)).toMatch(words);
    }
  },
);
