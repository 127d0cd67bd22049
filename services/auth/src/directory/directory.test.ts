import { newId } from "@medvault/contracts";
import { type TestClient, testAssertions } from "@medvault/testing";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { startChart } from "../../test/chart.ts";
import { createHarness, type Harness, type Person } from "../../test/harness.ts";

interface Entry {
  id: string;
  name: string;
  title?: string;
  role: string;
}
interface Page {
  items: Entry[];
  nextCursor: string | null;
}

let chart: Awaited<ReturnType<typeof startChart>>;
let h: Harness;
let anna: Person;
let auditor: TestClient;
let doctor: TestClient;
let patient: TestClient;
let admin: TestClient;
let unknown: Person;
beforeAll(async () => {
  chart = await startChart();
  h = await createHarness(chart.env);
  anna = await h.person("doctor", {
    ...{ name: "Änna Weber", title: "Dr.", speciality: "Cardiology", professionalNumber: "LANR 1234567" },
  });
  await h.person("doctor", { name: "Anna Gone", disabled: true });
  await h.person("doctor", { name: "Anna Invited", activated: false });
  unknown = await h.person("patient", { name: "Anna Patient" });
  [doctor, auditor, patient, admin] = (await Promise.all(
    (["doctor", "auditor", "patient", "admin"] as const).map(
      async (role) => (await h.client(await h.person(role))).api,
    ),
  )) as [TestClient, TestClient, TestClient, TestClient];
});
afterAll(async () => {
  await h.close();
  chart.close();
});
beforeEach(async () => {
  chart.names([], []);
  await h.events();
});

const list = (who: TestClient, query = "") => who.get<Page>(`/v1/directory?${query}`);
const names = (page: Page) => page.items.map(({ name }) => name);

test("staff of every role find active staff by any part of title, name or user name, in any order", async () => {
  for (const who of [doctor, auditor, admin]) {
    for (const q of ["anna web", "weber+ANNA", "dr.+web", anna.account.username.slice(3)]) {
      expect((await list(who, `q=${q}`)).body).toEqual({
        items: [
          {
            ...{ id: anna.account.id, name: "Änna Weber", title: "Dr.", speciality: "Cardiology" },
            role: "doctor",
          },
        ],
        nextCursor: null,
      });
    }
  }
  expect(names((await list(doctor, "q=gone")).body)).toEqual([]);
  expect(names((await list(doctor, "q=invited")).body)).toEqual([]);
});

test("who has no name of their own is called by the user name, and no address is ever shown", async () => {
  const { body } = await list(auditor, "role=admin");
  expect(body.items).toEqual([{ id: admin.actor.id, name: expect.stringMatching(/^admin-/), role: "admin" }]);
  expect(JSON.stringify((await list(auditor)).body)).not.toContain("@");
  expect(JSON.stringify((await list(auditor)).body)).not.toContain("LANR");
});

test("lists hold nobody's patient account, by whatever part of a name a doctor asks", async () => {
  for (const query of ["", "q=anna", "q=patient", "role=patient", `q=${unknown.account.username}`]) {
    const { body, status } = await list(doctor, query);
    expect(status).toBe(200);
    expect(body.items.filter(({ role }) => role === "patient")).toEqual([]);
  }
  expect((await doctor.get(`/v1/directory/${unknown.account.id}`)).status).toBe(404);
});

test("pages hold everybody once, newest first", async () => {
  const all = (await list(doctor, "limit=100")).body.items.map(({ id }) => id);
  const paged: string[] = [];
  for (let cursor = ""; ; ) {
    const { body } = await list(doctor, `limit=1${cursor}`);
    paged.push(...body.items.map(({ id }) => id));
    if (body.nextCursor === null) break;
    cursor = `&cursor=${body.nextCursor}`;
  }
  expect(paged).toEqual(all);
  expect(all).toEqual(all.toSorted().reverse());
});

test("one person is read by id, with an event that names nobody but by id", async () => {
  expect(await auditor.get(`/v1/directory/${anna.account.id}`)).toMatchObject({
    status: 200,
    body: { name: "Änna Weber", title: "Dr.", speciality: "Cardiology" },
    headers: expect.toSatisfy((headers: Headers) => headers.get("etag") === `"${anna.account.rev}"`),
  });
  await list(auditor, "q=weber");
  const events = await h.events();
  expect(events.map(({ type }) => type)).toEqual([
    "medvault.auth.directory.read.v1",
    "medvault.auth.directory.listed.v1",
  ]);
  expect(JSON.stringify(events)).not.toMatch(/weber|cardiology/i);
  expect((await auditor.get(`/v1/directory/${newId()}`)).status).toBe(404);
});

test("a patient cannot enumerate staff: lists are empty, and ids of strangers are not there", async () => {
  for (const query of ["", "q=anna"]) expect((await list(patient, query)).body.items).toEqual([]);
  expect((await patient.get(`/v1/directory/${anna.account.id}`)).status).toBe(404);
  expect((await patient.get(`/v1/directory/${patient.actor.id}`)).body).toMatchObject({ role: "patient" });
  expect((await h.guest().get("/v1/directory")).status).toBe(401);
});

test("a patient finds those whom their own chart and its log name, and nobody else", async () => {
  const bruno = await h.person("doctor", { name: "Bruno Keller" });
  chart.names([anna.account.id, unknown.account.id], [bruno.account.id, "service:gateway"]);
  expect(names((await list(patient)).body)).toEqual(["Bruno Keller", "Änna Weber"]);
  expect(names((await list(patient, "q=weber")).body)).toEqual(["Änna Weber"]);
  for (const { account } of [anna, bruno])
    expect((await patient.get(`/v1/directory/${account.id}`)).body).toMatchObject({ id: account.id });
  for (const id of [unknown.account.id, admin.actor.id, auditor.actor.id, newId()])
    expect((await patient.get(`/v1/directory/${id}`)).status).toBe(404);
});

test("a patient learns no name while records or audit are away: 503, for known and unknown ids alike", async () => {
  for (const away of ["records", "audit"] as const) {
    chart.names([anna.account.id], [], away);
    expect((await list(patient)).status).toBe(503);
    for (const id of [anna.account.id, newId()])
      expect((await patient.get(`/v1/directory/${id}`)).status).toBe(503);
    expect((await list(doctor)).status).toBe(200);
  }
});

const search = (who: TestClient, identifier: string) =>
  who.post<Page>("/v1/directory/search", { identifier });

test("a doctor finds a patient's account by its whole user name or confirmed address, and by no part", async () => {
  const { id, username, email } = unknown.account;
  const found = { items: [{ id, name: "Anna Patient", role: "patient" }] };
  for (const identifier of [username, username.toUpperCase(), email, email.toUpperCase()])
    expect((await search(doctor, identifier)).body).toEqual(found);
  for (const part of [username.slice(0, -1), "Anna Patient", "anna", email.slice(1), "patient-%"])
    expect((await search(doctor, part)).body).toEqual({ items: [] });
  const events = await h.events();
  expect(events).toMatchObject([
    ...Array.from({ length: 4 }, () => ({
      type: "medvault.auth.directory.searched.v1",
      subject: `user/${id}`,
    })),
    ...Array.from({ length: 5 }, () => ({ subject: "users", data: { details: { count: 0 } } })),
  ]);
  expect(JSON.stringify(events)).not.toMatch(/anna|patient-|@clinic/i);
});

test("an address that nobody has confirmed, and an account that is not active, are not found", async () => {
  const claimed = await h.person("patient", { emailUnconfirmed: true });
  const closed = await h.person("patient", { disabled: true });
  expect((await search(doctor, claimed.account.email)).body.items).toEqual([]);
  expect((await search(doctor, closed.account.username)).body.items).toEqual([]);
  expect((await search(doctor, claimed.account.username)).body.items).toHaveLength(1);
});

test("accounts are looked up by those who may write patients, never by patients or auditors", async () => {
  const { username } = unknown.account;
  expect((await search(admin, username)).body.items).toHaveLength(1);
  expect((await search(patient, username)).status).toBe(403);
  expect((await search(auditor, username)).status).toBe(403);
  expect((await search(h.guest(), username)).status).toBe(401);
});

test("another service gets the names of known ids alone: also of who left, never of a damaged row", async () => {
  const gone = await h.person("doctor", { disabled: true });
  const damaged = await h.person("doctor");
  await h.ctx.pool.query("update users set sealed = $2 where id = $1", [
    damaged.account.id,
    Buffer.alloc(99),
  ]);
  const ids = [anna, gone, damaged].map(({ account }) => account.id);
  const { body } = await doctor.post<Page>("/internal/people", { ids: [...ids, newId()] });
  expect(body.items.toSorted((a, b) => a.name.localeCompare(b.name))).toEqual([
    { id: anna.account.id, name: "Änna Weber" },
    { id: gone.account.id, name: gone.account.username },
  ]);
  expect((await h.guest().post("/internal/people", { ids })).status).toBe(401);
});

test("threat: what another service holds to ask for names opens no other route of auth", async () => {
  const assertions = await testAssertions();
  const assertion = await assertions.sign(admin.actor, ["records", "auth/people"]);
  const headers = { "x-medvault-assertion": assertion };
  const ids = [anna.account.id];
  expect((await admin.post("/internal/people", { ids }, { headers })).body).toMatchObject({
    items: [{ name: "Änna Weber" }],
  });
  for (const path of ["/v1/auth/me", "/v1/users", "/v1/directory", `/internal/users/${ids[0]}`])
    expect((await admin.get(path, { headers })).status, path).toBe(401);
});
