import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { CHALLENGE_HEADER, PROOF_HEADER, proofOf } from "@medvault/service-kit";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { totpCode, untilNextCodeMs, unusedCode } from "../lib/totp.ts";
import { runTool } from "../test/harness.ts";

const BUNDLE = JSON.stringify({ resourceType: "Bundle", type: "transaction", entry: [] });
const STORED = {
  patientId: "p",
  patient: "created",
  patients: [{ patientId: "p", patient: "created" }],
  possibleDuplicates: [],
  total: 3,
  stored: { patients: 1, records: 1, prescriptions: 0, claims: 0, appointments: 0 },
  kept: { CarePlan: 1 },
  unattached: 1,
  existing: 0,
};

interface Reply {
  status: number;
  body?: object;
  headers?: Record<string, string>;
}
type Seen = { path: string; headers: IncomingMessage["headers"]; body: string };

let folder: string;
let replies: (seen: Seen) => Reply;
let seen: Seen[];
/** What the server proves itself by; null: it is a stranger. */
let proofKey: string | null;
const KEY = "k".repeat(64);
const server = createServer(async (req, res) => {
  let body = "";
  for await (const chunk of req) body += String(chunk);
  const request = { path: req.url ?? "", headers: req.headers, body };
  const challenge = String(req.headers[CHALLENGE_HEADER]);
  if (req.url === "/healthz") {
    if (proofKey !== null)
      res.setHeader(PROOF_HEADER, proofOf(proofKey, challenge, req.socket.localPort ?? 0));
    return res.end("{}");
  }
  seen.push(request);
  const reply = replies(request);
  res.writeHead(reply.status, { "content-type": "application/json", ...reply.headers });
  res.end(JSON.stringify(reply.body ?? {}));
});

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "medvault-import-"));
  seen = [];
  proofKey = KEY;
  replies = () => ({ status: 200, body: STORED });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  await writeFile(join(folder, "ops.json"), JSON.stringify(OPS()));
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  await rm(folder, { recursive: true, force: true });
});

const gateway = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const file = async (name: string, content: string | Buffer) => {
  await writeFile(join(folder, name), content);
  return join(folder, name);
};

const run = (args: string[], env: Record<string, string> = { MEDVAULT_TOKEN: "t0ken" }) =>
  runTool("import", args, { MEDVAULT_DATA: folder, ...env });
/** What `npm start` wrote. */
const OPS = (more: object = {}) => ({
  gateway: gateway(),
  processes: [{ name: "gateway", proofKey: KEY }],
  ...more,
});

test("bundles go up one by one with a key of their content, plain or gzipped, and are summed up", async () => {
  const [a, b] = [await file("a.json", BUNDLE), await file("b.json.gz", gzipSync(BUNDLE))];
  const { code, out } = await run(["--gateway", gateway(), a, b]);
  expect(out).toMatch(
    /^ok {6}a\.json: 1 patient, 1 record, 1 kept as they came, 1 of them in nobody's chart \(\d+\.\d s\)\nok {6}b\.json\.gz: /,
  );
  expect(out).toContain("2 of 2 bundles loaded");
  expect(code).toBe(0);
  expect(seen.map((request) => request.path)).toEqual(["/v1/fhir", "/v1/fhir"]);
  expect(seen[0]?.headers.authorization).toBe("Bearer t0ken");
  expect(seen[0]?.headers["idempotency-key"]).toMatch(/^[0-9a-f]{64}$/);
  expect(seen[0]?.headers["idempotency-key"]).toBe(seen[1]?.headers["idempotency-key"]);
});

test("a file that is missing, no JSON, no bundle or damaged is named, and the others still load", async () => {
  const paths = [
    join(folder, "missing.json"),
    await file("text.json", "hello"),
    await file("patient.json", '{"resourceType":"Patient"}'),
    await file("torn.json.gz", gzipSync(BUNDLE).subarray(0, 20)),
    await file("good.json", BUNDLE),
  ];
  const { code, out } = await run(["--gateway", gateway(), ...paths]);
  for (const said of [
    "no such file",
    "not JSON",
    "not a FHIR Bundle",
    "damaged gzip",
    "1 of 5 bundles loaded",
  ]) {
    expect(out).toContain(said);
  }
  expect(code).toBe(1);
  expect(seen).toHaveLength(1);
});

test("a refused bundle is shown with its paths", async () => {
  const errors = [{ path: "entry.3.resource.code", message: "is wrong" }];
  replies = () => ({ status: 400, body: { code: "invalid_input", errors } });
  const { code, out } = await run(["--gateway", gateway(), await file("a.json", BUNDLE)]);
  expect(out).toContain("entry.3.resource.code: is wrong");
  expect(code).toBe(1);
});

test("asked to wait, it waits and goes on", async () => {
  replies = () =>
    seen.length === 1 ? { status: 429, headers: { "retry-after": "1" } } : { status: 200, body: STORED };
  const { code, out } = await run(["--gateway", gateway(), await file("a.json", BUNDLE)]);
  expect(out).toContain("asked to wait 1 s");
  expect(code).toBe(0);
});

test("a token that is not accepted ends it at once", async () => {
  replies = () => ({ status: 401, body: { code: "unauthenticated" } });
  const [a, b] = [await file("a.json", BUNDLE), await file("b.json", BUNDLE)];
  const { code, out } = await run(["--gateway", gateway(), a, b]);
  expect(out).toMatch(/sign in again.*0 of 2 bundles loaded.*1 not tried/s);
  expect(code).toBe(1);
  expect(seen).toHaveLength(1);
});

test("a stranger at the gateway's port, and one whose gateway cannot be proved, get no password and no token", async () => {
  const bundle = await file("a.json", BUNDLE);
  const own = { MEDVAULT_PASSWORD: "pw", MEDVAULT_TOTP_SECRET: "GEZDGNBVGY3TQOJQ" };
  for (const stranger of [null, "s".repeat(64)]) {
    proofKey = stranger;
    expect(await run(["--gateway", gateway(), bundle])).toMatchObject({
      code: 75,
      err: expect.stringMatching(/is not this MedVault's gateway; nothing was sent to it/),
    });
    expect((await run(["--user", "doc", bundle], own)).code).toBe(75);
  }
  proofKey = KEY;
  const nowhere = { MEDVAULT_DATA: join(folder, "none"), MEDVAULT_TOKEN: "t0ken" };
  expect(await run([bundle], nowhere)).toMatchObject({
    code: 2,
    err: expect.stringMatching(/at http:\/\/127\.0\.0\.1:8080 cannot be proved, and nothing was sent/),
  });
  proofKey = null;
  const byName = gateway().replace("127.0.0.1", "localhost");
  expect((await run(["--gateway", byName, bundle])).code).toBe(75);
  expect(seen).toEqual([]);
});

test("another MedVault's gateway is the word of who names it, but gets nothing of the demo's", async () => {
  proofKey = null;
  const elsewhere = { ...OPS(), gateway: "http://127.0.0.1:9", demo: { users: [{ role: "doctor" }] } };
  await file("ops.json", JSON.stringify(elsewhere));
  const bundle = await file("a.json", BUNDLE);
  expect((await run(["--gateway", gateway(), bundle])).code).toBe(0);
  expect(seen.map(({ path }) => path)).toEqual(["/v1/fhir"]);
  expect((await run(["--demo", "--gateway", gateway(), bundle])).err).toMatch(
    /is not this MedVault's gateway/,
  );
  expect(seen).toHaveLength(1);
});

test("numbers go with the digits that the file has", async () => {
  const observation = `{"resourceType":"Observation","valueQuantity":{"value":7.10},"valueInteger":2}`;
  const text = `{"resourceType":"Bundle","type":"transaction","entry":[{"resource":${observation}}]}`;
  expect((await run(["--gateway", gateway(), await file("a.json", text)])).code).toBe(0);
  expect(seen.at(-1)?.body).toBe(text);
});

test("nobody at the gateway is said in one sentence", async () => {
  const { code, out, err } = await run(["--gateway", "http://127.0.0.1:9", await file("a.json", BUNDLE)]);
  const sentence = "import: nobody answers at the gateway; is MedVault running (npm start)?\n";
  expect({ code, out, err }).toEqual({ code: 75, out: "", err: sentence });
});

test("the demo doctor signs in with password and code, and renews a token that ran out", async () => {
  const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
  const ops = OPS({
    demo: { users: [{ role: "doctor", username: "doc", password: "pw", totpSecret: secret }] },
  });
  await file("ops.json", JSON.stringify(ops));
  replies = ({ path, headers }) => {
    if (path === "/v1/auth/login") return { status: 200, body: { mfaRequired: true, mfaToken: "m" } };
    if (path === "/v1/auth/mfa/challenge")
      return { status: 200, body: { accessToken: "a1", refreshToken: "r1" } };
    if (path === "/v1/auth/refresh") return { status: 200, body: { accessToken: "a2", refreshToken: "r2" } };
    return headers.authorization === "Bearer a2"
      ? { status: 200, body: STORED }
      : { status: 401, body: { code: "unauthenticated" } };
  };
  const { code, out } = await run(["--demo", "--json", await file("a.json", BUNDLE)], {
    MEDVAULT_DATA: folder,
  });
  expect(JSON.parse(out)).toMatchObject({
    planned: 1,
    loaded: 1,
    sums: { patients: 1, kept: 1 },
    files: [{ ok: true }],
  });
  expect(code).toBe(0);
  expect(seen.map((request) => request.path)).toEqual([
    "/v1/auth/login",
    "/v1/auth/mfa/challenge",
    "/v1/fhir",
    "/v1/auth/refresh",
    "/v1/fhir",
  ]);
  expect(JSON.parse(seen[1]?.body ?? "")).toEqual({ mfaToken: "m", code: expect.stringMatching(/^\d{6}$/) });
});

test("tools that run at once use different codes, and none uses one that was used", async () => {
  const secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
  const waits = vi.fn();
  const codes = await Promise.all(
    [1, 2, 3].map(() => {
      let now = 1_700_000_000_000;
      return unusedCode(secret, folder, waits, { now: () => now, delay: async (ms) => (now += ms) });
    }),
  );
  expect(new Set(codes).size).toBe(3);
  expect(waits).toHaveBeenCalledTimes(1 + 2);
});

test("wrong usage is one sentence and exit code 2", async () => {
  expect(await run([])).toMatchObject({ code: 2, err: expect.stringContaining("name at least one bundle") });
  expect(await run(["--wat", "x"])).toMatchObject({ code: 2 });
  expect(await run(["a.json"], {})).toMatchObject({
    code: 2,
    err: expect.stringContaining("say who you are"),
  });
  expect(await run(["--help"], {})).toMatchObject({ code: 0, out: expect.stringContaining("--gateway") });
});

// RFC 6238, appendix B: SHA-1, the last six of the eight digits.
test.each([
  [59, "287082"],
  [1_111_111_109, "081804"],
  [20_000_000_000, "353130"],
])("the code at second %d is %s", async (second, code) => {
  expect(await totpCode("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", second * 1000)).toBe(code);
  expect(untilNextCodeMs(second * 1000)).toBe(30_000 - ((second * 1000) % 30_000));
});
