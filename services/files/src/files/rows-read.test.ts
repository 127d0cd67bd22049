import type { Db } from "@medvault/postgres";
import { createTestDatabase, readingsBeyond, type TestDatabase, testKeyring } from "@medvault/testing";
import pg from "pg";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  BUSY_ATTACHMENT,
  BUSY_PATIENT,
  FEW_ATTACHMENT,
  fewFilesOf,
  givenManyFiles,
  MIDDLE_FILE,
} from "../../test/many-files.ts";
import { findFile, listFiles, patientOfAttachment, referencedBlobs } from "./file.store.ts";

const OF_A_PAGE = 1_000;

let database: TestDatabase;
let client: pg.Client;
beforeAll(async () => {
  database = await createTestDatabase(["files"]);
  client = new pg.Client({ connectionString: database.superuserUrl });
  await client.connect();
  await client.query("set search_path to files, files_sys");
  await givenManyFiles(client, 30_000);
}, 120_000);
afterAll(async () => {
  await client?.end();
  await database?.drop();
});

const keyring = await testKeyring("files");

/** Those readings that read more rows than they may. */
const beyond = (what: string, work: (db: Db) => Promise<unknown>) =>
  readingsBeyond(client as unknown as Db, OF_A_PAGE, what, work);

test("a page of files reads few rows, of a chart with very many and of an attachment, and at any depth", async () => {
  const found: string[] = [];
  for (const chart of [[BUSY_PATIENT], [fewFilesOf(500)], [BUSY_PATIENT, fewFilesOf(500)]]) {
    for (const attachedTo of [null, BUSY_ATTACHMENT, FEW_ATTACHMENT]) {
      for (const beforeId of [null, MIDDLE_FILE]) {
        const filter = { chart, attachedTo, beforeId, limit: 51, closed: ["file/x"] };
        found.push(...(await beyond(JSON.stringify(filter), (db) => listFiles(db, keyring, filter))));
      }
    }
  }
  expect(found).toEqual([]);
});

test("one file, whose an attachment is, and what points to blobs read few rows", async () => {
  const found = [
    ...(await beyond("one", (db) => findFile(db, keyring, MIDDLE_FILE))),
    ...(await beyond("attachment", (db) => patientOfAttachment(db, BUSY_ATTACHMENT))),
    ...(await beyond("no attachment", (db) => patientOfAttachment(db, "claim/x"))),
    ...(await beyond("blobs", (db) => referencedBlobs(db, [MIDDLE_FILE, BUSY_PATIENT]))),
  ];
  expect(found).toEqual([]);
});
