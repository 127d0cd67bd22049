import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { GatewayConfig } from "../config.ts";
import { readSite } from "./medicoio.ts";
import { type MoveOptions, move } from "./move.ts";
import { pythonCharacters } from "./python-random.ts";

// Sealed by MedicoIO itself (Python 3.11, PyCryptodome), of rows U1 and C1, under a key of 128 K.
const KEY = "K".repeat(128);
const NAME =
  "789c01890076ffe374ade1647290f51a94ef04a4663a43b6e6a3262b82c14e219de1da1ec25f6d836212ea2551a3004c0b238c9f6179a4fe6edff437608789df8ee7c273e38be5c507ff6dfe664a108a8af11693be927e2e373fe0f90796f5fc2e39bfed9f8f2572b05bbab4a061458babcf8e557c1ed562c1aefb652347f0047df7b3acddb33684ff775c8b0acea91655404899";
const COMMENTS =
  "789c018d0072ffdc2686cdfebda98d32abc86341c02cc569012625306e9fc8e044533ec937ac544cda8d175b581d632abc69f4918caaeec8520a7df994ae72a3a010bfcf147cc71381d45ca3420de368b3415e754732a681bd0d649f64c0d084ea64adca7f2c636fc0cc02e4966af6d3f7187944ff8c503306ea08d1621cf5f9b2a974ed95b0e47d59958e3b74ca559a20fd3e4daf6c4852";
const pickled = (text: string) =>
  Buffer.concat([
    Buffer.from("80059500000000000000008c", "hex"),
    Buffer.from([text.length]),
    Buffer.from(`${text}\x94.`),
  ]);

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "medvault-medicoio-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function site(more: Record<string, string | Buffer> = {}): string {
  const file = path.join(folder, "site.sqite");
  const database = new DatabaseSync(file);
  database.exec('create table "unnamed" (key text primary key, value blob)');
  const settings = { encryption_key: KEY, hashing_layers: Buffer.from("80054b012e", "hex"), ...more };
  for (const [name, value] of Object.entries(settings))
    database
      .prepare('insert into "unnamed" values (?, ?)')
      .run(name, typeof value === "string" ? pickled(value) : value);
  database.close();
  return file;
}

/** MedicoIO's tables, with one patient and one consultation. */
function source(comments = COMMENTS): string {
  const file = path.join(folder, "database.sqlite");
  const database = new DatabaseSync(file);
  database.exec(`
    create table user_details (id TEXT PRIMARY KEY NOT NULL, ic_num BLOB, f_name BLOB, l_name BLOB, addr BLOB,
      contact_num BLOB, email BLOB, dob BLOB, gender BLOB, blood_type BLOB, postal_code BLOB, area BLOB,
      height BLOB, weight BLOB, login_date TEXT, admission_date INT);
    create table consultations (id TEXT PRIMARY KEY NOT NULL, c_time BLOB, c_date BLOB, comments BLOB, block BLOB,
      unit BLOB, department BLOB, userid TEXT, doctor TEXT, timestamp INT);
    insert into user_details (id, f_name) values ('U1', x'${NAME}');
    insert into consultations (id, comments, userid, timestamp) values ('C1', x'${comments}', 'U1', 1700000000)`);
  database.close();
  return file;
}

async function dry(options: { site?: string; source: string }) {
  const output = { say: () => {}, progress: () => {} };
  const whole: MoveOptions = {
    ...{ format: "medicoio", map: undefined, keyFile: undefined, files: undefined },
    ...{ work: path.join(folder, "work"), isApplied: false, ...options },
  };
  const settings = GatewayConfig.parse({ MEDVAULT_DATA: folder });
  const { report, sealedCells } = await move(whole, {}, settings, output, new AbortController().signal);
  return { counts: report.counts, reasons: report.reasons, sealedCells };
}

test("characters come as Python's random gives them", () => {
  expect(pythonCharacters("abc", 16)).toBe("93WWKRDNEAAEURHY");
  expect(pythonCharacters(`a_table_${KEY}`, 40)).toBe("HOC2V2TUSAIDGMR9HMCG9WU8BA4WO11RWGAOHVY8");
});

test("a database that MedicoIO sealed is opened by its settings", async () => {
  const found = await dry({ site: site(), source: source() });
  expect(found).toMatchObject({
    counts: { patient: { stored: 1, refused: 0 }, record: { stored: 1, refused: 0 } },
    sealedCells: 2,
  });
});

test("another site's settings are told at once; a cell that was changed refuses its row alone", async () => {
  const file = source(`${COMMENTS.slice(0, 20)}ff${COMMENTS.slice(22)}`);
  expect(await dry({ site: site(), source: file })).toMatchObject({
    counts: { patient: { stored: 1 }, record: { stored: 0, refused: 1 } },
    reasons: { bad_cell: 1 },
  });
  await rm(path.join(folder, "site.sqite"));
  await expect(dry({ site: site({ encryption_key: "L".repeat(128) }), source: file })).rejects.toThrow(
    /site.sqite is of another site/,
  );
});

test("without its settings sealed cells are refused, not stored as they are", async () => {
  expect(await dry({ source: source() })).toMatchObject({
    counts: { patient: { stored: 0, refused: 1 }, record: { stored: 0, refused: 1 } },
  });
});

test("settings that are none, and ciphers that are not read, are said", () => {
  expect(() => readSite(path.join(folder, "none"))).toThrow(/is no site.sqite/);
  expect(() => readSite(site({ user_detail_encryption: "des" }))).toThrow(/opens aes alone/);
});
