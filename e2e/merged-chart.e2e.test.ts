import { beforeAll, expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import { type Client, stepUp } from "./support/client.ts";
import { ops } from "./support/ops.ts";
import { invite, items, type Person, text } from "./support/people.ts";

let admin: Client;
let secrets: { password: string; totpSecret: string };
let [one, two] = [] as unknown as Person[];
let [survivor, merged] = ["", ""];
beforeAll(async () => {
  ({ client: admin, ...secrets } = await freshAdmin(ops()));
  [one, two] = [await invite(ops(), admin, "doctor"), await invite(ops(), admin, "doctor")];
  [survivor, merged] = [await patientOf(as(one)), await patientOf(as(two))];
}, 180_000);

const as = (person: Person | undefined): Client => (person as Person).client;

async function patientOf(doctor: Client): Promise<string> {
  const person = { givenName: "Iseult", familyName: "Brackenridge", birthDate: "1957-05-30", sex: "female" };
  return text((await doctor.post("/v1/patients", person)).body, "id");
}

async function fileOf(doctor: Client, patientId: string): Promise<string> {
  const form = new FormData();
  form.append("patientId", patientId);
  form.append("files", new Blob([`A note ${Math.random()}`], { type: "text/plain" }), "note.txt");
  const { status, body } = await doctor.call("POST", "/v1/files", { form });
  expect(status).toBe(201);
  return text(items(body)[0] ?? {}, "id");
}

const filesOf = async (by: Client, patientId: string) => {
  const { status, body } = await by.get(`/v1/files?patientId=${patientId}`);
  return status === 200 ? items(body).map((file) => [file.id, file.patientId]) : status;
};

async function restore(backupId: string): Promise<void> {
  expect((await admin.post(`/v1/backups/${backupId}/restore`, {})).status).toBe(202);
  const state = async () =>
    ((await admin.get(`/v1/backups/${backupId}`)).body.restore as { state: string } | null)?.state;
  await expect.poll(state, { timeout: 90_000 }).toBe("complete");
}

test("two charts are one for both doctors, files too, and two again after a restore of when they were one", async () => {
  const [first, second] = [await fileOf(as(one), survivor), await fileOf(as(two), merged)];
  await stepUp(admin, secrets);
  const merge = () => admin.post(`/v1/patients/${survivor}/merge`, { from: merged });
  expect(await merge()).toMatchObject({ status: 200, body: { id: survivor, mergedFrom: [merged] } });
  const third = await fileOf(as(two), merged);
  for (const by of [as(one), as(two)]) {
    for (const id of [survivor, merged]) {
      expect(await filesOf(by, id)).toEqual([third, second, first].map((file) => [file, survivor]));
      expect((await by.get(`/v1/patients/${id}`)).body).toMatchObject({ id: survivor });
    }
    expect((await by.get(`/v1/files/${second}/content`)).status).toBe(200);
  }

  const backupId = text((await admin.post("/v1/backups", {})).body, "id");
  const made = async () => (await admin.get(`/v1/backups/${backupId}`)).body.state;
  await expect.poll(made, { timeout: 60_000 }).toBe("complete");
  expect((await admin.post(`/v1/patients/${merged}/unmerge`, {})).status).toBe(200);
  const parted = async () => {
    expect(await filesOf(as(one), survivor)).toEqual([third, first].map((file) => [file, survivor]));
    expect(await filesOf(as(two), merged)).toEqual([[second, merged]]);
    expect([await filesOf(as(one), merged), await filesOf(as(two), survivor)]).toEqual([404, 404]);
    expect((await as(one).get(`/v1/files/${second}`)).status).toBe(404);
  };
  await parted();
  await restore(backupId);
  await parted();

  await stepUp(admin, secrets);
  expect((await merge()).status).toBe(200);
  await restore(backupId);
  expect(await filesOf(as(one), merged)).toHaveLength(3);
  expect((await as(two).get("/v1/patients")).body).toMatchObject({ items: [{ id: survivor }] });
}, 300_000);
