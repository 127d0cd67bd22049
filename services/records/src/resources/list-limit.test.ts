import { afterAll, beforeAll, expect, test } from "vitest";
import { givenPatient, type Records, startRecords } from "../../test/harness.ts";

let service: Records;
beforeAll(async () => {
  service = await startRecords();
});
afterAll(() => service.close());

test("versions and care teams answer at most `limit`, the newest versions first", async () => {
  const doctor = service.someone("doctor");
  const id = await givenPatient(doctor);
  await doctor.patch(`/v1/patients/${id}`, { phone: "555-2" });
  await doctor.patch(`/v1/patients/${id}`, { phone: "555-3" });
  await service.events();
  const path = `/v1/patients/${id}/versions`;
  expect((await doctor.get<{ items: object[] }>(path)).body.items).toHaveLength(3);
  const some = await doctor.get<{ items: { version: number }[] }>(`${path}?limit=2`);
  expect(some.body.items.map(({ version }) => version)).toEqual([3, 2]);
  const read = (await service.events()).map(({ data }) => data.details);
  expect(read).toEqual([{ versions: 3 }, { versions: 2 }]);
  const team = await doctor.get<{ items: object[] }>(`/v1/patients/${id}/care-team?limit=1`);
  expect(team.body.items).toHaveLength(1);
  for (const list of [path, `/v1/patients/${id}/care-team`]) {
    for (const limit of ["0", "101", "x"])
      expect(await doctor.get(`${list}?limit=${limit}`), `${list} ${limit}`).toMatchObject({
        status: 400,
        body: { errors: [{ path: "limit" }] },
      });
  }
});
