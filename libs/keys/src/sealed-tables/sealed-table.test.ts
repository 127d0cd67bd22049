import { createHash, randomUUID } from "node:crypto";
import {
  BOX_OVERHEAD_BYTES,
  BoxCommitmentMismatch,
  BoxForged,
  BoxRefused,
  NotCanonicalJson,
  WrappedKeyRefused,
} from "@medvault/crypto";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { testKeyring } from "../../test/harness.ts";
import { DeclarationFault } from "../errors.ts";
import { newSubjectKey } from "../keyring/subject-keys.ts";
import { closeSealPool } from "./seal-pool.ts";
import { type Sealed, type SealedRow, sealedTable } from "./sealed-table.ts";

interface Prescription {
  id: string;
  rev: number;
  patientId: string;
  status: string;
  startDate: string | null;
  decidedAt: Date | string | null;
  doses: number;
  medication: string;
  notes: unknown;
  wardName: string | null;
}

const declaration = {
  service: "records",
  table: "prescriptions",
  subject: "patient_id",
  typed: ["patient_id", "status", "start_date", "decided_at", "doses"],
  sealed: ["medication", "notes"],
  open: ["ward_name"],
  masks: { medication: "edges" },
  exact: ["ward_name"],
} as const;
const prescriptions = sealedTable<Prescription>(declaration);

const keyring = testKeyring("records");
const patientId = randomUUID();
const subjectKey = newSubjectKey(keyring, patientId);

const value: Prescription = {
  id: randomUUID(),
  rev: 1,
  patientId,
  status: "active",
  startDate: "2026-01-31",
  decidedAt: new Date("2026-01-31T10:00:00.123Z"),
  doses: 3,
  medication: "Ibuprofen 400 mg",
  notes: { text: "BP <120, O'Brien, SELECT", times: [1, 2.5], none: null },
  wardName: "3b",
};

/** What Postgres would give back: snake_case, Dates, jsonb parsed again. */
function rowOf(of: Prescription, { open, sealed }: Sealed, key = subjectKey): SealedRow {
  return {
    id: of.id,
    patient_id: of.patientId,
    status: of.status,
    start_date: of.startDate,
    decided_at: typeof of.decidedAt === "string" ? new Date(of.decidedAt) : of.decidedAt,
    doses: of.doses,
    rev: of.rev,
    open: JSON.parse(JSON.stringify(open)),
    sealed,
    subject_key: key,
  };
}
const sealedRow = (of: Prescription = value): SealedRow =>
  rowOf(of, prescriptions.seal(keyring, subjectKey, of));

afterAll(() => closeSealPool());

test("a domain object comes back as it went in", () => {
  expect(prescriptions.open(keyring, sealedRow())).toEqual(value);
});

test("open fields stand in the open column alone, sealed ones nowhere readable", () => {
  const { open, sealed } = prescriptions.seal(keyring, subjectKey, value);
  expect(open).toEqual({ ward_name: "3b" });
  expect(sealed.includes("Ibuprofen")).toBe(false);
  expect(sealed.includes(Buffer.from("O'Brien"))).toBe(false);
});

test("threat: the length of a box tells no drug from another, in whichever thread it is sealed", async () => {
  const drugs = [
    "Yaz 28 Day Pack",
    "Acetaminophen 21.7 MG/ML / Dextromethorphan Hydrobromide 1 MG/ML Oral Solution",
  ];
  const values = drugs.map((medication) => ({ ...value, medication }));
  const items = Array.from({ length: 300 }, (_, at) => ({ subjectKey, value: values[at % 2] ?? value }));
  const boxes = [
    ...values.map((one) => prescriptions.seal(keyring, subjectKey, one)),
    ...(await prescriptions.sealMany(keyring, items)),
  ];
  expect(new Set(boxes.map(({ sealed }) => sealed.length))).toEqual(new Set([BOX_OVERHEAD_BYTES + 576]));
});

test("any text, number and structure survives to the letter", () => {
  const text = fc.string({ unit: "grapheme" });
  fc.assert(
    fc.property(
      text,
      fc.jsonValue(),
      text,
      fc.date({ noInvalidDate: true }),
      fc.integer({ min: 1 }),
      (m, n, w, d, rev) => {
        const wellFormed =
          JSON.stringify([m, n, w]).isWellFormed() && !/\\ud[89a-f]/i.test(JSON.stringify([m, n, w]));
        fc.pre(wellFormed);
        const any = {
          ...value,
          rev,
          medication: m,
          notes: JSON.parse(JSON.stringify(n)),
          wardName: w,
          decidedAt: d,
        };
        expect(prescriptions.open(keyring, sealedRow(any))).toEqual(any);
      },
    ),
  );
});

test("a time may go in as text and come back as the Date that Postgres makes of it", () => {
  const row = sealedRow({ ...value, decidedAt: "2026-01-31T12:00:00.123+02:00" });
  expect(prescriptions.open(keyring, row).decidedAt).toEqual(new Date("2026-01-31T10:00:00.123Z"));
});

test("threat: a box beside any changed column, open field or revision does not open", () => {
  const row = sealedRow();
  for (const changed of [
    { status: "ended" },
    { start_date: "2026-02-01" },
    { start_date: null },
    { decided_at: new Date("2026-01-31T10:00:00.124Z") },
    { doses: 30 },
    { doses: "3" },
    { rev: 2 },
    { open: { ward_name: "4" } },
    { open: {} },
    { open: { ward_name: "3b", more: 1 } },
  ]) {
    expect(() => prescriptions.open(keyring, { ...row, ...changed }), JSON.stringify(changed)).toThrow(
      BoxForged,
    );
  }
  expect(() => prescriptions.open(keyring, { ...row, open: null })).toThrow(BoxRefused);
});

test("rows that are there do not open beside a typed column that is added later, not even an empty one", () => {
  const wider = sealedTable<Prescription>({ ...declaration, typed: [...declaration.typed, "route"] });
  expect(() => wider.open(keyring, { ...sealedRow(), route: null })).toThrow(BoxForged);
});

test("a column that a restore has set opens beside what its box was sealed with; any other does not", () => {
  const table = sealedTable<Prescription>({ ...declaration, resettable: ["status", "decided_at"] });
  const row = { ...sealedRow(), status: "ended", decided_at: null };
  const sealed_as = { status: "active", decided_at: "2026-01-31T10:00:00.123+00:00" };
  expect(table.open(keyring, { ...row, sealed_as })).toMatchObject({ status: "ended", decidedAt: null });
  const { value: next, box } = table.reseal(keyring, { ...row, sealed_as });
  expect(table.open(keyring, { ...rowOf(next, box), sealed_as: null })).toMatchObject({ status: "ended" });
  for (const forged of [null, {}, { status: "active" }, { ...sealed_as, status: "stopped" }]) {
    expect(() => table.open(keyring, { ...row, sealed_as: forged })).toThrow(BoxForged);
  }
  const moved = { ...row, doses: 30, sealed_as: { ...sealed_as, doses: 3 } };
  expect(() => table.open(keyring, moved)).toThrow(BoxForged);
  expect(() => prescriptions.open(keyring, { ...row, sealed_as })).toThrow(BoxForged);
});

test("threat: a box moved to another row or patient does not open, not even with that patient's key", () => {
  const other = { ...value, id: randomUUID() };
  const [row, otherRow] = [sealedRow(), sealedRow(other)];
  expect(() => prescriptions.open(keyring, { ...row, sealed: otherRow.sealed })).toThrow(
    BoxCommitmentMismatch,
  );
  const otherPatient = randomUUID();
  const otherKey = newSubjectKey(keyring, otherPatient);
  expect(() => prescriptions.open(keyring, { ...row, subject_key: otherKey })).toThrow(WrappedKeyRefused);
  expect(() => prescriptions.open(keyring, { ...row, patient_id: otherPatient })).toThrow(WrappedKeyRefused);
  const moved = { ...row, patient_id: otherPatient, subject_key: otherKey };
  expect(() => prescriptions.open(keyring, moved)).toThrow(BoxCommitmentMismatch);
});

test("threat: a row rolled back to an older box is refused, unless its whole row was", () => {
  const first = sealedRow();
  const second = sealedRow({ ...value, rev: 2, notes: "changed" });
  expect(() => prescriptions.open(keyring, { ...second, sealed: first.sealed })).toThrow(BoxForged);
});

test("threat: another service's keyring opens nothing, and another table's declaration neither", () => {
  const row = sealedRow();
  expect(() => prescriptions.open(testKeyring("files"), row)).toThrow(DeclarationFault);
  expect(() => prescriptions.open(testKeyring("records"), row)).toThrow(WrappedKeyRefused);
  const claims = sealedTable<Prescription>({ ...declaration, table: "claims" });
  expect(() => claims.open(keyring, row)).toThrow(BoxCommitmentMismatch);
});

test("a row under the other suite still opens, and new ones take the table's own", () => {
  const chacha = sealedTable<Prescription>({ ...declaration, suite: "chacha20-poly1305" });
  const { sealed } = chacha.seal(keyring, subjectKey, value);
  expect(sealed[1]).toBe(2);
  expect(prescriptions.open(keyring, rowOf(value, { open: { ward_name: "3b" }, sealed }))).toEqual(value);
});

test("a field that was sealed and is declared open now, or new, reads until its row is sealed again", () => {
  const row = sealedRow();
  const changed = {
    ...declaration,
    sealed: ["notes", "ward_name", "since"],
    open: ["medication"],
    masks: {},
  };
  const opened = sealedTable<Prescription & { since: unknown }>(changed).open(keyring, row);
  expect(opened).toEqual({ ...value, since: null });
});

test("a row whose subject is itself opens as well", () => {
  const patients = sealedTable<{ id: string; rev: number; name: string }>({
    service: "records",
    table: "patients",
    subject: "id",
    typed: [],
    sealed: ["name"],
  });
  const patient = { id: patientId, rev: 4, name: "Zoë" };
  const { open, sealed } = patients.seal(keyring, subjectKey, patient);
  const row = { id: patientId.toUpperCase(), rev: 4, open, sealed, subject_key: subjectKey };
  expect(patients.open(keyring, row)).toEqual({ ...patient, id: patientId.toUpperCase() });
});

test("objects without id, subject or revision, or with text that is no text, are refused before anything is sealed", () => {
  for (const broken of [
    { id: "" },
    { id: undefined },
    { patientId: null },
    { rev: 0 },
    { rev: 1.5 },
    { rev: undefined },
    { status: { a: 1 } },
  ]) {
    const seal = () =>
      prescriptions.seal(keyring, subjectKey, { ...value, ...(broken as Partial<Prescription>) });
    expect(seal, JSON.stringify(broken)).toThrow(DeclarationFault);
  }
  expect(() => prescriptions.seal(keyring, subjectKey, { ...value, medication: "\ud800" })).toThrow(
    NotCanonicalJson,
  );
});

test("a wrong declaration is refused with every fault named", () => {
  const wrong = {
    ...declaration,
    typed: ["status", "rev"],
    sealed: ["status", "drop table"],
    masks: { nothing: "edges" },
    search: { shoe_size: true },
  } as const;
  expect(() => sealedTable(wrong)).toThrow(DeclarationFault);
  for (const fault of [
    /rev is every/,
    /status is declared twice/,
    /drop table is not/,
    /nothing is masked/,
    /shoe_size is masked, indexed or searched/,
  ]) {
    expect(() => sealedTable(wrong)).toThrow(fault);
  }
});

test("the hash of a box is the SHA-256 of what is stored", () => {
  const { sealed } = prescriptions.seal(keyring, subjectKey, value);
  expect(prescriptions.boxHash(sealed)).toBe(createHash("sha256").update(sealed).digest("hex"));
});

test("masking hides the masked fields in a copy", () => {
  expect(prescriptions.mask(value)).toEqual({ ...value, medication: "I••••0 mg" });
  expect(value.medication).toBe("Ibuprofen 400 mg");
});

test("many are sealed in their order by worker threads, and few where they are", async () => {
  for (const count of [0, 1, 200, 201, 1_333]) {
    const values = Array.from({ length: count }, (_, n) => ({ ...value, id: randomUUID(), notes: n }));
    const boxes = await prescriptions.sealMany(
      keyring,
      values.map((each) => ({ subjectKey, value: each })),
    );
    expect(boxes).toHaveLength(count);
    for (const [n, each] of values.entries()) {
      const box = boxes[n];
      if (n % 37 === 0 || n === count - 1)
        expect(box && prescriptions.open(keyring, rowOf(each, box))).toEqual(each);
    }
  }
});

test("10,000 boxes of ten rows, sealed by several threads at once: no row's key meets a nonce twice", async () => {
  const ids = Array.from({ length: 10 }, () => randomUUID());
  const items = Array.from({ length: 10_000 }, (_, n) => ({
    subjectKey,
    value: { ...value, id: ids[n % 10] ?? "", rev: 1 + Math.floor(n / 10) },
  }));
  const halves = [items.slice(0, 5_000), items.slice(5_000)];
  const boxes = (await Promise.all(halves.map((half) => prescriptions.sealMany(keyring, half)))).flat();
  const pairs = boxes.map(({ sealed }, n) => `${ids[n % 10]} ${sealed.toString("hex", 6, 18)}`);
  expect(new Set(pairs).size).toBe(10_000);
});

test("one bad row among many fails them all, and the threads serve the next", async () => {
  const values = Array.from({ length: 900 }, () => ({ ...value, id: randomUUID() }));
  const items = values.map((each, n) => ({ subjectKey, value: n === 700 ? { ...each, rev: 0 } : each }));
  await expect(prescriptions.sealMany(keyring, items)).rejects.toThrow(DeclarationFault);
  const good = values.map((each) => ({ subjectKey, value: each }));
  expect(await prescriptions.sealMany(keyring, good)).toHaveLength(900);
});

test("sealing under way when the threads are closed fails as a whole, and the next call starts new ones", async () => {
  const items = Array.from({ length: 2_000 }, () => ({ subjectKey, value: { ...value, id: randomUUID() } }));
  const sealing = prescriptions.sealMany(keyring, items);
  await closeSealPool();
  await expect(sealing).rejects.toMatchObject({
    code: "unavailable",
    kind: "unavailable",
    retryAfterSeconds: 2,
  });
  expect(await prescriptions.sealMany(keyring, items)).toHaveLength(2_000);
});
