import { type AccountRole, newId } from "@medvault/contracts";
import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { ASPIRIN, givenPatient, type Known, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
let anna: TestClient;
let bruno: TestClient;
let patientId: string;
const called = (who: TestClient) => ({ id: who.actor.id, name: service.auth.names.get(who.actor.id) });

beforeAll(async () => {
  service = await startRecords();
  [anna, bruno] = [service.someone("doctor"), service.someone("doctor")];
  service.auth.names.set(anna.actor.id, "Anna Weber").set(bruno.actor.id, "Bruno Keller");
  patientId = await givenPatient(anna);
  await anna.put(`/v1/patients/${patientId}/care-team/${bruno.actor.id}`);
});
afterAll(() => service?.close());
beforeEach(() => void service.auth.namesAsked.splice(0));

const NOTE = { type: "note", title: "Visit", body: "No complaints", occurredAt: "2026-11-20T09:30:00Z" };
const CLAIM = { diagnosisCode: "E11", diagnosis: "d", treatment: "t", amount: 1, currency: "EUR" };

test("a record says who its author is: when it is made, read, listed and revised", async () => {
  const made = await anna.post<Known>(`/v1/patients/${patientId}/records`, NOTE);
  const path = `/v1/records/${made.body.id}`;
  for (const answer of [made, await bruno.get(path)])
    expect(answer.body).toMatchObject({ authorId: anna.actor.id, author: called(anna) });
  expect((await bruno.put(path, NOTE)).body).toMatchObject({ author: called(bruno) });
  expect((await anna.get(`${path}/integrity`)).body).toMatchObject({ signer: called(bruno) });
  const { body } = await anna.get(`/v1/patients/${patientId}/records`);
  expect(body).toMatchObject({ items: [{ author: called(bruno) }] });
  expect((await anna.get(`${path}/versions`)).body).toMatchObject({
    items: [{ author: called(bruno) }, { author: called(anna) }],
  });
});

test("prescriptions, claims and patients name prescriber, provider, creator and updater", async () => {
  const made = await anna.post<Known>("/v1/prescriptions", { patientId, ...ASPIRIN });
  const path = `/v1/prescriptions/${made.body.id}`;
  const noted = await bruno.put(path, { ...ASPIRIN, notes: "With food" });
  const people = { prescriber: called(anna), creator: called(anna), updater: called(bruno) };
  for (const body of [noted.body, (await anna.get(path)).body]) expect(body).toMatchObject(people);
  const found = await anna.post("/v1/prescriptions/search", { q: "acetyl" });
  expect(found.body).toMatchObject({ items: [people] });
  const claim = await anna.post("/v1/claims", { patientId, ...CLAIM, providerId: bruno.actor.id });
  expect(claim.body).toMatchObject({
    ...{ provider: called(bruno), creator: called(anna), updater: called(anna) },
  });
  const read = await bruno.get(`/v1/patients/${patientId}`);
  expect(read.body).toMatchObject({ creator: called(anna), updater: called(anna) });
});

test("a care team names its members and who added them; a patient sees the names of their own", async () => {
  const account = newId();
  service.auth.standing.set(account, "patient" satisfies AccountRole);
  await anna.patch(`/v1/patients/${patientId}`, { userId: account });
  const patient = service.someone("patient", { id: account });
  const path = `/v1/patients/${patientId}/care-team`;
  for (const who of [bruno, patient]) {
    expect((await who.get(path)).body).toMatchObject({
      items: [
        { userId: anna.actor.id, user: called(anna), addedBy: anna.actor.id, addedByUser: called(anna) },
        { userId: bruno.actor.id, user: called(bruno), addedByUser: called(anna) },
      ],
    });
  }
  expect((await patient.get(`${path}/${anna.actor.id}`)).body).toMatchObject({ user: called(anna) });
});

test("who is not known to auth is null; the ids stand as ever", async () => {
  const nameless = service.someone("doctor");
  const id = await givenPatient(nameless);
  const creator = { id: nameless.actor.id, name: null };
  expect((await nameless.get(`/v1/patients/${id}`)).body).toMatchObject({ creator, updater: creator });
});

test("one question tells a page its names, and a page read again asks nothing", async () => {
  const busy = await givenPatient(anna);
  const members = Array.from({ length: 5 }, newId);
  await service.context.pool.query(
    "insert into care_team (patient_id, user_id, added_by, added_at) select $1, unnest($2::uuid[]), $3, now()",
    [busy, members, anna.actor.id],
  );
  service.auth.namesAsked.length = 0;
  for (const _ of [1, 2]) await anna.get(`/v1/patients/${busy}/care-team`);
  expect(service.auth.namesAsked.map((ids) => ids.toSorted())).toEqual([members.toSorted()]);
});

test("an answer given again for its Idempotency-Key has the names of now, which are stored nowhere", async () => {
  const author = service.someone("doctor");
  const id = await givenPatient(author);
  const write = () =>
    author.post(`/v1/patients/${id}/records`, NOTE, { headers: { "idempotency-key": "once" } });
  expect((await write()).body).toMatchObject({ author: { name: null } });
  expect((await write()).body).toMatchObject({ author: { id: author.actor.id, name: null } });
  expect(await service.dump()).not.toMatch(/Anna Weber|Bruno Keller/);
});

test("threat: events hold no names, only ids", async () => {
  await anna.get(`/v1/patients/${patientId}`);
  await anna.get(`/v1/patients/${patientId}/care-team`);
  const events = await service.events();
  expect(events.length).toBeGreaterThan(10);
  expect(JSON.stringify(events)).not.toMatch(/Weber|Keller/);
});

test("while auth is away answers come as ever, with null for names", async () => {
  const away = await startRecords({ env: { MEDVAULT_AUTH_URL: "http://127.0.0.1:1" } });
  const doctor = away.someone("doctor");
  const id = await givenPatient(doctor);
  const nameless = { id: doctor.actor.id, name: null };
  expect(await doctor.post(`/v1/patients/${id}/records`, NOTE)).toMatchObject({
    status: 201,
    body: { author: nameless },
  });
  expect(await doctor.get(`/v1/patients/${id}/care-team`)).toMatchObject({
    status: 200,
    body: { items: [{ user: nameless, addedByUser: nameless }] },
  });
  await away.close();
});
