import { EventEmitter } from "node:events";
import { RateLimited } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { givenPatient, givenPrescription, type Records, startRecords } from "../../test/harness.ts";
import { Turns } from "./turns.ts";

const MINUTE = 60_000;
const FORM = { headers: { "content-type": "application/x-www-form-urlencoded" } };

let service: Records;
let greedy: TestClient;
let other: TestClient;
let chartId: string;
beforeEach(async () => {
  service = await startRecords();
  [greedy, other] = [service.someone("doctor"), service.someone("doctor")];
  chartId = await givenPatient(other);
  await givenPrescription(greedy, await givenPatient(greedy));
});
afterEach(() => service?.close());

const times = <T>(count: number, make: (n: number) => T): T[] =>
  Array.from({ length: count }, (_, n) => make(n));

/** Turns whose waiting ends by what a test does, however busy the machine is. */
function patientTurns(waitingMax = 64): Turns {
  const turns = new Turns({ waitingMax, waitMs: MINUTE });
  Object.assign(service.context, { turns });
  return turns;
}

/** Searches of prescriptions by the greedy one stand still until they are let go. */
function holdSearches() {
  const { search } = service.context;
  const rows = search.rows;
  const started: string[] = [];
  const gate = Promise.withResolvers<void>();
  const held: typeof rows = async (actor, permission, asked, after, limit) => {
    if (actor.id === greedy.actor.id) {
      started.push(asked.words.join(" "));
      await gate.promise;
    }
    return rows(actor, permission, asked, after, limit);
  };
  Object.assign(search, { rows: held });
  return { started, letGo: gate.resolve };
}

test("24 searches of one hold up nobody else, run three at a time, and are all answered", async () => {
  const turns = patientTurns();
  const { started, letGo } = holdSearches();
  const all = times(24, () => greedy.post("/v1/prescriptions/search", { q: "acetyl" }));
  await vi.waitFor(() => expect(started).toHaveLength(3), MINUTE);
  expect(await other.post("/v1/prescriptions/search", { q: "acetyl" })).toMatchObject({ status: 200 });
  expect(await other.post("/v1/patients/search", { q: "marsh" })).toMatchObject({ status: 200 });
  expect(await other.get(`/v1/patients/${chartId}`)).toMatchObject({ status: 200 });
  expect(await greedy.get("/v1/patients")).toMatchObject({ status: 200 });
  expect(started).toHaveLength(3);
  expect(turns.actors).toBe(1);
  letGo();
  for (const answer of await Promise.all(all)) expect(answer).toMatchObject({ status: 200 });
  expect(started).toHaveLength(24);
  expect(turns.actors).toBe(0);
});

test("every kind of search takes a turn, and is refused where none is left", async () => {
  const turns = patientTurns(0);
  const { started, letGo } = holdSearches();
  const running = times(3, () => greedy.post("/v1/prescriptions/search", { q: "acetyl" }));
  await vi.waitFor(() => expect(started).toHaveLength(3), MINUTE);
  const refused = await Promise.all([
    greedy.post("/v1/patients/search", { q: "a", limit: 100 }),
    greedy.post("/v1/prescriptions/search", { q: "acetyl" }),
    greedy.post(`/v1/patients/${chartId}/records/search`, { q: "cough" }),
    greedy.get("/v1/fhir/MedicationRequest"),
    greedy.post("/v1/fhir/MedicationRequest/_search", "code=NOPE1", FORM),
    service.someone("admin", { id: greedy.actor.id }).get(`/v1/fhir/Patient/${chartId}/$everything`),
  ]);
  for (const answer of refused) {
    expect(answer.status).toBe(429);
    expect(answer.headers.get("retry-after")).toBe("1");
  }
  expect(refused[0]?.body).toMatchObject({ code: "rate_limited" });
  letGo();
  await Promise.all(running);
  expect(await greedy.post("/v1/patients/search", { q: "a" })).toMatchObject({ status: 200 });
  expect(turns.actors).toBe(0);
});

test("real searches of one, all at once, leave another's answered", async () => {
  const turns = patientTurns();
  const all = times(24, () => greedy.post("/v1/fhir/MedicationRequest/_search", "code=NOPE1", FORM));
  expect(await other.post("/v1/patients/search", { q: "marsh" })).toMatchObject({ status: 200 });
  expect(await other.get(`/v1/patients/${chartId}`)).toMatchObject({ status: 200 });
  for (const answer of await Promise.all(all)) expect(answer).toMatchObject({ status: 200 });
  expect(turns.actors).toBe(0);
});

test("those who wait come in their order, and what fails passes its turn on", async () => {
  const turns = new Turns({ waitMs: MINUTE });
  const started: number[] = [];
  const ends = times(6, () => Promise.withResolvers<void>());
  const all = ends.map(({ promise }, n) =>
    turns.run("one", undefined, () => {
      started.push(n);
      return promise;
    }),
  );
  const settled = Promise.allSettled(all);
  expect(started).toEqual([0, 1, 2]);
  ends[1]?.reject(new Error("failed"));
  await expect(all[1]).rejects.toThrow("failed");
  await vi.waitFor(() => expect(started).toEqual([0, 1, 2, 3]), MINUTE);
  for (const { resolve } of ends) resolve();
  await settled;
  expect(started).toEqual([0, 1, 2, 3, 4, 5]);
  expect(turns.actors).toBe(0);
});

test("who waits too long, or has left, is refused and takes no turn", async () => {
  for (const waitMs of [1, MINUTE]) {
    const turns = new Turns({ waitMs });
    const { promise, resolve } = Promise.withResolvers<void>();
    const running = times(3, () => turns.run("one", undefined, () => promise));
    const answer = new EventEmitter();
    const work = vi.fn(async () => undefined);
    const waiting = turns.run("one", answer, work);
    const refused = expect(waiting).rejects.toThrow(RateLimited);
    if (waitMs === MINUTE) answer.emit("close");
    await refused;
    expect(answer.listenerCount("close")).toBe(0);
    resolve();
    await Promise.all(running);
    expect(work).not.toHaveBeenCalled();
    expect(turns.actors).toBe(0);
  }
});
