import type { TestClient } from "@medvault/testing";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADA, givenPatient, type Known, type Records, startRecords } from "../../test/harness.ts";
import { NOTHING_TYPED, ODD_TYPING } from "../../test/typed.ts";
import { cursorFor } from "../resources/paging.ts";

let service: Records;
let doctor: TestClient;
beforeAll(async () => {
  service = await startRecords();
  doctor = service.someone("doctor");
});
afterAll(() => service?.close());

type Page = { items: (Known & { updatedAt: string })[]; nextCursor: string | null };
async function find(search: object, by = doctor): Promise<string[]> {
  const answer = await by.post<Page>("/v1/patients/search", { limit: 100, ...search });
  expect(answer.status, JSON.stringify(search)).toBe(200);
  return answer.body.items.map(({ id }) => id);
}

test("a name is found by any part of it, however it is typed", async () => {
  const cases: [given: string, family: string, typed: string[], other: string[]][] = [
    ["Siobhán", "O'Neill", ["oneill", "o neill", "O'Neill", "o’neill", "NEILL, Siobhan", "b"], ["oneillx"]],
    ["Jürgen", "Groß", ["jurgen", "Juergen", "gross", "groß", "ürg"], ["grosz"]],
    ["Işıl", "Yıldız", ["isil", "YILDIZ", "yıldız", "ldiz"], []],
    ["Søren", "Ångström", ["soren", "soeren", "angstrom", "aangstroem"], []],
    ["Łukasz", "Nguyễn", ["lukasz", "nguyen", "Nguyễn"], []],
    ["محمد", "الأحمد", ["محمد", "حمد", "الاحمد"], []],
    ["דוד", "כהן", ["כהן", "דו"], []],
    ["小明", "王", ["王小明", "明", "小 王"], ["大明"]],
    ["ゆき", "山田", ["山田ゆき", "き"], []],
    ["สมชาย", "ใจดี", ["สมชาย", "ชาย", "ใจ"], []],
    ["Иван", "Щукин", ["иван", "shchukin"], []],
    ["Ａｄａ", "Ｌｏｖｅ", ["ada love", "ｌｏｖｅ"], []],
    ["Anne-Marie", "de la Cruz", ["annemarie", "anne marie", "delacruz", "cruz de", "nne"], []],
  ];
  const ids: string[] = [];
  for (const [givenName, familyName] of cases)
    ids.push(await givenPatient(doctor, { givenName, familyName }));
  for (const [at, [, , typed, other]] of cases.entries()) {
    for (const q of typed) expect(await find({ q }), q).toContain(ids[at]);
    for (const q of other) expect(await find({ q }), q).not.toContain(ids[at]);
  }
});

test("nothing in a search box is refused for how it looks, and blanks and marks alone find nothing", async () => {
  await givenPatient(doctor);
  for (const typed of ODD_TYPING) {
    for (const search of [
      { q: typed },
      { phone: typed.slice(0, 60) },
      { email: typed },
      { nationalId: typed.slice(0, 60) },
    ]) {
      expect(await find(search), JSON.stringify(search)).toEqual([]);
    }
  }
  for (const typed of NOTHING_TYPED) {
    for (const search of [
      { q: typed },
      { q: "marsh", phone: typed },
      { email: typed },
      { nationalId: typed },
    ]) {
      expect(await find(search), JSON.stringify(search)).toEqual([]);
    }
  }
});

test("a search of more words than there are in most names asks for all of them", async () => {
  const letters = [..."abcdefghijklmnopqrstuvwxyz0123456789"];
  const id = await givenPatient(doctor, { givenName: letters.join(" "), familyName: "Alphabet" });
  expect(await find({ q: letters.toReversed().join(" ") })).toEqual([id]);
  expect(await find({ q: `${letters.join(" ")} zz` })).toEqual([]);
});

test("part of a phone number or of a mail address finds, however it is written, with a name or without", async () => {
  const id = await givenPatient(doctor, {
    familyName: "Reachable",
    phone: "+48 (22) 719-01.99",
    email: "r.Able@grün.example",
  });
  const other = await givenPatient(doctor, { familyName: "Reachable", phone: "+48 22 719 02 99" });
  expect(await find({ phone: "719 0199" })).toEqual([id]);
  expect(await find({ phone: "48227190" })).toEqual([other, id]);
  expect(await find({ phone: "+48 22 719", q: "reach" })).toEqual([other, id]);
  expect(await find({ phone: "7190199", q: "marsh" })).toEqual([]);
  for (const email of ["r.able@", "ABLE@grün", "able@xn--grn-ioa.example", "grün.example"]) {
    expect(await find({ email }), email).toEqual([id]);
  }
});

test("a birth date is found as it was said, and an id by its whole value however it is spelled", async () => {
  const name = "Dated";
  const [year, month, day] = [
    await givenPatient(doctor, { familyName: name, birthDate: "1901", nationalId: "88-4410 Q" }),
    await givenPatient(doctor, { familyName: name, birthDate: "1901-02" }),
    await givenPatient(doctor, { familyName: name, birthDate: "1901-02-03" }),
  ];
  expect(await find({ birthDate: "1901" })).toEqual([year]);
  expect(await find({ birthDate: "1901-02", q: "ated" })).toEqual([month]);
  expect(await find({ birthDate: "1901-02-03" })).toEqual([day]);
  for (const nationalId of ["88-4410 Q", "884410q", "88 44 10 Q"]) {
    expect(await find({ nationalId }), nationalId).toEqual([year]);
    expect(await find({ nationalId, q: "dat", birthDate: "1901", phone: "555" }), nationalId).toEqual([year]);
    expect(await find({ nationalId, q: "marsh" }), nationalId).toEqual([]);
  }
  expect(await find({ nationalId: "884410" })).toEqual([]);
});

test("what was written a moment ago is found as it is now, by whom it is reached by now, and by nobody else", async () => {
  const admin = service.someone("admin");
  const stranger = service.someone("doctor");
  const id = await givenPatient(doctor, { familyName: "Fresh" });
  expect(await find({ q: "fresh" })).toEqual([id]);
  expect(await find({ q: "fresh" }, admin)).toEqual([id]);
  expect(await find({ q: "fresh" }, stranger)).toEqual([]);
  await admin.put(`/v1/patients/${id}/care-team/${stranger.actor.id}`);
  expect(await find({ q: "fresh" }, stranger)).toEqual([id]);
  await doctor.patch(`/v1/patients/${id}`, { familyName: "Renamed" });
  for (const by of [doctor, stranger, admin]) {
    expect(await find({ q: "fresh" }, by)).toEqual([]);
    expect(await find({ q: "renamed" }, by)).toEqual([id]);
  }
  await admin.delete(`/v1/patients/${id}/care-team/${stranger.actor.id}`);
  expect(await find({ q: "renamed" }, stranger)).toEqual([]);
});

test("a page is full though the rows of some of its hits went away while it was read", async () => {
  const ids: string[] = [];
  for (let n = 0; n < 6; n += 1) ids.unshift(await givenPatient(doctor, { familyName: "Vanishing" }));
  const first = await doctor.post<Page>("/v1/patients/search", { q: "vanish", limit: 2 });
  expect(first.body.items.map(({ id }) => id)).toEqual(ids.slice(0, 2));
  // As it always was, so that a page that was begun before an upgrade goes on after it.
  const { updatedAt: at = "", id = "" } = first.body.items[1] ?? {};
  expect(first.body.nextCursor).toBe(cursorFor({ at, id }, ["patients/search", "vanish", ...Array(4)]));
  const { search } = service.context;
  const { patients } = search;
  // Gone between the look into the index and the reading of the rows.
  search.patients = async (...asked) => {
    const hits = await patients.apply(search, asked);
    search.patients = patients;
    await service.context.pool.query("delete from patients where id = any($1)", [ids.slice(2, 4)]);
    return hits;
  };
  const second = await doctor.post<Page>("/v1/patients/search", {
    ...{ q: "vanish", limit: 2 },
    cursor: first.body.nextCursor,
  });
  expect(second).toMatchObject({ status: 200, body: { nextCursor: null } });
  expect(second.body.items.map(({ id }) => id)).toEqual(ids.slice(4));
});

test("what the row says decides: a hit that does not match any more is not shown", async () => {
  const id = await givenPatient(doctor, { familyName: "Outdated" });
  const { search } = service.context;
  const { patients } = search;
  search.patients = async () => [{ id, at: new Date().toISOString() }];
  expect(await find({ q: "nobody at all" })).toEqual([]);
  expect(await find({ birthDate: "1971-02-04" })).toEqual([]);
  expect(await find({ phone: "000" })).toEqual([]);
  expect(
    await find({ q: "outdated", birthDate: ADA.birthDate, phone: "014 77", email: "ada.marsh" }),
  ).toEqual([id]);
  expect(await find({ q: "outdated" }, service.someone("doctor"))).toEqual([]);
  search.patients = patients;
});
