import { createHmac, createPublicKey, generateKeyPairSync, type JsonWebKey } from "node:crypto";
import type { Response } from "express";
import { type CryptoKey, importPKCS8, type JWTPayload, SignJWT } from "jose";
import { afterAll, beforeAll, expect, test } from "vitest";
import { bare, DOCTOR, type Harness, startService } from "../test/harness.ts";
import {
  type AssertionKey,
  AssertionUntimely,
  AssertionVerifier,
  importAssertionKey,
  newAssertionKey,
  signAssertion,
} from "./assertions.ts";

let service: Harness;
let reached = 0;
beforeAll(async () => {
  const handle = (_req: unknown, res: Response) => void res.json({ reached: ++reached });
  service = await startService([bare("GET", "/v1/example", handle, null)]);
});
afterAll(() => service.close());

const now = () => Math.floor(Date.now() / 1000);
const b64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
type Over = { [claim: string]: unknown };
const payload = (over: Over = {}): JWTPayload => ({
  ...DOCTOR,
  iss: "medvault-gateway",
  aud: "records",
  iat: now(),
  exp: now() + 30,
  ...over,
});

async function signed(
  over: Over,
  header: Record<string, unknown> = {},
  key: AssertionKey["key"] = service.key.key,
) {
  return new SignJWT(payload(over))
    .setProtectedHeader({ alg: "EdDSA", typ: "assertion+jwt", kid: service.key.kid, ...header })
    .sign(key as CryptoKey);
}

async function attacks(): Promise<Record<string, string | null>> {
  const good = await signed({});
  const [head = "", body = "", signature = ""] = good.split(".");
  const other = await importAssertionKey((await newAssertionKey()).privateJwk);
  const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
  const rsaKey = await importPKCS8(
    rsa.privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    "RS256",
  );
  const { privateJwk } = await newAssertionKey();
  const unsigned = (alg: string) =>
    `${b64({ alg, typ: "assertion+jwt", kid: service.key.kid })}.${b64(payload())}`;
  const hmac = (secret: string | Buffer) => {
    const input = unsigned("HS256");
    return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
  };
  const publicJwk = createPublicKey({ key: privateJwk as JsonWebKey, format: "jwk" });
  return {
    none: null,
    empty: "",
    garbage: "not.a.jwt",
    "two assertions in one header": `${good}, ${good}`,
    "alg none": `${unsigned("none")}.`,
    "alg None": `${unsigned("None")}.`,
    "signature stripped": `${head}.${body}.`,
    "signature of another token": `${head}.${b64(payload({ role: "admin" }))}.${signature}`,
    "HS256 with the public key as PEM": hmac(publicJwk.export({ type: "spki", format: "pem" })),
    "HS256 with the public key's x": hmac(
      Buffer.from(String(publicJwk.export({ format: "jwk" }).x), "base64url"),
    ),
    "another alg (RS256)": await signed({}, { alg: "RS256" }, rsaKey),
    "another key under the known kid": await signed({}, {}, other.key),
    "unknown kid": await signed({}, { kid: "other" }, other.key),
    "embedded jwk": await signed({}, { jwk: publicJwk.export({ format: "jwk" }) }, other.key),
    "kid as a path": await signed({}, { kid: "../../dev/null" }, other.key),
    expired: await signed({ iat: now() - 60, exp: now() - 10 }),
    "no exp": await signed({ exp: undefined }),
    "no iat": await signed({ iat: undefined }),
    "exp as text": await signed({ exp: String(now() + 30) }),
    "claims an hour": await signed({ exp: now() + 3_600 }),
    "claims a second too much": await signed({ exp: now() + 31 }),
    "issued long ago, long-lived": await signed({ iat: now() - 120, exp: now() + 3600 }),
    "issued in the future": await signed({ iat: now() + 120, exp: now() + 150 }),
    "not yet valid": await signed({ nbf: now() + 120 }),
    "other aud": await signed({ aud: "files" }),
    "no aud": await signed({ aud: undefined }),
    "wrong iss": await signed({ iss: "medvault" }),
    "no iss": await signed({ iss: undefined }),
    "a client's access token": await signed({ iss: "medvault", aud: "medvault-gateway" }, { typ: "at+jwt" }),
    "wrong typ": await signed({}, { typ: "JWT" }),
    "no typ": await signed({}, { typ: undefined }),
    "unknown crit": await signed({}, { crit: ["x"], x: 1 }).catch(
      () => `${b64({ alg: "EdDSA", crit: ["x"] })}.${body}.${signature}`,
    ),
    "no sub": await signed({ sub: undefined }),
    "unknown role": await signed({ role: "root" }),
  };
}

test("an assertion is refused the same way, whatever is wrong with it, and reaches no handler", async () => {
  for (const [name, token] of Object.entries(await attacks())) {
    const before = reached;
    const refused = service.refusals.length;
    const answer = await fetch(`${service.url}/v1/example`, {
      headers: token === null ? {} : { "x-medvault-assertion": token },
    });
    expect(answer.status, name).toBe(401);
    expect(await answer.json(), name).toMatchObject({
      code: "unauthenticated",
      detail: "The gateway's assertion is missing or not valid.",
    });
    const isUntimely = /^(expired|issued|not yet)/.test(name); // of these alone the gateway is told
    expect(answer.headers.has("x-medvault-untimely"), name).toBe(isUntimely);
    expect(reached, name).toBe(before);
    expect(service.refusals.slice(refused), name).toEqual([{ code: "unauthenticated", actorId: null }]);
  }
});

test("a good assertion elsewhere is ignored: Authorization, cookies, query", async () => {
  const token = await service.assertion();
  const answer = await fetch(`${service.url}/v1/example?x-medvault-assertion=${token}`, {
    headers: {
      authorization: `Bearer ${token}`,
      cookie: `x-medvault-assertion=${token}`,
      "x-user-id": DOCTOR.sub,
    },
  });
  expect(answer.status).toBe(401);
});

test("a good assertion is let in, also when it names several audiences", async () => {
  expect((await service.call("/v1/example")).status).toBe(200);
  const both = await signAssertion(service.key, DOCTOR, ["files", "records"]);
  const answer = await fetch(`${service.url}/v1/example`, { headers: { "x-medvault-assertion": both } });
  expect(answer.status).toBe(200);
});

test("a clock that is 5 s off is allowed for, 20 s are told from a forgery, in both directions", async () => {
  const { privateJwk, jwks } = await newAssertionKey();
  const token = await signAssertion(await importAssertionKey(privateJwk), DOCTOR, "records");
  const at = (offsetS: number) =>
    new AssertionVerifier(jwks, "records", () => new Date(Date.now() + offsetS * 1_000)).verify(token);
  for (const near of [-5, 0, 5, 20]) expect((await at(near)).sub).toBe(DOCTOR.sub);
  for (const far of [-20, 60]) await expect(at(far)).rejects.toBeInstanceOf(AssertionUntimely);
});

test("a remembered assertion ends with its expiry", async () => {
  const { privateJwk, jwks } = await newAssertionKey();
  const verifier = new AssertionVerifier(jwks, "records");
  const key = await importAssertionKey(privateJwk);
  // Expired, but within the 5 s of clock tolerance: it verifies, and is never served from memory.
  const spent = await signAssertion(key, DOCTOR, "records", -1);
  expect((await verifier.verify(spent)).sub).toBe(DOCTOR.sub);
  const token = await signAssertion(key, DOCTOR, "records", -6);
  await expect(verifier.verify(token)).rejects.toMatchObject({ code: "unauthenticated" });
});
