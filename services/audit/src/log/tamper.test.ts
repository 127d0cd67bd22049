import { generateKeyPairSync, sign } from "node:crypto";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { event, events, eventually, type GivenLog, givenLog } from "../../test/log-harness.ts";
import { checkpointText } from "../tree/checkpoint.ts";
import { makeEntries } from "./entry.ts";
import { createSigner } from "./signer.ts";

/** 600 entries in three tiles; 10 in a tile that is full, 590 in the last one. */
const SIZE = 600;
let log: GivenLog;
beforeAll(async () => {
  log = await givenLog();
});
beforeEach(async () => {
  await log.reset();
  const writer = await log.writing();
  await log.append(writer, events(SIZE));
  await log.published(SIZE);
  await writer.stop();
  expect(await log.verify()).toMatchObject({ ok: true });
});
afterAll(() => log.end());

const damage = (sql: string, values: unknown[] = []) => log.superuser.query(sql, values);
const checkpointFile = () => join(log.dir, "checkpoint");

/** What a writer that starts now says; "writing" when it sees nothing wrong. */
async function startOf(): Promise<string> {
  const writer = log.writer();
  await eventually(() => expect(["writing", "refusing"]).toContain(writer.state().phase));
  const code = writer.state().refusal?.code ?? "writing";
  await writer.stop(); // else it might have the lease again before the next one
  return code;
}

test("a changed body is found at its entry", async () => {
  await damage("update log set sealed = set_byte(sealed, 90, get_byte(sealed, 90) # 1) where idx = 10");
  expect(await log.verify()).toMatchObject({
    ok: false,
    firstBadIndex: 10,
    reason: expect.stringContaining("open"),
  });
});

test("a body that was sealed again with another salt is found, though the key was the right one", async () => {
  const { rows } = await damage("select id, leaf, sealed from log where idx = 10");
  const body = Buffer.from(log.seal.open(10, rows[0].id, rows[0].sealed) ?? "");
  body[0] = (body[0] ?? 0) ^ 1;
  await damage("update log set sealed = $1 where idx = 10", [log.seal.seal(10, rows[0].id, body)]);
  expect(await log.verify()).toMatchObject({
    ok: false,
    firstBadIndex: 10,
    reason: expect.stringContaining("leaf"),
  });
});

test("an event that was replaced whole, leaf and columns and all, is found by the tile and stops the writer", async () => {
  const { rows } = await damage("select id from log where idx = 10");
  const forged = event(10_000, { id: rows[0].id });
  const [again] = makeEntries([forged]);
  await damage("update log set sealed = $1, leaf = $2 where idx = 10", [
    log.seal.seal(10, rows[0].id, again?.body ?? Buffer.alloc(0)),
    again?.leaf,
  ]);
  await damage(
    `update log set occurred_at = $1, type = $2, epoch = $3, seq = $4, actor_id = $5, patient_ids = $6, subject = $7,
            request_id = $8 where idx = 10`,
    [
      forged.time,
      forged.type,
      forged.producerepoch,
      forged.producerseq,
      forged.data.actor?.id,
      forged.data.patientIds,
      forged.subject,
      forged.requestid,
    ],
  );
  expect(await log.verify()).toMatchObject({
    ok: false,
    firstBadIndex: 10,
    reason: expect.stringContaining("tile"),
  });
  expect(await startOf()).toBe("log_changed");
});

test("a column that hides an event from a query is found", async () => {
  await damage("update log set actor_id = 'another-actor' where idx = 300");
  expect(await log.verify()).toMatchObject({
    ok: false,
    firstBadIndex: 300,
    reason: expect.stringContaining("actorId"),
  });
});

test("a deleted row is found and stops the writer", async () => {
  await damage("delete from log where idx = 20");
  expect(await log.verify()).toMatchObject({
    ok: false,
    firstBadIndex: 20,
    reason: expect.stringContaining("missing"),
  });
  expect(await startOf()).toBe("log_truncated");
});

test("a deleted row whose successors moved up is found and stops the writer", async () => {
  await damage("delete from log where idx = 20");
  await damage("alter table log drop constraint log_parts_pkey");
  await damage("update log set idx = idx - 1 where idx > 20");
  await damage("alter table log add primary key (idx)");
  await damage("update writer set size = size - 1");
  expect(await log.verify()).toMatchObject({ ok: false });
  expect(await startOf()).toBe("log_truncated");
});

test("two swapped rows are found and stop the writer", async () => {
  await damage("update log set idx = 100000 where idx = 30");
  await damage("update log set idx = 30 where idx = 31");
  await damage("update log set idx = 31 where idx = 100000");
  expect(await log.verify()).toMatchObject({ ok: false, firstBadIndex: 30 });
  expect(await startOf()).toBe("log_changed");
});

test("a truncated table is found and stops the writer, even when the expected size was cut with it", async () => {
  await damage("delete from log where idx >= 590");
  expect(await log.verify()).toMatchObject({
    ok: false,
    firstBadIndex: 590,
    size: 590,
    checkpointSize: SIZE,
  });
  expect(await startOf()).toBe("log_truncated");
  await damage("update writer set size = 590, lease_until = null");
  expect(await startOf()).toBe("log_truncated");
});

test("a table that is cut under a running writer stops it at the next append; nothing is signed over the hole", async () => {
  const writer = await log.writing();
  await damage("delete from log where idx >= 599");
  await expect(log.append(writer, events(1, 700))).rejects.toMatchObject({ code: "log_truncated" });
  expect(await log.refusalOf(writer)).toBe("log_truncated");
  expect((await log.outside.readCheckpoint())?.split("\n")[1]).toBe(String(SIZE));
  expect(log.refusals).toEqual(["log_truncated"]);
});

test("rows beyond the size that was appended are not signed", async () => {
  const writer = await log.writing();
  await damage(`insert into log select 600, gen_random_uuid(), occurred_at, type, producer, epoch, seq, actor_id, actor_role,
    patient_ids, subject, action, outcome, purpose, ip, request_id, leaf, sealed from log where idx = 5`);
  expect(await log.refusalOf(writer)).toBe("foreign_entry");
});

test("an older checkpoint outside, as a restored disk would bring, stops the writer at its start and while it runs", async () => {
  const older = await readFile(checkpointFile());
  const writer = await log.writing();
  await log.append(writer, events(5, 700));
  await log.published(605);
  await writeFile(checkpointFile(), older);
  await log.append(writer, events(1, 800));
  expect(await log.refusalOf(writer)).toBe("outside_checkpoint_older");
  await writer.stop();
  expect(await startOf()).toBe("outside_checkpoint_older");
  expect(await log.verify()).toMatchObject({ ok: false, reason: expect.stringContaining("older") });
});

test("a database that was set back to an earlier state stops the writer: the checkpoint outside knows more", async () => {
  await damage("delete from log where idx >= 500");
  await damage("delete from checkpoints");
  await damage("update writer set size = 500");
  expect(await startOf()).toBe("log_truncated");
});

test("a lost checkpoint outside stops the writer", async () => {
  await rm(checkpointFile());
  expect(await log.verify()).toMatchObject({ ok: false, reason: expect.stringContaining("missing") });
  expect(await startOf()).toBe("outside_checkpoint_missing");
});

test("a changed tile is found, a full one as well as the last one, and stops the writer", async () => {
  const full = join(log.dir, "tile/0/000");
  const good = await readFile(full);
  const bad = Buffer.from(good);
  bad.writeUInt8(bad.readUInt8(32 * 7) ^ 1, 32 * 7);
  await writeFile(full, bad);
  expect(await log.verify()).toMatchObject({
    ok: false,
    firstBadIndex: 7,
    reason: expect.stringContaining("tile"),
  });
  expect(await startOf()).toBe("log_changed");
  await writeFile(full, good);
  const partial = join(log.dir, "tile/0/002.p/88");
  await writeFile(partial, Buffer.alloc(88 * 32));
  expect(await startOf()).toBe("outside_store_damaged");
  expect(await log.verify()).toMatchObject({ ok: false, firstBadIndex: 512 });
});

test("a lost or cut tile stops the writer", async () => {
  await writeFile(join(log.dir, "tile/0/001"), "short");
  expect(await startOf()).toBe("outside_store_damaged");
  expect(await log.verify()).toMatchObject({
    ok: false,
    reason: expect.stringContaining("tile 0/001 is cut"),
  });
});

test("a changed or lost body outside is found", async () => {
  const file = join(log.dir, "bodies/000");
  const bytes = await readFile(file);
  bytes.writeUInt8(bytes.readUInt8(60) ^ 1, 60);
  await writeFile(file, bytes);
  expect(await log.verify()).toMatchObject({
    ok: false,
    firstBadIndex: 0,
    reason: expect.stringContaining("outside"),
  });
  await rm(file);
  expect(await log.verify()).toMatchObject({
    ok: false,
    firstBadIndex: 0,
    reason: expect.stringContaining("missing outside"),
  });
});

test("a forged checkpoint, of another key or with another size, stops the writer", async () => {
  const note = await readFile(checkpointFile(), "utf8");
  await writeFile(checkpointFile(), note.replace("\n600\n", "\n601\n"));
  expect(await startOf()).toBe("outside_checkpoint_forged");
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  const stranger = createSigner(log.signer.origin, publicKey, (text) => sign(null, text, privateKey));
  await writeFile(checkpointFile(), stranger.sign({ size: SIZE, root: Buffer.alloc(32) }).note);
  await damage("update writer set lease_until = null");
  expect(await startOf()).toBe("outside_checkpoint_forged");
  expect(await log.verify()).toMatchObject({ ok: false, reason: expect.stringContaining("forged") });
});

test("a checkpoint of another origin, signed with the right key, stops the writer", async () => {
  const key = log.signer;
  const text = checkpointText({ origin: "example.test/other", size: SIZE, root: Buffer.alloc(32) });
  const signed = key.sign({ size: SIZE, root: Buffer.alloc(32) }).note;
  await writeFile(checkpointFile(), signed.replace(signed.slice(0, signed.indexOf("\n\n") + 1), text));
  expect(await startOf()).toBe("outside_checkpoint_forged");
});

test("another root of the same size, signed with the stolen key, stops the writer: the log does not give it", async () => {
  await writeFile(checkpointFile(), log.signer.sign({ size: SIZE, root: Buffer.alloc(32, 1) }).note);
  expect(await startOf()).toBe("log_changed");
});

test("another public key outside, or another origin in the settings, stops the writer", async () => {
  await writeFile(join(log.dir, "audit.vkey"), "example.test/audit+00000000+AAAA\n");
  expect(await startOf()).toBe("signing_key_changed");
});

test("a writer that refused goes on by itself once the two agree again", async () => {
  const good = await readFile(checkpointFile());
  await writeFile(checkpointFile(), "nonsense\n");
  const writer = log.writer();
  expect(await log.refusalOf(writer)).toBe("outside_checkpoint_forged");
  await writeFile(checkpointFile(), good);
  await eventually(() => expect(writer.state()).toMatchObject({ phase: "writing", refusal: null }));
  await log.append(writer, events(1, 700));
  await log.published(601);
});

test("a start that checks the last entries only still requires the signed root", async () => {
  const writer = await log.writing({ maxStartLeaves: 0 });
  expect(writer.state().publishedSize).toBe(SIZE);
});
