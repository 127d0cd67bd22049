import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { drainedEvents } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startAudit, type TestAudit } from "../../test/harness.ts";
import { events } from "../../test/log-harness.ts";
import { auditVerify, plainGateway } from "../../test/plain-gateway.ts";

const COUNT = 600;
let audit: TestAudit;
let gateway: Awaited<ReturnType<typeof plainGateway>>;
let dir = "";
beforeAll(async () => {
  audit = await startAudit();
  gateway = await plainGateway(audit);
  dir = await mkdtemp(join(tmpdir(), "audit-verify-"));
  for (let first = 1; first < COUNT; first += 100) await audit.send(...events(100, first));
  await audit.logged(COUNT);
  await audit.published(COUNT);
}, 60_000);
afterAll(async () => {
  gateway.close();
  await audit.end();
  await rm(dir, { recursive: true });
});

interface Found {
  ok: boolean | null;
  from: number;
  size: number;
  bodies: number;
  findings: { kind: string; index: number | null; words: string }[];
  unchecked: string[];
  completeness: { by: string };
}

/** The program, over HTTP, with a folder of its own for each name. */
async function verify(state: string, role = "auditor", ...more: string[]) {
  const args = [
    "--key",
    audit.signer.vkey,
    "--url",
    gateway.url,
    "--state",
    join(dir, state),
    "--json",
    ...more,
  ];
  const { code, out, err } = await auditVerify(args, { MEDVAULT_TOKEN: role });
  return { code, err, report: JSON.parse(out) as Found };
}

test("the program reads the whole log through the API, and a second run only what is new", async () => {
  const first = await verify("incremental");
  expect(first).toMatchObject({ code: 0, err: "" });
  expect(first.report).toMatchObject({ ok: true, from: 0, size: COUNT, bodies: COUNT, unchecked: [] });
  expect(first.report.completeness).toEqual({ by: "entries", gaps: [] });
  await audit.send(...events(7, COUNT + 1));
  await audit.published(COUNT + 7);
  gateway.asked();
  const second = await verify("incremental");
  expect(second.report).toMatchObject({ ok: true, from: COUNT, size: COUNT + 7, bodies: 7 });
  expect(gateway.asked()).toContain(`/v1/audit/hashes?of=log&from=${COUNT}&to=${COUNT + 7}`);
});

test("reading all bodies is in the log, and needs the whole log and a fresh sign-in", async () => {
  await drainedEvents(audit.pool);
  await verify("audited");
  const read = (await drainedEvents(audit.pool)).filter(
    ({ type }) => type === "medvault.audit.log.exported.v1",
  );
  expect(read.at(-1)?.data.details).toEqual({ format: "bodies", from: 0, to: COUNT + 7 });
  const { code, report } = await verify("patient", "patient");
  expect(code).toBe(0);
  expect(report.unchecked).toEqual([expect.stringContaining("the bodies of entries")]);
  expect((await audit.as("patient").get("/v1/audit/bodies?from=0&to=1")).status).toBe(403);
  expect((await audit.as("doctor").get("/v1/audit/bodies?from=0&to=1")).status).toBe(403);
  for (const range of ["from=2&to=1", "from=0&to=100000", "from=0", "from=-1&to=2"])
    expect((await audit.as("auditor").get(`/v1/audit/hashes?of=log&${range}`)).status, range).toBe(400);
});

test("the store outside is checked without the service: --dump", async () => {
  const args = ["--key", join(audit.dir, "audit.vkey"), "--dump", audit.dir, "--state", join(dir, "dump")];
  const { code, out } = await auditVerify(args);
  expect([code, out]).toEqual([
    0,
    expect.stringMatching(/^VALID: the log "example.test\/audit" has 607 entries/),
  ]);
  expect(out).toContain("Not checked: the entries in the database");
});

test("an export, whole or through a filter, is checked by itself; a line changed on its way is found", async () => {
  for (const filter of ["", "&outcome=success&before=300", "&type=medvault.records.claim.paid.v1"]) {
    const { bytes } = await audit.as("auditor").get(`/v1/audit/export?format=ndjson${filter}`);
    const file = join(dir, "export.ndjson");
    await writeFile(file, bytes);
    const args = ["--key", audit.signer.vkey, "--dump", file];
    expect(await auditVerify(args), filter).toMatchObject({
      code: 0,
      out: expect.stringContaining("VALID: the export has"),
    });
    await writeFile(file, bytes.toString().replace('"outcome":"success"', '"outcome":"denied"'));
    const isEmpty = filter.includes("paid");
    expect((await auditVerify(args)).code, filter).toBe(isEmpty ? 0 : 1);
  }
});

/** What a superuser of Postgres can do; each is undone behind it. */
const DONE: Record<string, { sql: string; found: [string, number] }> = {
  "edits a leaf": { sql: "update log set leaf = sha256('x') where idx = 300", found: ["edited", 300] },
  "edits a time": {
    sql: "update log set occurred_at = occurred_at - interval '1 day' where idx = 300",
    found: ["column_changed", 300],
  },
  "edits a body": {
    sql: "update log set sealed = sealed || '\\x00' where idx = 300",
    found: ["body_changed", 300],
  },
  "deletes in the middle": { sql: "delete from log where idx = 300", found: ["deleted", 300] },
  "deletes the tail": { sql: "delete from log where idx >= 590", found: ["deleted", 590] },
  "swaps two leaves": {
    sql: "update log a set leaf = b.leaf from log b where (a.idx, b.idx) in ((300, 400), (400, 300))",
    found: ["swapped", 300],
  },
  "swaps two bodies": {
    sql: "update log a set sealed = b.sealed from log b where (a.idx, b.idx) in ((300, 400), (400, 300))",
    found: ["body_changed", 300],
  },
};

test.each(Object.entries(DONE))(
  "threat: a superuser %s: the program names the first bad entry",
  async (_, { sql, found }) => {
    const { superuser } = audit;
    await superuser.query("create table kept as select * from log");
    await superuser.query(sql);
    const { code, report } = await verify(`threat-${found.join("-")}`);
    await superuser.query("set session_replication_role = replica");
    await superuser.query("delete from log");
    await superuser.query("insert into log select * from kept");
    await superuser.query("set session_replication_role = origin");
    await superuser.query("drop table kept");
    expect(code).toBe(1);
    const first = report.findings.find(({ index }) => index !== null);
    expect([first?.kind, first?.index]).toEqual(found);
  },
);
