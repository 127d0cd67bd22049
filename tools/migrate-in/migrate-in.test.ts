import { mkdir, mkdtemp, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GatewayConfig } from "../config.ts";
import { UsageError } from "../lib/command.ts";
import { runTool } from "../test/harness.ts";
import { type MoveOptions, move } from "./move.ts";
import {
  type CareCryptRow,
  careCryptDump,
  fernetKey,
  fernetToken,
  PDF,
  prescriptionTuple,
} from "./source.testdata.ts";

let folder: string;
let key: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "medvault-migrate-"));
  key = fernetKey();
  await file("fernet.key", `${key}\n`);
  await mkdir(path.join(folder, "uploads"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: string | Buffer): Promise<string> {
  await writeFile(path.join(folder, name), content);
  return path.join(folder, name);
}

const row = (id: number, more: Partial<CareCryptRow> = {}): CareCryptRow => ({
  ...{ id, user: 1, name: "Ada Marsh", medication: "Metformin 500 mg", notes: null },
  ...more,
});
const tuples = (...rows: CareCryptRow[]) => rows.map((one) => prescriptionTuple(key, one));

/** The tool as its user runs it. */
const tool = (args: readonly string[]) =>
  runTool("migrate-in", ["--work", path.join(folder, "work"), ...args], { MEDVAULT_DATA: folder });

const NAMES = {
  "--format": "format",
  "--map": "map",
  "--fernet-key-file": "keyFile",
  "--files": "files",
} as const;

/** A dry run; nothing listens anywhere. What it throws is in `err`. */
async function dry(args: readonly string[]) {
  const named = Object.entries(NAMES).map(([flag, name]) => [name, args[args.lastIndexOf(flag) + 1]]);
  const given = Object.fromEntries(named.filter((_, at) => args.includes(Object.keys(NAMES)[at] as string)));
  const options = { ...given, work: path.join(folder, "work"), source: args.at(-1) ?? "", isApplied: false };
  const settings = GatewayConfig.parse({ MEDVAULT_DATA: folder });
  const output = { say: () => {}, progress: () => {} };
  try {
    const moved = await move(options as MoveOptions, {}, settings, output, new AbortController().signal);
    const { report: found, absentTables, sealedCells } = moved;
    return { counts: found.counts, reasons: found.reasons, absentTables, sealedCells };
  } catch (error) {
    return { err: (error as Error).message, isUsage: error instanceof UsageError };
  }
}
const ofDump = async (dump: string, ...more: string[]) =>
  dry([
    ...["--format", "carecrypt", "--fernet-key-file", path.join(folder, "fernet.key")],
    ...more,
    await file("dump.sql", dump),
  ]);
const uploads = () => ["--files", path.join(folder, "uploads")];
const counts = (stored: number, refused = 0) => ({ stored, updated: 0, known: 0, refused });
const report = async () =>
  (await readFile(path.join(folder, "work", "would-refuse.ndjson"), "utf8"))
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function ofCsv(csv: string | Buffer, map: object, ...more: string[]) {
  const args = ["--format", "csv", "--map", await file("map.json", JSON.stringify(map)), ...more];
  return dry([...args, await file("people.csv", csv)]);
}
const PEOPLE = { tables: { people: [{ to: "patient", key: ["id"], fields: { name: "name", sex: "sex" } }] } };

test("a dry run of CareCrypt says what would be stored, and writes nothing but its report", async () => {
  await writeFile(path.join(folder, "uploads", "a.enc"), fernetToken(key, PDF));
  const dump = careCryptDump(
    tuples(
      row(1),
      row(2, { name: "Ada Marsh " }),
      row(3, { user: 2 }),
      row(4, { name: "Bo", notes: "O'Brien <b>" }),
    ),
    ["(1,4,'a.enc','pdf','2025-03-01 09:30:00')"],
  );
  const found = await ofDump(dump, ...uploads());
  expect(found).toMatchObject({
    ...{ absentTables: [], sealedCells: 18 },
    // Of one name in one account is one patient; users stay where they are unless the map says so.
    counts: { patient: counts(3), prescription: counts(4), file: counts(1) },
  });
  expect(await report()).toEqual([]);
  expect((await stat(path.join(folder, "work", "would-refuse.ndjson"))).mode & 0o777).toBe(0o600);
  const map = await file("map.json", '{"inviteUsers": true}');
  expect((await ofDump(dump, ...uploads(), "--map", map)).counts).toMatchObject({ user: counts(2) });
});

test("a wrong key is told before anything else, and several keys are all tried", async () => {
  const dump = careCryptDump(tuples(...Array.from({ length: 60 }, (_, at) => row(at + 1))));
  await file("fernet.key", fernetKey());
  const wrong = await ofDump(dump);
  expect(wrong).toMatchObject({
    isUsage: false,
    err: expect.stringMatching(/the key is wrong: of the first \d+ sealed cells/),
  });
  await file("fernet.key", `FERNET_KEY="${fernetKey()}"\n${key}\n`);
  expect(await ofDump(dump)).toMatchObject({ reasons: {}, counts: { prescription: counts(60) } });
  for (const bad of ["", "short", `${key}${key}`]) {
    await file("fernet.key", bad);
    expect(await ofDump(dump)).toMatchObject({ isUsage: true, err: expect.stringMatching(/key file/) });
  }
});

test("a token that was changed refuses its row alone; the report names the row and why, and no value", async () => {
  const [first, second, third] = tuples(row(1), row(2, { name: "Secret Name" }), row(3)) as [
    string,
    string,
    string,
  ];
  const changed = second.replace(
    /(gAAAAA[\w-]{60})(.)/,
    (_all, head, char) => head + (char === "A" ? "B" : "A"),
  );
  const found = await ofDump(careCryptDump([first, changed, third]));
  expect(found).toMatchObject({
    counts: { patient: counts(1, 1), prescription: counts(2, 1) },
    reasons: { bad_token: 2 },
  });
  expect(await report()).toEqual(
    ["patient", "prescription"].map((as) => ({
      ...{ table: "prescriptions", row: 2, key: "2", as, code: "bad_token" },
      reason: "column patient_name is sealed, but was changed or cut, or sealed by another key",
    })),
  );
  expect(JSON.stringify(await report())).not.toMatch(/Secret|Marsh|gAAAA/);
});

test("a dump that was cut is refused whole, and so is one whose columns are others", async () => {
  const dump = careCryptDump(tuples(row(1), row(2)));
  const cut = dump.slice(0, dump.indexOf("(2,1,_binary") + 60);
  expect(await ofDump(cut)).toMatchObject({ isUsage: false, err: expect.stringMatching(/was cut/) });
  const between = dump.slice(0, dump.indexOf("CREATE TABLE `users`"));
  expect(await ofDump(between)).toMatchObject({ isUsage: false, err: expect.stringMatching(/was cut/) });
  const renamed = await ofDump(dump.replace("`patient_name`", "`name`"));
  expect(renamed).toMatchObject({ isUsage: false, err: expect.stringMatching(/has no column patient_name/) });
});

test("a duplicate id, a value too many, and a row whose patient was refused are refused with their reasons", async () => {
  const [one, many] = tuples(row(1), row(2)) as [string, string];
  const found = await ofDump(careCryptDump([one, one, many.replace("NULL,NULL", "NULL,NULL,NULL")]));
  expect(found).toMatchObject({
    counts: { patient: counts(1, 1), prescription: counts(1, 2) },
    reasons: { column_count: 2, duplicate: 1 },
  });
  const map = {
    tables: { ...(PEOPLE.tables.people && { people: [...PEOPLE.tables.people, RECORD("owner")] }) },
  };
  expect(await ofCsv("id,name,sex,owner\n1,Ada,female,1\n2,Bo,male,9\n", map)).toMatchObject({
    counts: { patient: counts(2), record: counts(1, 1) },
    reasons: { no_patient: 1 },
  });
});
const RECORD = (patient: string) => ({
  ...{ to: "record", key: ["id"], patient: [patient] },
  fields: { type: { constant: "note" }, title: "name" },
});

test("a file that is missing, damaged, a link, elsewhere or of another key is refused, and its row named", async () => {
  const at = (name: string) => path.join(folder, "uploads", name);
  await writeFile(at("good.enc"), fernetToken(key, PDF));
  await writeFile(at("damaged.enc"), fernetToken(key, PDF).slice(0, 200));
  await writeFile(at("other.enc"), fernetToken(fernetKey(), PDF));
  await writeFile(path.join(folder, "outside.enc"), fernetToken(key, PDF));
  await symlink(path.join(folder, "outside.enc"), at("link.enc"));
  const names = ["good.enc", "gone.enc", "damaged.enc", "other.enc", "link.enc", "../outside.enc"];
  const images = names.map((name, index) => `(${index + 1},1,'${name}','pdf','2025-03-01 09:30:00')`);
  const dump = careCryptDump(tuples(row(1)), [...images, "(7,99,'good.enc','pdf','2025-03-01 09:30:00')"]);
  expect(await ofDump(dump, ...uploads())).toMatchObject({
    counts: { file: counts(1, 6) },
    reasons: { no_file: 2, bad_file: 2, bad_path: 1, no_prescription: 1 },
  });
  expect(await ofDump(dump)).toMatchObject({ reasons: { no_files: 5, bad_path: 1, no_prescription: 1 } });
});

test("cells of CSV: tokens among plain text, other alphabets, markup and formulas, empty and unknown values", async () => {
  const sealed = fernetToken(key, "=HYPERLINK(1) <b>Zoë</b>");
  const csv = `\ufeffid;name;sex\r\n1;${sealed};F\r\n2;"=1+1 ""x""";M\r\n3;;F\r\n4;Bo;X\r\n`;
  const fields = { name: "name", sex: { column: "sex", values: { F: "female", M: "male" } } };
  const map = { delimiter: ";", tables: { people: [{ to: "patient", key: ["id"], fields }] } };
  const withKey = ["--fernet-key-file", path.join(folder, "fernet.key")];
  expect(await ofCsv(csv, map, ...withKey)).toMatchObject({
    counts: { patient: counts(2, 2) },
    reasons: { empty: 1, unknown_value: 1 },
  });
  expect(await ofCsv(csv, map)).toMatchObject({ reasons: { no_key: 1, empty: 1, unknown_value: 1 } });
  const latin1 = Buffer.from("id,name,sex\n1,Zo\xeb,female\n", "latin1");
  expect(await ofCsv(latin1, PEOPLE)).toMatchObject({ reasons: { bad_encoding: 1 } });
  expect(await ofCsv(latin1, { ...PEOPLE, encoding: "latin1" })).toMatchObject({
    reasons: {},
    counts: { patient: counts(1) },
  });
});

test("what a map gets wrong is said with its path, and no row is read", async () => {
  const fields = { name: "name", sex: { column: "sex", constant: "male" } };
  const bad = {
    timeZone: "Mars/Olympus",
    people: { 1: "" },
    tables: { people: [{ to: "patient", key: [], fields, more: 1 }], visits: [{ to: "visit", key: ["id"] }] },
  };
  const { err, isUsage } = await ofCsv("id\n1\n", bad);
  expect(isUsage).toBe(true);
  for (const said of ["timeZone: is no time zone", "people.1", "tables.people.0.key", "tables.visits.0"])
    expect(err).toContain(said);
  await file("map.json", "{");
  const args = ["--format", "csv", "--map", path.join(folder, "map.json"), await file("a.csv", "a\n1\n")];
  expect(await dry(args)).toMatchObject({ isUsage: true, err: expect.stringMatching(/is not JSON/) });
});

test("exit codes and the JSON document say what was found; wrong usage is one sentence", async () => {
  const keys = ["--format", "carecrypt", "--fernet-key-file", path.join(folder, "fernet.key")];
  const source = await file("dump.sql", careCryptDump(tuples(row(1))));
  const done = await tool([...keys, "--json", source]);
  expect([done.code, JSON.parse(done.out)]).toMatchObject([
    0,
    { command: "migrate-in", ok: true, applied: false, counts: { patient: counts(1) }, refused: 0 },
  ]);
  const twice = await file("twice.sql", careCryptDump(tuples(row(1), row(1))));
  expect(await tool([...keys, twice])).toMatchObject({
    code: 1,
    out: expect.stringMatching(
      /1 rows would be refused:\n {2}duplicate: 1[\s\S]*Nothing was written: this was a dry run/,
    ),
  });
  for (const [args, said] of [
    [[], /name one dump/],
    [[source], /--format is one of carecrypt, medicoio, csv/],
    [[...keys, "--apply", "--dry-run", source], /exclude each other/],
    [[...keys, "--apply", source], /say who you are/],
  ] as const)
    expect(await tool(args)).toMatchObject({ code: 2, err: expect.stringMatching(said) });
  for (const [args, said] of [
    [["--format", "csv", source], /needs a --map/],
    [["--format", "excel", source], /--format is one of/],
    [["--format", "carecrypt", path.join(folder, "none")], /there is no/],
  ] as const)
    expect(await dry(args)).toMatchObject({ isUsage: true, err: expect.stringMatching(said) });
});
