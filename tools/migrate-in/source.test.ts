import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, test } from "vitest";
import { nextLine } from "./csv.ts";
import { bytesOf, SourceRefused, type SourceRow, textOf } from "./row.ts";
import { openSource } from "./source.ts";
import { kindOf, SqlUnits } from "./sql.ts";
import type { Dialect } from "./sql-value.ts";
import { unitsOf } from "./unit.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "medvault-source-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function file(name: string, content: string | Buffer): Promise<string> {
  await writeFile(path.join(folder, name), content);
  return path.join(folder, name);
}

const shown = ({ cells, columns, fault, table, number }: SourceRow) => ({
  ...{ table, number },
  ...(fault
    ? { fault: fault.code }
    : Object.fromEntries(
        columns.map((name, at) => [name, cells[at] == null ? null : textOf(cells[at], "utf8")]),
      )),
});

async function rowsOf(named: string, tables: readonly string[], onlyTable: string | null = null) {
  const source = await openSource(named, { delimiter: ",", onlyTable });
  const rows: object[] = [];
  for await (const row of source.rows(new Set(tables), () => {})) rows.push(shown(row));
  return rows;
}

/** By one character at a time, by seven, and at once. */
async function unitsBy(text: string, size: number, next: Parameters<typeof unitsOf>[1]) {
  const latin1 = Buffer.from(text).toString("latin1");
  const chunks = async function* () {
    for (let at = 0; at < latin1.length; at += size) yield latin1.slice(at, at + size);
  };
  const units: unknown[] = [];
  for await (const unit of unitsOf(chunks(), next)) units.push(unit);
  return units;
}

const TEXTS = [
  [
    "MySQL",
    "mysql",
    `CREATE TABLE \`t\` (\`id\` int, \`say\` text DEFAULT 'a;b', \`raw\` blob, KEY \`k\` (\`id\`));
INSERT INTO \`t\` VALUES (1,'it\\'s \\\\ \\"x\\"\\n<b>',0x414243),(2,'=SUM(A1); -- no comment',_binary 'abc'),
(-3,NULL,X'44');/* end */ INSERT INTO u VALUES (9);\n# done\n`,
  ],
  [
    "PostgreSQL, INSERT",
    "standard",
    `CREATE TABLE public.t (id integer, say text DEFAULT 'a;b'::text, raw bytea);
INSERT INTO public.t VALUES (1, 'it''s \\ "x"\n<b>', '\\x414243');
INSERT INTO public.t (id, say, raw) VALUES (2, '=SUM(A1); -- no comment', '\\x616263'::bytea), (-3, NULL, '\\x44') ON CONFLICT DO NOTHING;
CREATE FUNCTION f() RETURNS int AS $$ select ';''(' $$;\nINSERT INTO u VALUES (9);\n`,
  ],
  [
    "PostgreSQL, COPY",
    "standard",
    `\\restrict abc
CREATE TABLE public.t (\n    id integer NOT NULL,\n    say text,\n    raw bytea\n);
COPY public.t (id, say, raw) FROM stdin;
1\tit's \\\\ "x"\\n<b>\t\\\\x414243\n2\t=SUM(A1); -- no comment\t\\\\x616263\n-3\t\\N\t\\\\x44\n\\.\n\nINSERT INTO u VALUES (9);\n`,
  ],
  [
    "SQLite",
    "standard",
    `PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;
CREATE TABLE IF NOT EXISTS "t" (id INTEGER PRIMARY KEY, say TEXT, raw BLOB);
INSERT INTO t VALUES(1,replace('it''s \\ "x"\\n<b>','\\n',char(10)),X'414243');
INSERT INTO "t" VALUES(2,'=SUM(A1); -- no comment',X'616263');\nINSERT INTO t VALUES(-3,NULL,X'44');
INSERT INTO u VALUES(9);\nCOMMIT;\n`,
  ],
] as const;

test.each(TEXTS)(
  "a dump of %s gives its rows, wherever its text is cut into chunks",
  async (_name, dialect, text) => {
    for (const size of [1, 7, 1_000_000]) {
      const units = await unitsBy(text, size, new SqlUnits(dialect as Dialect).next);
      const rows = units.filter(
        (unit): unit is SourceRow => unit !== "other" && (unit as SourceRow).table === "t",
      );
      expect(rows.map(shown)).toEqual([
        { table: "t", number: 1, id: "1", say: `it's \\ "x"\n<b>`, raw: "ABC" },
        { table: "t", number: 2, id: "2", say: "=SUM(A1); -- no comment", raw: "abc" },
        { table: "t", number: 3, id: "-3", say: null, raw: "D" },
      ]);
    }
  },
);

test("CSV is read to the letter: quotes, line ends, a BOM, an empty cell, other alphabets", async () => {
  const text = 'id,name,note\r\n1,"O\'Brien, ""Zoë""","line\r\nline"\n\n2,Мария,\r3,"",<b>=1+1</b>';
  for (const size of [1, 7, 1_000_000]) {
    const lines = await unitsBy(text, size, (window) => nextLine(window, ","));
    expect(
      lines.map((line) => (line as { cells: string[] }).cells.map((cell) => cell && textOf(cell, "utf8"))),
    ).toEqual([
      ["id", "name", "note"],
      ["1", 'O\'Brien, "Zoë"', "line\r\nline"],
      ["2", "Мария", null],
      ["3", "", "<b>=1+1</b>"],
    ]);
  }
  expect(await rowsOf(await file("t.csv", `\ufeff${text}`), ["t"])).toHaveLength(3);
});

test("a value too many or missing, and text behind a quote, are one refused row each; the others are read", async () => {
  const csv = await file("t.csv", 'a,b\n1,2\n1,2,3\n1\n"x"y,2\n5,6\n');
  expect(await rowsOf(csv, ["t"])).toEqual([
    { table: "t", number: 1, a: "1", b: "2" },
    { table: "t", number: 2, fault: "column_count" },
    { table: "t", number: 3, fault: "column_count" },
    { table: "t", number: 4, fault: "bad_quotes" },
    { table: "t", number: 5, a: "5", b: "6" },
  ]);
  const sql = await file(
    "t.sql",
    "CREATE TABLE t (a int, b int);\nINSERT INTO t VALUES (1,2),(1,2,3),(1),(now(),'),('),(5,6);",
  );
  expect(await rowsOf(sql, ["t"])).toEqual([
    { table: "t", number: 1, a: "1", b: "2" },
    { table: "t", number: 2, fault: "column_count" },
    { table: "t", number: 3, fault: "column_count" },
    { table: "t", number: 4, fault: "unreadable" },
    { table: "t", number: 5, a: "5", b: "6" },
  ]);
});

test("rows without the definition of their table are refused, since nobody can say what they are", async () => {
  expect(await rowsOf(await file("t.sql", "INSERT INTO t VALUES (1);"), ["t"])).toEqual([
    { table: "t", number: 1, fault: "unknown_columns" },
  ]);
});

test("a source that was cut is refused, at whichever place", async () => {
  const dump = `-- MySQL dump 10.13\nCREATE TABLE t (a int, b text);\nINSERT INTO t VALUES (1,'x'),(2,'y');\n-- Dump completed on 2026\n`;
  expect(await rowsOf(await file("whole.sql", dump), ["t"])).toHaveLength(2);
  for (let length = 60; length < dump.length - 12; length += 5)
    await expect(rowsOf(await file("cut.sql", dump.slice(0, length)), ["t"])).rejects.toThrow(SourceRefused);
  const postgres = "-- PostgreSQL database dump\nCREATE TABLE t (a int);\nCOPY t (a) FROM stdin;\n1\n2\n";
  await expect(rowsOf(await file("cut.sql", postgres), ["t"])).rejects.toThrow(/was cut/);
  for (const csv of ["a,b\n1,2\n3", 'a,b\n1,"2', ""])
    await expect(rowsOf(await file("cut.csv", csv), ["cut"])).rejects.toThrow(SourceRefused);
  const gzip = gzipSync(dump.repeat(50));
  await expect(rowsOf(await file("cut.sql.gz", gzip.subarray(0, 80)), ["t"])).rejects.toThrow(
    /was cut or is damaged/,
  );
});

test("a database of SQLite, gzip and a folder of CSV are read as they lie", async () => {
  const database = new DatabaseSync(path.join(folder, "a.sqlite"));
  database.exec(
    "create table t (id integer, raw blob); insert into t values (9007199254740993, x'41'), (2, null)",
  );
  database.close();
  expect(await rowsOf(path.join(folder, "a.sqlite"), ["t"])).toEqual([
    { table: "t", number: 1, id: "9007199254740993", raw: "A" },
    { table: "t", number: 2, id: "2", raw: null },
  ]);
  await rm(path.join(folder, "a.sqlite"));
  await file("one.csv.gz", gzipSync("a\n1\n"));
  await file("two.csv", "b\n2\n");
  expect(await rowsOf(folder, ["one", "two"])).toEqual([
    { table: "one", number: 1, a: "1" },
    { table: "two", number: 1, b: "2" },
  ]);
});

test("what is no source is said in one sentence", async () => {
  await expect(rowsOf(path.join(folder, "none"), [])).rejects.toThrow(/there is no/);
  await expect(rowsOf(folder, [])).rejects.toThrow(/there is no \.csv/);
  await expect(rowsOf(await file("t.csv", Buffer.from("\ufeffa", "utf16le")), ["t"])).rejects.toThrow(
    /UTF-16/,
  );
  await expect(rowsOf(await file("t.csv", "a,a\n1,2\n"), ["t"])).rejects.toThrow(/name each column once/);
  await expect(rowsOf(await file("t.sql", "select 1;"), ["t"])).rejects.toThrow(/holds no rows/);
});

test("Latin-1 is read as Windows-1252, and bytes that are no UTF-8 are refused", () => {
  const cell = Buffer.from([0x5a, 0xf6, 0x80]);
  expect(textOf(cell, "latin1")).toBe("Zö€");
  expect(() => textOf(cell, "utf8")).toThrow(/is not UTF-8/);
  expect(bytesOf("\xf6")).toEqual(Buffer.from([0xf6]));
});

test("the dialect is known by how a dump begins", () => {
  expect(kindOf("-- MySQL dump 10.13").dialect).toBe("mysql");
  expect(kindOf("/*M!999999\\- enable */ \n-- MariaDB dump 10.19").dialect).toBe("mysql");
  expect(kindOf("--\n-- PostgreSQL database dump\n--").dialect).toBe("standard");
  expect(kindOf("INSERT INTO `t` VALUES (1)").dialect).toBe("mysql");
});
