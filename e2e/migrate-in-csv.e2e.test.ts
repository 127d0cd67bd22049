import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freshAdmin } from "./support/admin.ts";
import { type Client, signIn } from "./support/client.ts";
import { ops } from "./support/ops.ts";

const mark = randomUUID().slice(0, 8);
const TYPES = ["note", "diagnosis", "lab", "imaging", "procedure", "allergy", "immunization"];
const BODY = ' first line\n\n  BP <120 & "q" \\ =1+1\ttab ';
const NEXT_YEAR = new Date().getUTCFullYear() + 1;
let folder: string;
let admin: Client;
let doctor: Client;
let doctorName: string;

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "medvault-move-csv-"));
  admin = (await freshAdmin(ops())).client;
  const who = ops().demo.users.find(({ role }) => role === "doctor");
  if (!who) throw new Error("ops.json names no doctor");
  doctorName = who.username;
  doctor = await signIn(ops().gateway, who);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const cell = (value: unknown) => `"${String(value).replaceAll('"', '""')}"`;
async function csv(name: string, columns: string, rows: readonly (readonly unknown[])[]): Promise<void> {
  const lines = [columns.split(" "), ...rows].map((row) => row.map(cell).join(","));
  await writeFile(path.join(folder, "csv", `${name}.csv`), `\ufeff${lines.join("\r\n")}\r\n`);
}

const of = (patient: string) => ({ key: ["id"], patient: [patient] });
const MAP = {
  source: `csv-${mark}`,
  timeZone: "Europe/Berlin",
  inviteUsers: true,
  tables: {
    staff: [
      { to: "user", key: ["id"], fields: { username: "login", email: "mail", role: { constant: "doctor" } } },
    ],
    people: [
      {
        ...{ to: "patient", key: ["id"], careTeam: ["doctor"] },
        fields: {
          ...{
            givenName: "first",
            familyName: "last",
            nationalId: "nid",
            birthDate: { column: "born", date: "DD.MM.YYYY" },
          },
          sex: { column: "sex", values: { F: "female" }, otherwise: "unknown" },
        },
      },
    ],
    records: [
      {
        to: "record",
        ...of("person"),
        fields: { type: "type", title: "title", body: "body", occurredAt: "at" },
      },
    ],
    claims: [
      {
        ...{ to: "claim", ...of("person") },
        fields: {
          amount: "amount",
          currency: "cur",
          status: { column: "state", values: { sent: "submitted" } },
          diagnosis: "diag",
        },
      },
    ],
    slots: [
      {
        to: "appointment",
        ...of("person"),
        fields: { doctor: "doc", startsAt: "start", minutes: "mins", reason: "why" },
      },
    ],
  },
};

const apply = () =>
  new Promise<{ counts: Record<string, object>; reasons: object }>((resolve, reject) => {
    const tool = [
      "--disable-warning=ExperimentalWarning",
      path.resolve("tools/migrate-in.ts"),
      "--format",
      "csv",
    ];
    const how = [
      "--map",
      path.join(folder, "map.json"),
      "--work",
      path.join(folder, "work"),
      "--apply",
      "--json",
    ];
    const args = [...tool, ...how, "--gateway", ops().gateway, path.join(folder, "csv")];
    const env = { PATH: process.env.PATH ?? "", MEDVAULT_DATA: folder, MEDVAULT_TOKEN: admin.token ?? "" };
    execFile(process.execPath, args, { env }, (_error, out, err) =>
      out === "" ? reject(new Error(err)) : resolve(JSON.parse(out)),
    );
  });

test("CSV becomes patients, every type of record, claims, appointments and invitations, each once and to the letter", async () => {
  await mkdir(path.join(folder, "csv"));
  await writeFile(path.join(folder, "map.json"), JSON.stringify({ ...MAP, people: { 9: doctorName } }));
  await csv("staff", "id login mail", [
    [8, `new-${mark}`, `new-${mark}@clinic.example`],
    [7, "no name!", "x@clinic.example"],
  ]);
  const [zoe, maria] = [
    [1, "Zoë", `O'Neil ${mark}`, "03.02.1971", "F", `S${mark}D`, 9],
    [2, "", "Мария", "", "", "", 8],
  ];
  await csv("people", "id first last born sex nid doctor", [zoe, maria, [3, "", "", "", "", "", ""]]);
  const recordOf = (type: string, at: number) => [
    at,
    1,
    type,
    `=T${at} <b>`,
    BODY,
    at === 0 ? "" : "2025-07-01 10:00:00",
  ];
  await csv("records", "id person type title body at", [
    ...TYPES.map(recordOf),
    [9, 1, "visit", "a", "b", ""],
    [10, 5, "note", "a", "b", ""],
  ]);
  await csv("claims", "id person amount cur state diag", [
    [1, 1, "129.50", "eur", "sent", "Flu"],
    [2, 1, "12,50", "EUR", "sent", ""],
    [3, 1, "1", "EUR", "paid", ""],
  ]);
  const slot = (id: number, doc: number, start: string) => [id, 1, doc, start, 30, "check <b>"];
  const at = (time: string) => `${NEXT_YEAR}-07-01 ${time}`;
  await csv("slots", "id person doc start mins why", [
    slot(1, 8, at("10:00:00")),
    slot(2, 8, at("10:15:00")),
    slot(3, 8, "2001-07-01 10:00:00"),
    slot(4, 6, at("12:00:00")),
  ]);

  const counts = (stored: number, refused: number) => ({ stored, refused });
  expect(await apply()).toMatchObject({
    counts: {
      ...{ user: counts(1, 1), patient: counts(2, 1), record: counts(7, 2) },
      ...{ claim: counts(1, 2), appointment: counts(1, 3) },
    },
    reasons: {
      no_patient: 1,
      unknown_value: 2,
      bad_number: 1,
      slot_taken: 1,
      no_doctor: 1,
      empty: 1,
      invalid_input: 2,
    },
  });
  const { data: found } = await doctor.api.call("POST /v1/patients/search", { body: { q: mark } });
  expect(found.items).toMatchObject([
    { givenName: "Zoë", familyName: `O'Neil ${mark}`, birthDate: "1971-02-03", sex: "female" },
  ]);
  const id = String(found.items[0]?.id);
  const { items } = (await doctor.api.call("GET /v1/patients/{id}/records", { path: { id } })).data;
  expect(new Map(items.map((one) => ["type" in one ? one.type : "", one]))).toEqual(
    new Map(
      TYPES.map((type, index) => [
        type,
        expect.objectContaining({
          title: `=T${index} <b>`,
          body: BODY,
          occurredAt: index === 0 ? null : "2025-07-01T08:00:00.000Z",
        }),
      ]),
    ),
  );
  expect((await doctor.api.call("GET /v1/claims", { query: { patientId: id } })).data.items).toMatchObject([
    { amount: 12_950, currency: "EUR", status: "submitted", diagnosis: "Flu" },
  ]);
  const query = { patientId: id, from: `${NEXT_YEAR}-01-01`, to: `${NEXT_YEAR}-12-31` };
  expect((await doctor.api.call("GET /v1/appointments", { query })).data.items).toMatchObject([
    {
      startsAt: `${NEXT_YEAR}-07-01T08:00:00.000Z`,
      endsAt: `${NEXT_YEAR}-07-01T08:30:00.000Z`,
      reason: "check <b>",
      status: "booked",
    },
  ]);
});

test("what changed in the source since is a new version, and nothing else is stored again", async () => {
  await rm(path.join(folder, "work"), { recursive: true });
  await csv(
    "records",
    "id person type title body at",
    TYPES.map((type, at) => [
      at,
      1,
      type,
      `=T${at} <b>`,
      at === 2 ? "corrected" : BODY,
      at === 0 ? "" : "2025-07-01 10:00:00",
    ]),
  );
  expect(await apply()).toMatchObject({
    counts: {
      user: { stored: 0, known: 1 },
      patient: { stored: 0, known: 2 },
      record: { stored: 0, updated: 1, known: 6 },
      claim: { stored: 0, known: 1 },
      appointment: { stored: 0, known: 1 },
    },
  });
});
