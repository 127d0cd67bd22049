import { actor, type TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  ADA,
  ASPIRIN,
  givenPatient,
  givenPrescription,
  type Known,
  nobody,
  type Records,
  startRecords,
  visiblePart,
} from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service?.close());

const NOTE = { type: "note", title: "Seen", body: "Well", occurredAt: "2026-01-01T00:00:00Z" };
const CLAIM = { diagnosisCode: "E11", diagnosis: "d", treatment: "t", amount: 1, currency: "EUR" };
type Shown = Known & { updatedAt: unknown; updatedBy: unknown; updater: unknown };
type Page = { items: { id: string; patientId: string }[] };

const merge = (by: TestClient, id: string, from: string, options?: object) =>
  by.post<Known>(`/v1/patients/${id}/merge`, { from }, options);
const unmerge = (by: TestClient, id: string, body?: object) =>
  by.post<Known>(`/v1/patients/${id}/unmerge`, body);

/** A row of each kind about a patient. */
async function givenRows(doctor: TestClient, patientId: string) {
  const record = (await doctor.post<Known>(`/v1/patients/${patientId}/records`, NOTE)).body.id;
  const prescription = await givenPrescription(doctor, patientId);
  const claim = { patientId, providerId: doctor.actor.id, ...CLAIM };
  return { record, prescription, claim: (await doctor.post<Known>("/v1/claims", claim)).body.id };
}

/** Two charts of one person, with rows; each of a doctor of its own, and both of a third. */
async function givenTwo() {
  const [one, two, both] = [
    service.someone("doctor"),
    service.someone("doctor"),
    service.someone("doctor"),
  ] as const;
  const survivor = await givenPatient(one);
  const merged = await givenPatient(two, { givenName: "Adelina", nationalId: "X-99" });
  await one.put(`/v1/patients/${survivor}/care-team/${both.actor.id}`);
  await two.put(`/v1/patients/${merged}/care-team/${both.actor.id}`);
  const rows = { survivor: await givenRows(one, survivor), merged: await givenRows(two, merged) };
  return { one, two, both, survivor, merged, rows };
}

const listsOf = (id: string) => [
  `/v1/patients/${id}/records`,
  `/v1/prescriptions?patientId=${id}`,
  `/v1/claims?patientId=${id}`,
];

/** Each kind's ids and whose they say they are, in the lists of this patient. */
async function listed(by: TestClient, id: string) {
  const pages = await Promise.all(listsOf(id).map((path) => by.get<Page>(path)));
  return pages.map(({ status, body }) => ({
    status,
    ids: body.items?.map((item) => item.id).sort(),
    whose: [...new Set(body.items?.map((item) => item.patientId))],
  }));
}

test("two charts are one: either id leads to all of it, for all who reached either", async () => {
  const { one, two, both, survivor, merged, rows } = await givenTwo();
  const answer = await merge(both, survivor, merged);
  expect(answer).toMatchObject({
    status: 200,
    body: { id: survivor, givenName: "Ada", mergedFrom: [merged] },
  });
  expect(answer.headers.get("etag")).toBe('"2"');
  const admin = service.someone("admin");
  for (const by of [one, two, both, admin]) {
    for (const id of [survivor, merged]) {
      expect(await by.get(`/v1/patients/${id}`)).toMatchObject({
        status: 200,
        body: { id: survivor, givenName: "Ada", mergedFrom: [merged] },
      });
      const all = Object.keys(rows.survivor) as (keyof typeof rows.survivor)[];
      expect(await listed(by, id)).toEqual(
        all.map((kind) => ({
          status: 200,
          ids: [rows.survivor[kind], rows.merged[kind]].sort(),
          whose: [survivor],
        })),
      );
      const searched = await by.post<Page>("/v1/prescriptions/search", { q: "acetyl", patientId: id });
      expect(searched.body.items.map((item) => [item.id, item.patientId]).sort()).toEqual(
        [rows.survivor.prescription, rows.merged.prescription].map((row) => [row, survivor]).sort(),
      );
      const team = await by.get<{ items: { userId: string }[] }>(`/v1/patients/${id}/care-team`);
      expect(team.body.items.map(({ userId }) => userId).sort()).toEqual(
        [one.actor.id, two.actor.id, both.actor.id].sort(),
      );
      expect((await by.get(`/v1/patients/${id}/versions`)).body).toMatchObject({
        items: [
          { id: survivor, version: 2 },
          { id: survivor, version: 1 },
        ],
      });
    }
    for (const { record, prescription, claim } of Object.values(rows)) {
      for (const path of [
        `/v1/records/${record}`,
        `/v1/prescriptions/${prescription}`,
        `/v1/claims/${claim}`,
      ]) {
        expect(await by.get(path)).toMatchObject({ status: 200, body: { patientId: survivor } });
      }
      expect((await by.get(`/v1/records/${record}/integrity`)).body).toMatchObject({ valid: true });
    }
  }
  for (const by of [one, two]) {
    const mine = await by.get<Page>("/v1/patients");
    expect(mine.body.items.map(({ id }) => id)).toEqual([survivor]);
    const prescriptions = await by.get<Page>("/v1/prescriptions");
    expect(prescriptions.body.items.map(({ id }) => id).sort()).toEqual(
      [rows.survivor.prescription, rows.merged.prescription].sort(),
    );
    const of = await admin.get<Page>(`/v1/patients?careTeamOf=${by.actor.id}`);
    expect(of.body.items.map(({ id }) => id)).toEqual([survivor]);
  }
});

test("what is written by either id goes to the surviving chart, and rows from before are changed where they lie", async () => {
  const { one, two, both, survivor, merged, rows } = await givenTwo();
  await merge(both, survivor, merged);
  expect(await two.patch(`/v1/patients/${merged}`, { phone: "555-000-1111" })).toMatchObject({
    status: 200,
    body: { id: survivor, phone: "5••••1111" },
  });
  const made = await givenRows(two, merged);
  const { rows: stored } = await service.context.pool.query(
    "select patient_id from prescriptions where id = $1",
    [made.prescription],
  );
  expect(stored).toEqual([{ patient_id: survivor }]);
  expect((await one.get(`/v1/records/${made.record}`)).body).toMatchObject({ patientId: survivor });

  const path = `/v1/prescriptions/${rows.merged.prescription}`;
  for (const patientId of [merged, survivor, undefined]) {
    expect(await one.put(path, { ...ASPIRIN, dosage: "two", patientId })).toMatchObject({
      status: 200,
      body: { patientId: survivor, dosage: "two" },
    });
  }
  expect(await one.put(path, { ...ASPIRIN, patientId: nobody() })).toMatchObject({ status: 400 });
  const versions = await one.get<Page>(`${path}/versions`);
  expect(versions.body.items.map(({ patientId }) => patientId)).toEqual(Array(4).fill(survivor));
  expect((await one.put(`/v1/records/${rows.merged.record}`, { ...NOTE, body: "x" })).status).toBe(200);
  const past = await two.get<Page>(`/v1/records/${rows.merged.record}/versions`);
  expect(past.body.items.map(({ patientId }) => patientId)).toEqual([survivor, survivor]);
  expect((await two.get(`/v1/records/${rows.merged.record}/integrity`)).body).toMatchObject({ valid: true });
  expect((await one.post(`/v1/claims/${rows.merged.claim}/submit`)).status).toBe(200);
  expect((await one.delete(path)).status).toBe(204);
});

test("unmerged, each chart is what it was for those who had it; what was written since stays with the surviving one", async () => {
  const { one, two, both, survivor, merged, rows } = await givenTwo();
  const lists = () => Promise.all([listed(one, survivor), listed(two, merged)]);
  const view = async (by: TestClient, id: string) => {
    const { updatedAt, updatedBy, updater, ...shown } = (await by.get<Shown>(`/v1/patients/${id}`)).body;
    return shown;
  };
  const views = async () => [await view(one, survivor), await view(two, merged)];
  const [listsBefore, viewsBefore] = [await lists(), await views()];
  await merge(both, survivor, merged);
  const since = await givenPrescription(two, merged);
  expect(await unmerge(both, survivor, { from: merged })).toMatchObject({
    status: 200,
    body: { id: survivor },
  });
  const after = await lists();
  expect(after[1]).toEqual(listsBefore[1]);
  expect(after[0]?.[1]?.ids).toEqual([rows.survivor.prescription, since].sort());
  expect(await views()).toEqual(viewsBefore);
  for (const [by, id] of [
    [one, merged],
    [two, survivor],
  ] as const) {
    const unknown = nobody();
    for (const path of [`/v1/patients/${id}`, ...listsOf(id)]) {
      const refused = await by.get(path);
      expect(visiblePart(refused)).toEqual(visiblePart(await by.get(path.replace(id, unknown))));
      expect(refused.status).toBe(404);
    }
  }
  for (const [by, theirs] of [
    [one, rows.merged],
    [two, rows.survivor],
  ] as const) {
    expect((await by.get(`/v1/records/${theirs.record}`)).status).toBe(404);
    expect((await by.get(`/v1/prescriptions/${theirs.prescription}`)).status).toBe(404);
    expect((await by.delete(`/v1/prescriptions/${theirs.prescription}`)).status).toBe(404);
  }
  expect(await merge(both, merged, survivor)).toMatchObject({ status: 200, body: { id: merged } });
  expect(await unmerge(two, survivor)).toMatchObject({ status: 200, body: { id: merged } });
});

test("threat: a doctor of one chart takes another person's chart by merging it", async () => {
  const { one, two, both, survivor, merged } = await givenTwo();
  for (const [by, id, from] of [
    [one, survivor, merged],
    [two, survivor, merged],
    [one, merged, survivor],
    [service.someone("doctor"), survivor, merged],
  ] as const) {
    const refused = visiblePart(await merge(by, id, from));
    expect(refused).toMatchObject({ status: 404 });
    expect(refused).toEqual(visiblePart(await merge(by, nobody(), nobody())));
  }
  const account = service.someone("patient");
  const own = (await account.post<Known>("/v1/patients", ADA)).body.id;
  expect(await merge(account, own, own)).toMatchObject({ status: 403, body: { code: "forbidden" } });
  expect(await unmerge(account, own)).toMatchObject({ status: 403, body: { code: "forbidden" } });
  const stale = service.as(
    actor("doctor", { id: both.actor.id, authTime: Math.floor(Date.now() / 1000) - 700 }),
  );
  for (const act of [merge(stale, survivor, merged), unmerge(stale, survivor)]) {
    expect(await act).toMatchObject({ status: 403, body: { code: "step_up_required" } });
  }
  expect((await merge(service.someone("admin"), survivor, merged)).status).toBe(200);
  for (const by of [service.someone("doctor"), account]) {
    for (const id of [survivor, merged]) {
      expect((await by.get(`/v1/patients/${id}`)).status).toBe(404);
      expect((await unmerge(by, id)).status).toBe(by === account ? 403 : 404);
    }
  }
});

test("merges are flat: what is merged already, or into itself, is refused and leads nowhere else", async () => {
  const doctor = service.someone("doctor");
  const [a, b, c, d] = [
    await givenPatient(doctor),
    await givenPatient(doctor),
    await givenPatient(doctor),
    await givenPatient(doctor),
  ];
  expect(await merge(doctor, a, a)).toMatchObject({ status: 409, body: { code: "already_merged" } });
  expect((await merge(doctor, a, b)).status).toBe(200);
  for (const [id, from] of [
    [a, b],
    [b, a],
    [b, b],
  ] as const) {
    expect(await merge(doctor, id, from)).toMatchObject({ status: 409, body: { code: "already_merged" } });
  }
  for (const from of [a, b]) {
    expect(await merge(doctor, c, from)).toMatchObject({ status: 409, body: { code: "merged_elsewhere" } });
  }
  // Into a merged chart is into the surviving one.
  expect(await merge(doctor, b, c)).toMatchObject({ status: 200, body: { id: a, mergedFrom: [b, c] } });
  await merge(doctor, a, d);
  for (const id of [a, b, c, d])
    expect((await doctor.get(`/v1/patients/${id}`)).body).toMatchObject({ id: a });
  expect(await unmerge(doctor, a)).toMatchObject({
    status: 400,
    body: { code: "invalid_input", errors: [{ path: "from", message: expect.stringContaining("name") }] },
  });
  expect(await unmerge(doctor, a, { from: a })).toMatchObject({ status: 409 });
  expect(await unmerge(doctor, a, { from: nobody() })).toMatchObject({ status: 409 });
  expect(await unmerge(doctor, c)).toMatchObject({ status: 200, body: { id: c } });
  expect((await doctor.get(`/v1/patients/${a}`)).body).toMatchObject({ mergedFrom: [b, d] });
  await unmerge(doctor, a, { from: d });
  expect(await unmerge(doctor, a)).toMatchObject({ status: 200, body: { id: a } }); // the only one
  expect(await unmerge(doctor, a)).toMatchObject({ status: 409, body: { code: "not_merged" } });
  const { rows } = await service.context.pool.query(
    "select from_id from patient_merges where from_id = any($1::uuid[])",
    [[a, b, c, d]],
  );
  expect(rows).toEqual([]);
});

test("threat: two merges at once make a circle", async () => {
  const doctor = service.someone("doctor");
  for (let round = 0; round < 5; round++) {
    const [a, b, c] = [await givenPatient(doctor), await givenPatient(doctor), await givenPatient(doctor)];
    const answers = await Promise.all([
      merge(doctor, a, b),
      merge(doctor, b, a),
      merge(doctor, b, c),
      merge(doctor, c, a),
      doctor.patch(`/v1/patients/${a}`, { phone: "1" }),
      doctor.post("/v1/prescriptions", { patientId: b, ...ASPIRIN }),
    ]);
    expect(answers.map(({ status }) => status).filter((status) => status >= 400 && status !== 409)).toEqual(
      [],
    );
    const leads = await Promise.all([a, b, c].map((id) => doctor.get<Known>(`/v1/patients/${id}`)));
    for (const { status, body } of leads) {
      expect(status).toBe(200);
      expect((await doctor.get<Known>(`/v1/patients/${body.id}`)).body.id).toBe(body.id);
    }
    const { rows } = await service.context.pool.query(
      `select from patient_merges m join patient_merges o on o.from_id = m.into_id where o.into_id <> o.from_id`,
    );
    expect(rows).toEqual([]);
  }
});

test("a merge is said once, names both patients in the log, and honours If-Match", async () => {
  const { both, one, survivor, merged } = await givenTwo();
  expect(await merge(both, survivor, merged, { headers: { "if-match": '"9"' } })).toMatchObject({
    status: 412,
    body: { code: "version_conflict" },
  });
  await service.events();
  const options = { headers: { "idempotency-key": "m1", "if-match": '"1"' } };
  const first = await merge(both, survivor, merged, options);
  const again = await merge(both, survivor, merged, options);
  expect([again.status, again.body]).toEqual([200, first.body]);
  expect(await merge(both, survivor, nobody(), options)).toMatchObject({ status: 422 });
  await unmerge(both, survivor);
  const events = await service.events();
  expect(events.map(({ type }) => type.split(".").slice(-2)[0])).toEqual(
    expect.arrayContaining(["merged", "read", "unmerged"]),
  );
  for (const verb of ["merged", "unmerged"]) {
    expect(events).toContainEqual(
      expect.objectContaining({
        type: `medvault.records.patient.${verb}.v1`,
        subject: `patient/${survivor}`,
        data: expect.objectContaining({ patientIds: [survivor, merged], details: { mergedId: merged } }),
      }),
    );
  }
  await service.events();
  await merge(one, survivor, merged);
  expect(await service.events()).toMatchObject([
    { type: "medvault.records.request.denied.v1", data: { patientIds: [survivor, merged] } },
  ]);
});

test("who leaves the care team of a merged chart reaches none of it, and who comes reaches all", async () => {
  const { one, two, both, survivor, merged, rows } = await givenTwo();
  await merge(both, survivor, merged);
  const comes = service.someone("doctor");
  expect((await two.put(`/v1/patients/${merged}/care-team/${comes.actor.id}`)).status).toBe(200);
  expect((await comes.get(`/v1/records/${rows.merged.record}`)).status).toBe(200);
  for (const gone of [one, both]) {
    expect((await comes.delete(`/v1/patients/${merged}/care-team/${gone.actor.id}`)).status).toBe(204);
    expect((await gone.get(`/v1/patients/${survivor}`)).status).toBe(404);
    expect((await gone.get(`/v1/records/${rows.merged.record}`)).status).toBe(404);
    expect((await gone.get<Page>("/v1/patients")).body.items).toEqual([]);
  }
  const { rows: ends } = await service.context.pool.query(
    "select patient_id from care_team_ends where user_id = $1",
    [both.actor.id],
  );
  expect(ends.map((row) => row.patient_id).sort()).toEqual([survivor, merged].sort());
});

test("a shred of the surviving patient's key ends that patient's part alone: the other is unmerged, and whole", async () => {
  const { one, two, both, survivor, merged, rows } = await givenTwo();
  await merge(both, survivor, merged);
  await service.context.pool.query("delete from subject_keys where subject_id = $1", [survivor]);
  expect((await two.get<Page>(`/v1/prescriptions?patientId=${merged}`)).body.items).toMatchObject([
    { id: rows.merged.prescription },
  ]);
  expect((await unmerge(service.someone("doctor"), merged)).status).toBe(404);
  expect(await unmerge(both, merged)).toMatchObject({ status: 200, body: { id: merged } });
  expect(await two.get(`/v1/patients/${merged}`)).toMatchObject({ status: 200, body: { id: merged } });
  expect((await one.get(`/v1/patients/${merged}`)).status).toBe(404);
});

test("the account of either chart has the one chart; two accounts are refused", async () => {
  const doctor = service.someone("doctor");
  const [first, second] = [service.someone("patient"), service.someone("patient")];
  const a = await givenPatient(doctor, { userId: first.actor.id });
  const b = await givenPatient(doctor, { userId: second.actor.id });
  const c = await givenPatient(doctor);
  expect(await merge(doctor, a, b)).toMatchObject({ status: 409, body: { code: "accounts_conflict" } });
  expect((await merge(doctor, c, b)).status).toBe(200);
  const record = (await doctor.post<Known>(`/v1/patients/${c}/records`, NOTE)).body.id;
  expect(await second.get("/v1/patients/me")).toMatchObject({
    status: 200,
    body: { id: c, userId: second.actor.id, mergedFrom: [b] },
  });
  expect((await second.get(`/v1/records/${record}`)).status).toBe(200);
  expect((await second.get<Page>(`/v1/patients/${b}/records`)).body.items).toHaveLength(1);
  expect((await second.patch(`/v1/patients/${b}`, { phone: "1" })).body).toMatchObject({ id: c });
  expect((await first.get(`/v1/patients/${c}`)).status).toBe(404);
  expect(await merge(doctor, c, a)).toMatchObject({ status: 409, body: { code: "accounts_conflict" } });
  const third = service.someone("patient").actor.id;
  for (const userId of [third, null]) {
    const linked = await service.someone("admin").patch(`/v1/patients/${c}`, { userId });
    expect(linked).toMatchObject({ status: 409, body: { code: "accounts_conflict" } });
  }
  expect((await unmerge(doctor, b)).status).toBe(200);
  expect((await second.get(`/v1/records/${record}`)).status).toBe(404);
  expect((await second.get("/v1/patients/me")).body).toMatchObject({ id: b });
});
