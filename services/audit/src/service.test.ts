import { spawnSync } from "node:child_process";
import { type AuditEventPage, type AuditProof, encodeCursor } from "@medvault/contracts";
import { drainedEvents, signedIn } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { z } from "zod";
import { startAudit, type TestAudit } from "../test/harness.ts";
import { event, events } from "../test/log-harness.ts";
import { plainRoot } from "../test/plain-tree.ts";
import { openCheckpoint } from "./tree/checkpoint.ts";

type EventPage = z.infer<typeof AuditEventPage>;

let audit: TestAudit;
beforeAll(async () => {
  audit = await startAudit();
}, 30_000);
afterAll(() => audit.end());

/** Seven events that every filter tells apart; sent once for the whole file. */
const patient = "0197a000-0000-7000-8000-00000000000a";
const doctor = "0197a000-0000-7000-8000-00000000000d";
const some = events(5);
const denied = event(6, {
  subject: "prescription/0197a000-0000-7000-8000-0000000000aa",
  data: {
    actor: { id: doctor, role: "doctor", sessionId: null },
    from: { ip: "198.51.100.9", userAgent: '=cmd|"/c calc"!A1' },
    patientIds: [patient],
    outcome: "denied",
    decision: { allowed: false, reason: "not_assigned" },
  },
});
const list = event(7, {
  type: "medvault.records.patient.listed.v1",
  requestid: "request-of-the-list",
  data: {
    patientIds: [patient, "0197a000-0000-7000-8000-00000000000b"],
    action: "patient:read",
    purpose: null,
  },
});
beforeAll(async () => {
  await audit.send(...some, denied, list);
  await audit.logged(7);
}, 30_000);

const ids = (page: EventPage) => page.items.map((item) => item.id);
const query = async (search: string) =>
  await audit.as("auditor").get<EventPage>(`/v1/audit/events?${search}`);

test("threat: a time that no calendar or database has, in a filter or a cursor, is 400 and never 500", async () => {
  for (const time of [8640000000000001, -8640000000000000, -210866803200001, Number.MAX_SAFE_INTEGER]) {
    const answer = await query(`cursor=${encodeCursor([time, 1])}`);
    expect(answer, String(time)).toMatchObject({ status: 400, body: { code: "invalid_input" } });
  }
  for (const name of ["from", "to"]) {
    expect(await query(`${name}=0000-01-01T00:00:00Z`)).toMatchObject({ status: 400 });
    expect(await query(`${name}=0001-01-01T00:00:00Z`)).toMatchObject({ status: 200 });
    expect(await query(`${name}=9999-12-31T23:59:59Z`)).toMatchObject({ status: 200 });
  }
});

test("events come back newest first with everything that they said", async () => {
  const { status, body } = await query("limit=2");
  expect(status).toBe(200);
  expect(ids(body)).toEqual([list.id, denied.id]);
  expect(body.items[1]).toEqual({
    id: denied.id,
    index: 5,
    time: denied.time,
    type: denied.type,
    producer: "records",
    actor: { id: doctor, name: null, role: "doctor", sessionId: null },
    patientId: patient,
    patientIds: [patient],
    subject: denied.subject,
    action: "prescription:read",
    outcome: "denied",
    purpose: "TREAT",
    ip: "198.51.100.9",
    userAgent: '=cmd|"/c calc"!A1',
    requestId: denied.requestid,
    fields: ["medication"],
    details: {},
    decision: { allowed: false, reason: "not_assigned" },
    damaged: false,
  });
});

test("every filter finds what it names and nothing else, alone and together", async () => {
  const found = async (search: string) => ids((await query(search)).body).sort();
  expect(await found(`actorId=${doctor}`)).toEqual([denied.id]);
  expect(await found(`patientId=${patient}`)).toEqual([denied.id, list.id].sort());
  expect(await found(`subject=${denied.subject}`)).toEqual([denied.id]);
  expect(await found(`type=${list.type}`)).toEqual([list.id]);
  expect(await found("action=patient:read")).toEqual([list.id]);
  expect(await found("outcome=denied")).toEqual([denied.id]);
  expect(await found("ip=198.51.100.9")).toEqual([denied.id]);
  expect(await found("requestId=request-of-the-list")).toEqual([list.id]);
  expect(await found(`from=${list.time}`)).toEqual([list.id]);
  expect(await found(`to=${some[1]?.time}`)).toEqual([some[0]?.id]);
  expect(await found(`patientId=${patient}&outcome=denied`)).toEqual([denied.id]);
  expect(await found(`patientId=${patient}&outcome=failure`)).toEqual([]);
});

test("pages follow one another without a gap or a repetition, and the last one says so", async () => {
  const seen: string[] = [];
  let cursor: string | null = "";
  for (let pages = 0; cursor !== null && pages < 10; pages += 1) {
    const { body }: { body: EventPage } = await query(
      `limit=3&type=${denied.type}${cursor && `&cursor=${cursor}`}`,
    );
    seen.push(...ids(body));
    cursor = body.nextCursor;
  }
  expect(seen).toEqual([denied, ...some.toReversed()].map((each) => each.id));
});

test("unknown filters, bad values and foreign cursors are 400 with the path of the fault", async () => {
  for (const search of [
    "patient=1",
    "patientId=1",
    "outcome=maybe",
    "limit=0",
    "limit=101",
    "from=yesterday",
    "cursor=abc",
    `cursor=${Buffer.from('["x",1]').toString("base64url")}`,
    "actorId=a&actorId=b",
  ]) {
    expect((await query(search)).status, search).toBe(400);
    expect((await query(search)).body).toMatchObject({ code: "invalid_input" });
  }
});

test("one event is found by its id; an unknown one, and what is no id, are 404", async () => {
  const auditor = audit.as("auditor");
  expect((await auditor.get(`/v1/audit/events/${list.id}`)).body).toMatchObject({ id: list.id, index: 6 });
  for (const id of [doctor, "not-an-id"]) {
    expect(await auditor.get(`/v1/audit/events/${id}`)).toMatchObject({
      status: 404,
      body: { code: "not_found" },
    });
  }
});

test("reading the log is an event of its own, with the names of the filters and the patient asked about", async () => {
  await drainedEvents(audit.pool);
  const auditor = audit.as("auditor");
  await auditor.get(`/v1/audit/events?patientId=${patient}&ip=198.51.100.9`);
  const [read] = await drainedEvents(audit.pool);
  expect(read).toMatchObject({
    type: "medvault.audit.log.queried.v1",
    data: {
      actor: { id: auditor.actor.id, role: "auditor" },
      patientIds: [patient],
      fields: ["patientId", "ip"],
      outcome: "success",
      details: { limit: 20, returned: 1 },
    },
  });
  expect(JSON.stringify(read)).not.toContain("198.51.100.9");
  for (const path of [`events/${list.id}`, `events/${list.id}/proof`, "stats", "completeness", "export"]) {
    await auditor.get(`/v1/audit/${path}`);
    expect(await drainedEvents(audit.pool), path).toHaveLength(1);
  }
  await auditor.post("/v1/audit/verify");
  expect(await drainedEvents(audit.pool)).toHaveLength(1);
});

test("doctors and patients are refused what holds bodies, and the refusal is logged; a guest must sign in", async () => {
  for (const role of ["doctor", "patient"] as const) {
    for (const path of [
      "events",
      `events/${list.id}`,
      // A patient's own acts have one: my-access/my-access.test.ts.
      ...(role === "doctor" ? [`events/${list.id}/proof`] : []),
      "stats",
      "completeness",
      "export",
    ]) {
      await drainedEvents(audit.pool);
      expect(await audit.as(role).get(`/v1/audit/${path}`), `${role} ${path}`).toMatchObject({
        status: 403,
        body: { code: "forbidden" },
      });
      expect(await drainedEvents(audit.pool)).toMatchObject([
        { type: "medvault.audit.request.denied.v1", data: { outcome: "denied", actor: { role } } },
      ]);
    }
    expect((await audit.as(role).post("/v1/audit/verify")).status).toBe(403);
  }
  expect((await audit.as("guest").get("/v1/audit/events")).status).toBe(401);
  expect((await audit.as("guest").get("/v1/audit/checkpoint")).status).toBe(401);
});

test("checkpoints, tiles and consistency are for anyone who is signed in, and leave no event of reading", async () => {
  await drainedEvents(audit.pool);
  const doctor = audit.as("doctor");
  const { status, headers, body: note } = await doctor.get<string>("/v1/audit/checkpoint");
  expect([status, headers.get("content-type")]).toEqual([200, "text/plain; charset=utf-8"]);
  const checkpoint = openCheckpoint(note, audit.signer.key, audit.signer.origin);
  const size = checkpoint?.size ?? 0;
  const tile = await doctor.get(`/v1/audit/tile/0/000.p/${size}`);
  expect(tile.headers.get("cache-control")).toContain("immutable");
  expect(tile.bytes).toHaveLength(32 * size);
  const entries = await doctor.get(`/v1/audit/tile/entries/000.p/${size}`);
  const leaves = Array.from({ length: size }, (_, at) => entries.bytes.subarray(34 * at + 2, 34 * at + 34));
  expect(entries.bytes.readUInt16BE(0)).toBe(32);
  expect(plainRoot(leaves)).toEqual(checkpoint?.root);
  for (const path of [
    "0/001",
    "0/000",
    "1/000",
    "0/0",
    "entries/000.p/200",
    `0/000.p/${size + 1}`,
    "..%2f..%2fcheckpoint",
  ]) {
    expect((await doctor.get(`/v1/audit/tile/${path}`)).status, path).toBe(404);
  }
  expect((await drainedEvents(audit.pool)).filter((each) => each.type.includes(".log."))).toEqual([]);
});

test("the history of checkpoints is paged, newest first", async () => {
  await audit.send(event(8));
  await audit.published(8);
  const { body } = await audit
    .as("patient")
    .get<{ items: { size: number; note: string }[]; nextCursor: string }>("/v1/audit/checkpoints?limit=1");
  expect(body.items).toMatchObject([{ size: 8 }]);
  const next = await audit
    .as("patient")
    .get<typeof body>(`/v1/audit/checkpoints?limit=1&cursor=${body.nextCursor}`);
  expect(next.body.items[0]?.size).toBeLessThan(8);
});

const verifier = new URL("../../../tools/verify-proof.mjs", import.meta.url).pathname;
const runVerifier = (args: string[], proof: unknown) =>
  spawnSync(process.execPath, [verifier, ...args, "--key", audit.signer.vkey], {
    input: JSON.stringify(proof),
    encoding: "utf8",
  });

test("the proof of an event convinces the standalone verifier, and a changed one does not", async () => {
  const { status, body } = await audit.as("auditor").get<AuditProof>(`/v1/audit/events/${denied.id}/proof`);
  expect(status).toBe(200);
  expect(runVerifier([], body)).toMatchObject({ status: 0, stdout: expect.stringContaining(denied.id) });
  expect(JSON.parse(Buffer.from(body.canonicalEvent, "base64").toString())).toEqual(denied);
  expect(runVerifier([], { ...body, leafIndex: body.leafIndex + 1 }).status).toBe(1);
});

test("consistency between two checkpoints convinces the standalone verifier; sizes that do not fit are 400", async () => {
  const patientClient = audit.as("patient");
  const { body } = await patientClient.get<object>("/v1/audit/consistency?from=7&to=8");
  expect(body).toMatchObject({ from: 7, to: 8, hashes: expect.any(Array) });
  expect(runVerifier(["consistency"], body).status).toBe(0);
  for (const search of ["from=9&to=8", "from=1&to=1000", "from=0&to=3", "from=1", "from=a&to=b"]) {
    expect((await patientClient.get(`/v1/audit/consistency?${search}`)).status, search).toBe(400);
  }
});

test("an admin can do all that an auditor can", async () => {
  const admin = audit.as("admin");
  expect((await admin.get("/v1/audit/events")).status).toBe(200);
  expect((await admin.post("/v1/audit/verify")).body).toMatchObject({ ok: true, size: expect.any(Number) });
});

test("statistics count outcomes per day", async () => {
  const { body } = await audit.as("auditor").get("/v1/audit/stats?bucket=day&from=2026-01-01T00:00:00Z");
  expect(body).toEqual({
    bucket: "day",
    items: [{ start: "2026-01-01T00:00:00.000Z", total: 8, success: 7, denied: 1, failure: 0 }],
  });
});

test("an export holds every event in the order of the log; a cell cannot become a formula", async () => {
  const auditor = audit.as("auditor");
  const ndjson = await auditor.get("/v1/audit/export?format=ndjson");
  expect(ndjson.headers.get("content-type")).toBe("application/x-ndjson");
  const lines = ndjson.bytes.toString().trim().split("\n");
  const entries = lines.map((line) => JSON.parse(line)).filter(({ kind }) => kind === undefined);
  expect(entries.map(({ index }) => index)).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  const csv = await auditor.get(`/v1/audit/export?format=csv&actorId=${doctor}`);
  expect(csv.headers.get("content-disposition")).toContain("audit.csv");
  const [header, line, end] = csv.bytes.toString().split("\r\n");
  expect(header).toMatch(/^index,id,time/);
  expect(line).toContain(`"'=cmd|""/c calc""!A1"`);
  expect(end).toBe("");
  expect((await auditor.get("/v1/audit/export?format=xml")).status).toBe(400);
});

test("an export needs a fresh sign-in", async () => {
  const { actor } = audit.as("auditor");
  const stale = signedIn(audit.app, { ...actor, authTime: actor.authTime - 3_600 });
  expect(await stale.get("/v1/audit/export")).toMatchObject({
    status: 403,
    body: { code: "step_up_required" },
  });
});
