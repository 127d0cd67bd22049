import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import { root } from "../dev/lib/paths.mjs";
import { freshAdmin } from "./support/admin.ts";
import type { Answer, Json } from "./support/client.ts";
import { ops as readOps } from "./support/ops.ts";
import { invite, items, type Person, text } from "./support/people.ts";
import type { Ops } from "./support/system.ts";

const SHARED = path.resolve(root, "../shared/data");
/** What screening does not find must be harmless too. Used where the public corpora are missing. */
const OWN = [
  "'",
  '"*"',
  "'; DROP TABLE patients; --",
  "' OR '1'='1",
  "%' or 1=1 --",
  "1 UNION SELECT username, password FROM users",
  "<script>alert(document.cookie)</script>",
  "<",
  "&lt;img src=x onerror=alert(1)>",
  "../../../../etc/passwd",
  "..%2f..%2fetc%2fshadow",
  "$ne",
  "{{7*7}}",
  "_",
  "%",
  "\\",
  "\u202e txt.exe",
];
const CHUNK = 25;
const AT_ONCE = 8;

let ops: Ops;
let doctor: Person;
let patientId: string;
let db: pg.Client;
const payloads = [...OWN];

beforeAll(async () => {
  for (const kind of existsSync(SHARED) ? ["sqli", "xss", "traversal"] : []) {
    const lines = readFileSync(path.join(SHARED, `payloads/${kind}.jsonl`), "utf8")
      .trim()
      .split("\n");
    payloads.push(...lines.map((line) => (JSON.parse(line) as { payload: string }).payload));
  }
  ops = readOps();
  db = new pg.Client({ connectionString: ops.postgres.superuser });
  await db.connect();
  doctor = await invite(ops, (await freshAdmin(ops)).client, "doctor");
  const made = await doctor.client.post("/v1/patients", {
    givenName: "Ana",
    familyName: "O'Brien; DROP TABLE",
    birthDate: "1980-01-02",
    sex: "female",
  });
  patientId = text(made.body, "id");
});
afterAll(() => db.end());

/** What an injection might change: patients to the last byte, accounts, and the tables. */
async function store(): Promise<unknown> {
  const { rows } = await db.query(
    `select (select md5(string_agg(p::text, '' order by p.id)) from records.patients p) as patients,
            (select md5(string_agg(u.id::text || u.role, '' order by u.id)) from auth.users u) as users,
            (select md5(string_agg(c::text, '' order by c.table_schema, c.table_name, c.ordinal_position))
               from information_schema.columns c where c.table_schema not in ('pg_catalog', 'information_schema')
                and c.table_name not like '%\\_p_%') as columns`,
  );
  return rows;
}

async function each<T>(values: readonly T[], act: (value: T) => Promise<void>): Promise<void> {
  for (let i = 0; i < values.length; i += AT_ONCE) await Promise.all(values.slice(i, i + AT_ONCE).map(act));
}

/** JSON that no browser takes for a page. */
function expectHarmless(answer: Answer<Json> & { raw: Buffer }, payload: string): void {
  expect(answer.headers.get("content-type"), payload).toMatch(/^application\/(problem\+)?json/);
  expect(answer.headers.get("x-content-type-options"), payload).toBe("nosniff");
  expect(answer.headers.get("content-security-policy"), payload).toContain("default-src 'none'");
}

test("every payload as words to search for, in a query and in a path changes nothing and finds no one else's data", async () => {
  const before = await store();
  let refused = 0;
  await each(payloads, async (payload) => {
    const body = { q: payload.slice(0, 200) };
    const found = await doctor.client.post("/v1/patients/search", body);
    expectHarmless(found, payload);
    expect(found.raw.toString("utf8"), payload).not.toMatch(/syntax error|node_modules|\bat .*\.ts/);
    // Words to search for are never refused for how they look, only where text cannot hold them.
    expect(found.status, payload).toBe(body.q.isWellFormed() && !body.q.includes("\0") ? 200 : 400);
    if (found.status === 200)
      for (const patient of items(found.body)) expect(patient.id, payload).toBe(patientId);
    if (!payload.isWellFormed()) return;
    const coded = encodeURIComponent(payload);
    const listed = await doctor.client.get(`/v1/prescriptions?status=${coded}`);
    expectHarmless(listed, payload);
    expect(listed.status, payload).toBe(400);
    if (listed.body.code === "request_screened") refused += 1;
    const one = await doctor.client.get(`/v1/patients/${coded}`);
    expectHarmless(one, payload);
    expect([400, 404], payload).toContain(one.status);
  });
  expect(refused / payloads.length).toBeGreaterThan(existsSync(SHARED) ? 0.9 : 0.4);
  expect(await store()).toEqual(before);
}, 600_000);

test("every payload written as clinical text is kept and comes back to the letter", async () => {
  const before = await store();
  const texts = payloads.filter((payload) => payload.isWellFormed() && !payload.includes("\0"));
  const chunks = Array.from({ length: Math.ceil(texts.length / CHUNK) }, (_, i) =>
    texts.slice(i * CHUNK, (i + 1) * CHUNK),
  );
  await each([...OWN.map((own) => [own]), ...chunks], async (chunk) => {
    const written = { title: (chunk[0] as string).slice(0, 1000) || " ", body: chunk.join("\n") };
    const made = await doctor.client.post(`/v1/patients/${patientId}/records`, {
      type: "note",
      occurredAt: "2026-01-02T03:04:05Z",
      ...written,
    });
    expect(made.status, JSON.stringify(made.body).slice(0, 300)).toBe(201);
    const read = await doctor.client.get(`/v1/records/${text(made.body, "id")}`);
    expectHarmless(read, written.title);
    expect(read.body).toMatchObject(written);
  });
  expect(await store()).toEqual(before);
}, 600_000);
