import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterAll(() => service?.close());

const FORMS = ["/v1/patients", "/v1/fhir/Patient"];

const act = async (verb: "merge" | "unmerge", id: string, from: string) =>
  expect((await doctor.post(`/v1/patients/${id}/${verb}`, { from })).status).toBe(200);

/** What a patient is read as by this id, and as which version, in our API and in FHIR. */
const read = (id: string) =>
  Promise.all(
    FORMS.map(async (form) => {
      const path = `${form}/${id}`;
      const { body, headers } = await doctor.get<object>(path);
      return { path, body, etag: headers.get("etag") ?? "" };
    }),
  );

/** That nothing that was read before is taken for what the same id leads to now. */
async function expectOutdated(before: Awaited<ReturnType<typeof read>>): Promise<void> {
  for (const { path, etag } of before) {
    const again = await doctor.get(path, { headers: { "if-none-match": etag } });
    expect(again.status, path).toBe(200);
    expect(again.headers.get("etag"), path).not.toBe(etag);
    if (!path.startsWith("/v1/patients")) continue;
    const headers = { "if-match": etag };
    const patch = { birthDate: "1911-11-11", phone: "555-666-0000" };
    const refused = { status: 412, body: { code: "version_conflict" } };
    expect(await doctor.patch(path, patch, { headers }), path).toMatchObject(refused);
    for (const verb of ["merge", "unmerge"]) {
      const body = { from: path.split("/").at(-1) };
      expect(await doctor.post(`${path}/${verb}`, body, { headers }), path).toMatchObject(refused);
    }
  }
}

test("threat: who read a patient before a merge writes over the other patient, or is shown the former one as unchanged", async () => {
  const [x, y, z] = [await givenPatient(doctor), await givenPatient(doctor), await givenPatient(doctor)];
  const twins = [...(await read(x)), ...(await read(y))];
  await act("merge", x, y);
  await expectOutdated(twins);

  // The other has been changed more often.
  for (const phone of ["1", "2", "3", "4"]) await doctor.patch(`/v1/patients/${z}`, { phone });
  const ofThree = (await Promise.all([x, y, z].map(read))).flat();
  await act("merge", x, z);
  await expectOutdated(ofThree);
  for (const id of [x, y, z]) expect(await read(id)).toMatchObject([{ etag: '"6"' }, { etag: 'W/"6"' }]);
});

test("threat: who read a merged chart writes over the patient who was parted from it, or who is left", async () => {
  const [x, y, z] = [await givenPatient(doctor), await givenPatient(doctor), await givenPatient(doctor)];
  await act("merge", x, y);
  await act("merge", x, z);
  const merged = (await Promise.all([x, y, z].map(read))).flat();
  await act("unmerge", x, y);
  await expectOutdated(merged);
  const parted = (await Promise.all([x, y].map(read))).flat();
  await act("unmerge", x, z);
  await act("merge", y, x);
  await expectOutdated(parted);
});

test("a merge and an unmerge are versions of the patient, of the same content, in the log as changes", async () => {
  const [x, y] = [await givenPatient(doctor), await givenPatient(doctor)];
  for (const phone of ["1", "2", "3"]) await doctor.patch(`/v1/patients/${y}`, { phone });
  await service.events();
  await act("merge", x, y);
  await act("unmerge", x, y);
  const changes = (await service.events()).filter(({ type }) => type.endsWith(".updated.v1"));
  expect(changes.map(({ subject, data }) => [subject, data.fields, data.details?.rev])).toEqual([
    [`patient/${x}`, [], 5],
    [`patient/${x}`, [], 6],
    [`patient/${y}`, [], 6],
  ]);
  type Versions = { items: { version: number; phone: string }[] };
  const versions = async (id: string) =>
    (await doctor.get<Versions>(`/v1/patients/${id}/versions`)).body.items.map(({ version }) => version);
  expect([await versions(x), await versions(y)]).toEqual([
    [6, 5, 1],
    [6, 4, 3, 2, 1],
  ]);
  type History = { total: number; entry: { resource: { meta: { versionId: string } } }[] };
  const { body } = await doctor.get<History>(`/v1/fhir/Patient/${x}/_history`);
  expect(body.entry.map(({ resource }) => resource.meta.versionId)).toEqual(["6", "5", "1"]);
  expect((await doctor.get(`/v1/fhir/Patient/${x}/_history/5`)).status).toBe(200);
  expect((await doctor.get(`/v1/fhir/Patient/${x}/_history/3`)).status).toBe(404);
});

test("a damaged patient is not merged, and keeps nobody from being parted from it", async () => {
  const [x, y] = [await givenPatient(doctor), await givenPatient(doctor)];
  const damage = () =>
    service.context.pool.query("update patients set sealed = set_byte(sealed, 40, 0) where id = $1", [y]);
  const [kept] = (await service.context.pool.query("select sealed from patients where id = $1", [y])).rows;
  await damage();
  for (const [id, from] of [
    [x, y],
    [y, x],
  ])
    expect(await doctor.post(`/v1/patients/${id}/merge`, { from })).toMatchObject({
      status: 409,
      body: { code: "row_damaged" },
    });
  expect(await read(x)).toMatchObject([{ etag: '"1"' }, { etag: 'W/"1"' }]);
  await service.context.pool.query("update patients set sealed = $2 where id = $1", [y, kept.sealed]);
  await act("merge", x, y);
  await damage();
  await act("unmerge", x, y);
  expect(await read(x)).toMatchObject([{ etag: '"3"' }, { etag: 'W/"3"' }]);
  expect(await doctor.get(`/v1/patients/${y}`)).toMatchObject({ status: 409, body: { code: "row_damaged" } });
});
