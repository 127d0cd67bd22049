import { once } from "node:events";
import { openAsBlob } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { MedVaultClient, NoAnswer, ProblemError, type Tokens } from "./index.ts";

interface Seen {
  call: string;
  headers: IncomingHttpHeaders;
  body: string;
}
let seen: Seen[];
let answer: (seen: Seen, res: ServerResponse) => void;
const server = createServer(async (req, res) => {
  const request = { call: `${req.method} ${req.url}`, headers: req.headers, body: await text(req) };
  seen.push(request);
  answer(request, res);
});
const json = (res: ServerResponse, status: number, body: unknown, headers: Record<string, string> = {}) =>
  void res.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
const problem = (res: ServerResponse, status: number, code: string, headers: Record<string, string> = {}) =>
  json(res, status, { code, detail: "No.", requestId: "r-1", status }, headers);
const calls = () => seen.map((request) => request.call);

beforeEach(async () => {
  seen = [];
  answer = (_request, res) => json(res, 200, {});
  await once(server.listen(0, "127.0.0.1"), "listening");
});
afterEach(async () => {
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
});

const baseUrl = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
const client = (more: Partial<ConstructorParameters<typeof MedVaultClient>[0]> = {}) =>
  new MedVaultClient({ baseUrl: baseUrl(), patience: { maxWaitMs: 2_000 }, ...more });
const signedIn = { access: "a1", refresh: "r1" };
const PAIR = { accessToken: "a2", refreshToken: "r2" };
const PRESCRIPTION = {
  patientId: "p",
  medication: "Metformin",
  dosage: "1",
  startDate: "2026-11-01",
  status: "active",
} as const;

test("a call puts its parts where they belong, and gives what came, with the request's id", async () => {
  answer = (_request, res) => json(res, 200, { id: "1" }, { "x-request-id": "abc", etag: '"3"' });
  const api = client({ tokens: signedIn });
  const read = await api.call("GET /v1/patients/{id}", {
    path: { id: "a/b ?" },
    query: { unmask: "phone" },
    headers: { "X-Purpose": "TREAT" },
  });
  expect(read).toMatchObject({ data: { id: "1" }, status: 200, requestId: "abc" });
  expect(read.headers.get("etag")).toBe('"3"');
  expect(seen[0]).toMatchObject({
    call: "GET /v1/patients/a%2Fb%20%3F?unmask=phone",
    headers: { authorization: "Bearer a1", "x-purpose": "TREAT" },
  });
  await expect(api.call("GET /v1/patients/{id}", { path: { id: ".." } })).rejects.toThrow(TypeError);
  expect(seen).toHaveLength(1);
});

test("a refusal is an error with status, code, request id and the faults", async () => {
  const errors = [{ path: "q", message: "is needed" }];
  answer = (_request, res) =>
    json(res, 400, { code: "invalid_input", detail: "Bad.", requestId: "r", errors });
  const refused = await client()
    .call("POST /v1/patients/search", { body: {} })
    .catch((error: unknown) => error);
  expect(refused).toBeInstanceOf(ProblemError);
  expect(refused).toMatchObject({
    status: 400,
    code: "invalid_input",
    requestId: "r",
    message: "Bad.",
    errors,
  });
  answer = (_request, res) => void res.writeHead(502, { "content-type": "text/html" }).end("<h1>proxy</h1>");
  const foreign = client({ patience: { attempts: 1 } }).call("GET /readyz");
  await expect(foreign).rejects.toMatchObject({ status: 502, code: "unknown" });
});

test("calls that meet a token that ran out share one refresh, and the new pair is saved before it is used", async () => {
  answer = ({ call, headers, body }, res) => {
    if (call === "POST /v1/auth/refresh") {
      expect([headers.authorization, JSON.parse(body)]).toEqual([undefined, { refreshToken: "r1" }]);
      return json(res, 200, PAIR);
    }
    return headers.authorization === "Bearer a2" ? json(res, 200, {}) : problem(res, 401, "unauthenticated");
  };
  const saved: (Tokens | null)[] = [];
  const api = client({ tokens: signedIn, store: { save: (tokens) => void saved.push(tokens) } });
  await Promise.all(Array.from({ length: 20 }, () => api.call("GET /v1/auth/me")));
  expect(calls().filter((call) => call.includes("refresh"))).toHaveLength(1);
  expect(saved).toEqual([{ access: "a2", refresh: "r2" }]);
});

test("a refresh that another process made first takes over what it saved, or else leaves the refusal", async () => {
  answer = ({ call, headers }, res) => {
    if (call.includes("refresh")) return problem(res, 409, "refresh_superseded");
    return headers.authorization === "Bearer a2" ? json(res, 200, {}) : problem(res, 401, "unauthenticated");
  };
  const sharing = client({ tokens: signedIn, store: { load: () => ({ access: "a2", refresh: "r2" }) } });
  await expect(sharing.call("GET /v1/auth/me")).resolves.toMatchObject({ status: 200 });
  const alone = client({ tokens: signedIn });
  await expect(alone.call("GET /v1/auth/me")).rejects.toMatchObject({ code: "unauthenticated" });
  expect(calls().filter((call) => call.includes("refresh"))).toHaveLength(2);
});

test("a refresh token that is refused ends the session here, and no wrong password asks for a refresh", async () => {
  answer = ({ call }, res) =>
    problem(res, 401, call.includes("refresh") ? "refresh_reused" : "unauthenticated");
  const api = client({ tokens: signedIn });
  await expect(api.call("GET /v1/auth/me")).rejects.toMatchObject({ code: "unauthenticated" });
  expect(api.session.tokens).toBeNull();
  seen = [];
  answer = (_request, res) => problem(res, 401, "invalid_credentials");
  const stepUp = client({ tokens: signedIn }).call("POST /v1/auth/step-up", { body: { password: "x" } });
  await expect(stepUp).rejects.toMatchObject({ code: "invalid_credentials" });
  expect(seen).toHaveLength(1);
});

test("a write keeps one key through all its attempts, and is sent again only when asked to", async () => {
  answer = (_request, res) => {
    if (seen.length === 1) return problem(res, 503, "unavailable", { "retry-after": "1" });
    if (seen.length === 2) return problem(res, 409, "request_in_progress");
    if (seen.length === 3) return void res.destroy();
    return json(res, 201, {});
  };
  const waits: number[] = [];
  const api = client({ patience: { attempts: 4, maxWaitMs: 2_000, onWait: (ms) => void waits.push(ms) } });
  await expect(api.call("POST /v1/prescriptions", { body: PRESCRIPTION })).resolves.toMatchObject({
    status: 201,
  });
  const keys = new Set(seen.map((request) => request.headers["idempotency-key"]));
  expect([seen.length, keys.size, [...keys][0]]).toEqual([4, 1, expect.stringMatching(/^[0-9a-f-]{36}$/)]);
  expect(waits[0]).toBeGreaterThanOrEqual(1_000);
});

test("what may have happened is not done twice, and no wait is longer than allowed", async () => {
  const register = () =>
    client().call("POST /v1/auth/register", { body: { username: "u", email: "e@x.org", password: "p" } });
  answer = (_request, res) => problem(res, 503, "unavailable", { "retry-after": "0" });
  await expect(register()).rejects.toMatchObject({ code: "unavailable" });
  answer = (_request, res) => void res.destroy();
  await expect(register()).rejects.toMatchObject({ name: "NoAnswer", reason: "unreachable" });
  answer = (_request, res) => problem(res, 429, "login_locked", { "retry-after": "3600" });
  await expect(register()).rejects.toMatchObject({ code: "login_locked", retryAfterMs: 3_600_000 });
  expect(seen).toHaveLength(3);
  answer = (_request, res) => problem(res, 429, "rate_limited", { "retry-after": "0" });
  await expect(register()).rejects.toMatchObject({ code: "rate_limited" });
  expect(seen).toHaveLength(3 + 4);
});

test("a time limit and a signal end a call; the signal also ends the waiting between attempts", async () => {
  answer = () => undefined;
  const once = { patience: { attempts: 1 } };
  const late = client(once).call("GET /healthz", {}, { timeoutMs: 50 });
  await expect(late).rejects.toBeInstanceOf(NoAnswer);
  await expect(late).rejects.toMatchObject({ reason: "timeout" });
  const stopped = client(once).call("GET /healthz", {}, { signal: AbortSignal.abort(new Error("enough")) });
  await expect(stopped).rejects.toThrow("enough");
  answer = (_request, res) => problem(res, 429, "rate_limited", { "retry-after": "2" });
  const stop = new AbortController();
  const patience = { onWait: () => stop.abort(new Error("enough")) };
  await expect(client().call("GET /healthz", {}, { signal: stop.signal, patience })).rejects.toThrow(
    "enough",
  );
});

test("lists are read page after page, with the cursor where the list takes it", async () => {
  const page = (cursor: string | null) => ({
    items: [{ id: `after-${cursor}` }],
    nextCursor: cursor === null ? "c1" : null,
  });
  answer = ({ call, body }, res) => {
    const inQuery = new URL(call.split(" ")[1] ?? "", baseUrl()).searchParams.get("cursor");
    const inBody = body ? ((JSON.parse(body) as { cursor?: string }).cursor ?? null) : null;
    json(res, 200, page(inQuery ?? inBody));
  };
  const ids = async (list: AsyncIterable<{ id: string }>) => {
    const found: string[] = [];
    for await (const { id } of list) found.push(id);
    return found;
  };
  const api = client();
  expect(await ids(api.items("GET /v1/patients", { query: { limit: 1 } }))).toEqual([
    "after-null",
    "after-c1",
  ]);
  expect(await ids(api.items("POST /v1/patients/search", { body: { q: "a" } }))).toEqual([
    "after-null",
    "after-c1",
  ]);
  expect(calls()[1]).toBe("GET /v1/patients?limit=1&cursor=c1");
  expect(JSON.parse(seen[3]?.body ?? "")).toEqual({ q: "a", cursor: "c1" });
});

test("bytes come as a stream while they are sent, and may take longer than the time limit", async () => {
  let finish = () => {};
  answer = (_request, res) => {
    res.writeHead(200, { "content-type": "text/plain" }).write("first");
    finish = () => void res.end("last");
  };
  const path = { id: "f" };
  const { data } = await client().call("GET /v1/files/{id}/content", { path }, { timeoutMs: 60 });
  const reader = data.getReader();
  expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("first");
  setTimeout(finish, 90);
  expect(Buffer.from((await reader.read()).value ?? []).toString()).toBe("last");
});

test("files go up as they lie on the disk, read again for each attempt", async () => {
  const folder = await mkdtemp(join(tmpdir(), "medvault-client-"));
  try {
    await writeFile(join(folder, "a.txt"), "hello");
    const file = new File([await openAsBlob(join(folder, "a.txt"))], "a.txt", { type: "text/plain" });
    answer = (_request, res) =>
      seen.length === 1 ? problem(res, 503, "unavailable") : json(res, 201, { items: [] });
    const body = { patientId: "p", files: [file, file] };
    expect((await client().call("POST /v1/files", { body })).status).toBe(201);
    expect(seen).toHaveLength(2);
    for (const { headers, body: sent } of seen) {
      expect(headers["content-type"]).toMatch(/^multipart\/form-data; boundary=/);
      expect(sent.match(/filename="a.txt"/g)).toHaveLength(2);
      expect(sent).toMatch(/name="patientId"[\s\S]*hello/);
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test("the types know each operation's parts", () => {
  const api = client();
  const typed = () => {
    // @ts-expect-error a path value is missing
    void api.call("GET /v1/patients/{id}");
    // @ts-expect-error no such status
    void api.call("POST /v1/prescriptions", { body: { ...PRESCRIPTION, status: "gone" } });
    // @ts-expect-error no such operation
    void api.call("GET /v1/nothing");
    // @ts-expect-error not a list
    void api.items("GET /v1/auth/me");
  };
  expect(typed).toBeTypeOf("function");
});

test("the audit log is followed over streams that end or break off in the middle, and with a renewed token", async () => {
  const entry = (index: number) => `id: ${index}\ndata: {"index":${index},"subject":"ü"}\n\n`;
  const streams: ((res: ServerResponse) => void)[] = [
    (res) => void res.end(`retry: 1000\nid: 4\n\n: heartbeat\nid: 6\n\nevent: alert\n${entry(7)}`),
    (res) => {
      const bytes = Buffer.from(entry(8) + entry(9));
      res.write(bytes.subarray(0, 20)); // in the middle of a line
      globalThis.setTimeout(() => res.write(bytes.subarray(20, -8), () => res.destroy()), 20);
    },
    (res) => void res.end(entry(9) + entry(10)),
  ];
  answer = ({ call, headers }, res) => {
    if (call.startsWith("POST")) return json(res, 200, PAIR);
    if (streams.length < 3 && headers.authorization !== "Bearer a2")
      return problem(res, 401, "unauthenticated");
    res.writeHead(200, { "content-type": "text/event-stream" });
    streams.shift()?.(res);
  };
  const enough = new AbortController();
  const got: string[] = [];
  for await (const { event, entry } of client({ tokens: signedIn }).follow(
    { outcome: "denied" },
    enough.signal,
  )) {
    got.push(`${event} ${entry.index}`);
    if (entry.index === 10) enough.abort();
  }
  expect(got).toEqual(["alert 7", "message 8", "message 9", "message 10"]);
  const asked = calls()
    .filter((call) => call.startsWith("GET"))
    .map((call) => call.split("?")[1]);
  expect([...new Set(asked)]).toEqual(["outcome=denied", "outcome=denied&after=7", "outcome=denied&after=8"]);
});
