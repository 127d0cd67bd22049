import { randomUUID } from "node:crypto";
import {
  BOX_OVERHEAD_BYTES,
  BoxRefused,
  canonicalJson,
  keyedHash,
  paddedLength,
  readBoxHeader,
  sealBox,
} from "@medvault/crypto";
import type { Tx } from "@medvault/postgres";
import { beforeEach, expect, test } from "vitest";
import { givenDatabase, testKeyring } from "../test/harness.ts";
import { AnswerTooLarge, IdempotencyKeyInvalid, IdempotencyKeyReused, RequestInProgress } from "./errors.ts";
import { cleanIdempotencyKeys, type IdempotentRequest, idempotent } from "./idempotent.ts";
import type { Answer } from "./kept-answer.ts";
import { tableKey } from "./keyring/service-keys.ts";

const keyring = testKeyring("backup");
const pool = (await givenDatabase("backup")).pool("backup");
beforeEach(async () => {
  await pool.query(`delete from idempotency_keys`);
  await pool.query(`delete from subject_keys`);
});

const request = (more: Partial<IdempotentRequest> = {}): IdempotentRequest => ({
  actorId: "actor-1",
  key: "key-1",
  method: "POST",
  path: "/v1/things",
  body: { name: "Zoë", n: 1 },
  ...more,
});

/** The effect: one row more. */
async function effect(
  tx: Tx,
): Promise<{ status: number; body: { id: string }; headers: { location: string } }> {
  const id = randomUUID();
  await tx.query(`insert into subject_keys (subject_id, wrapped) values ($1, $2)`, [id, Buffer.alloc(102)]);
  return { status: 201, body: { id }, headers: { location: `/v1/things/${id}` } };
}
/** What was answered again, of which an event must be left. */
const replays: unknown[] = [];
const once = <T>(asked: IdempotentRequest, work: (tx: Tx) => Promise<Answer<T>>) =>
  idempotent<T>(pool, keyring, asked, work, async ({ body }) => void replays.push(body));

const count = async (table: "subject_keys" | "idempotency_keys"): Promise<number> => {
  const query =
    table === "subject_keys" ? `select count(*) from subject_keys` : `select count(*) from idempotency_keys`;
  const { rows } = await pool.query<{ count: number }>(query);
  return rows[0]?.count ?? -1;
};
const age = (hours: number): Promise<unknown> =>
  pool.query(`update idempotency_keys set created_at = now() - make_interval(secs => $1)`, [hours * 3600]);

test("the same key and body again give the first answer, and the effect happens once", async () => {
  const first = await once(request(), effect);
  expect(first).toMatchObject({ status: 201, replayed: false });
  // Another order of members is the same body.
  const again = await once(request({ body: { n: 1, name: "Zoë" } }), effect);
  expect(again).toEqual({ ...first, replayed: true });
  expect(await count("subject_keys")).toBe(1);
});

test("threat: an answer is given again and leaves no event; one who may not have it gets it by repeating", async () => {
  replays.length = 0;
  const first = await once(request(), effect);
  expect(replays).toEqual([]);
  await once(request(), effect);
  expect(replays).toEqual([first.body]);
  const refusing = idempotent(pool, keyring, request(), effect, () =>
    Promise.reject(new RangeError("not you")),
  );
  await expect(refusing).rejects.toThrow(RangeError);
});

test("the same key with another body is refused, and nothing happens", async () => {
  await once(request(), effect);
  const other = once(request({ body: { name: "Zoë", n: 2 } }), effect);
  await expect(other).rejects.toThrow(IdempotencyKeyReused);
  await expect(other).rejects.toMatchObject({ code: "idempotency_key_reused", kind: "unprocessable" });
  expect(await count("subject_keys")).toBe(1);
});

test("another actor, method, path or key is another request", async () => {
  for (const more of [
    {},
    { actorId: "actor-2" },
    { method: "PUT" },
    { path: "/v1/others" },
    { key: "key-2" },
  ]) {
    expect((await once(request(more), effect)).replayed).toBe(false);
  }
  expect(await count("subject_keys")).toBe(5);
});

test("without a key every request is its own", async () => {
  const bare = request({ key: undefined });
  expect((await once(bare, effect)).replayed).toBe(false);
  expect((await once(bare, effect)).replayed).toBe(false);
  expect([await count("subject_keys"), await count("idempotency_keys")]).toEqual([2, 0]);
});

test("a write that fails keeps nothing, and its key is free", async () => {
  const failing = once(request(), async (tx) => {
    await effect(tx);
    throw new RangeError("no");
  });
  await expect(failing).rejects.toThrow(RangeError);
  expect([await count("subject_keys"), await count("idempotency_keys")]).toEqual([0, 0]);
  expect((await once(request(), effect)).replayed).toBe(false);
});

test("of twenty at once one has the effect, and all get its answer", async () => {
  const answers = await Promise.all(Array.from({ length: 20 }, () => once(request(), effect)));
  expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
  expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
  expect(await count("subject_keys")).toBe(1);
});

test("a duplicate waits for a first that fails, and then has the effect itself", async () => {
  const started = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const first = once(request(), async () => {
    started.resolve();
    await go.promise;
    throw new RangeError("no");
  });
  await started.promise;
  const second = once(request(), effect);
  await expect.poll(waitingForALock).toBe(1);
  go.resolve();
  await expect(first).rejects.toThrow(RangeError);
  expect((await second).replayed).toBe(false);
  expect(await count("subject_keys")).toBe(1);
});

test("a duplicate of a request that takes longer than 3 s is refused as still in progress, and has no effect", async () => {
  const started = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const first = once(request(), async (tx) => {
    started.resolve();
    await go.promise;
    return effect(tx);
  });
  await started.promise;
  const began = performance.now();
  const second = once(request(), effect);
  await expect(second).rejects.toThrow(RequestInProgress);
  await expect(second).rejects.toMatchObject({ code: "request_in_progress", kind: "conflict" });
  const waitedMs = performance.now() - began;
  expect(waitedMs).toBeGreaterThan(2_900);
  expect(waitedMs).toBeLessThan(8_000);
  go.resolve();
  expect((await first).replayed).toBe(false);
  expect(await count("subject_keys")).toBe(1);
});

test("an answer is kept for 24 h and not longer", async () => {
  const first = await once(request(), effect);
  await age(23.9);
  expect(await once(request(), effect)).toEqual({ ...first, replayed: true });
  await age(24.1);
  const later = await once(request({ body: "another" }), effect);
  expect(later.replayed).toBe(false);
  expect(later.body.id).not.toBe(first.body.id);
  expect((await once(request({ body: "another" }), effect)).body).toEqual(later.body);
});

test("of twenty at once after the answer expired one has the effect again", async () => {
  const first = await once(request(), effect);
  await age(25);
  const answers = await Promise.all(Array.from({ length: 20 }, () => once(request(), effect)));
  expect(answers.filter((answer) => !answer.replayed)).toHaveLength(1);
  expect(new Set(answers.map((answer) => answer.body.id)).size).toBe(1);
  expect(answers[0]?.body.id).not.toBe(first.body.id);
  expect(await count("subject_keys")).toBe(2);
});

test("every write deletes a few expired answers, and the clean-up no more than its limit", async () => {
  for (let n = 0; n < 12; n += 1) await once(request({ key: `old-${n}` }), effect);
  await age(25);
  await once(request(), effect);
  expect(await count("idempotency_keys")).toBe(12 - 4 + 1);
  expect(await cleanIdempotencyKeys(pool, 5)).toBe(5);
  expect(await cleanIdempotencyKeys(pool)).toBe(3);
  expect(await count("idempotency_keys")).toBe(1);
});

test("threat: neither the client's key, nor the body, nor the answer or its length can be read in the table", async () => {
  await once(request({ key: "secret-key" }), async () => ({
    status: 200,
    body: "secret answer",
  }));
  const { rows } = await pool.query(`select i::text as row, answer from idempotency_keys i`);
  for (const secret of ["secret-key", "secret answer", "Zoë"]) {
    expect(rows[0].row).not.toContain(Buffer.from(secret).toString("hex"));
    expect(rows[0].row).not.toContain(secret);
  }
  expect(rows[0].answer).toHaveLength(BOX_OVERHEAD_BYTES + paddedLength(1));
});

test("threat: a stored answer moved to another request, or beside another status, does not open", async () => {
  await once(request(), effect);
  await once(request({ actorId: "actor-2" }), effect);
  await pool.query(
    `update idempotency_keys set answer = (select answer from idempotency_keys where actor_id = 'actor-1') where actor_id = 'actor-2'`,
  );
  await expect(once(request({ actorId: "actor-2" }), effect)).rejects.toThrow(BoxRefused);
  await pool.query(`update idempotency_keys set status = 200 where actor_id = 'actor-1'`);
  await expect(once(request(), effect)).rejects.toThrow(BoxRefused);
});

test("keys that are empty, too long or not visible ASCII are refused as invalid input", async () => {
  for (const key of ["", " ", "a b", "é", "x".repeat(201), "a\n"]) {
    const refused = once(request({ key }), effect);
    await expect(refused).rejects.toThrow(IdempotencyKeyInvalid);
    await expect(refused).rejects.toMatchObject({ code: "invalid_input", kind: "invalid" });
  }
  expect((await once(request({ key: "x".repeat(200) }), effect)).status).toBe(201);
});

test("an answer past 4 MiB is refused with its effect", async () => {
  const huge = once(request(), async (tx) => ({
    ...(await effect(tx)),
    body: "x".repeat(1 << 23),
  }));
  await expect(huge).rejects.toThrow(AnswerTooLarge);
  expect([await count("subject_keys"), await count("idempotency_keys")]).toEqual([0, 0]);
});

async function waitingForALock(): Promise<number> {
  const { rows } = await pool.query<{ count: number }>(
    `select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'`,
  );
  return rows[0]?.count ?? 0;
}

test("threat: equal bodies of several requests look alike in the table, so that one known tells the others", async () => {
  await once(request(), effect);
  await once(request({ actorId: "actor-2" }), effect);
  await once(request({ key: "key-2" }), effect);
  await once(request({ path: "/v1/others" }), effect);
  const { rows } = await pool.query<{ body_hash: Buffer }>("select body_hash from idempotency_keys");
  expect(new Set(rows.map(({ body_hash }) => body_hash.toString("hex"))).size).toBe(4);
});

test("what was kept before hashes were bound to their request is given again", async () => {
  const { actorId, method, path, key = "", body } = request();
  const secret = await tableKey(pool, keyring, "idempotency_keys");
  const keyHash = keyedHash(secret, "idempotency key", key);
  const bodyHash = keyedHash(secret, "idempotency body", canonicalJson(body));
  const typed = { actor_id: actorId, method, path, body_hash: bodyHash.toString("hex"), status: 201 };
  const sealed = sealBox(
    { key: secret, version: 1 },
    {
      ...{ service: "backup", table: "idempotency_keys", rowId: keyHash.toString("hex"), subjectId: actorId },
      ...{ rev: 1, typed: canonicalJson(typed), open: "{}" },
    },
    Buffer.from(JSON.stringify({ status: 201, body: { id: "former" } })),
  );
  await pool.query(
    `insert into idempotency_keys (actor_id, method, path, key, body_hash, status, answer)
     values ($1, $2, $3, $4, $5, 201, $6)`,
    [actorId, method, path, keyHash, bodyHash, sealed],
  );
  expect(await once(request(), effect)).toEqual({ status: 201, body: { id: "former" }, replayed: true });
  await expect(once(request({ body: { name: "Max" } }), effect)).rejects.toBeInstanceOf(IdempotencyKeyReused);
});

const keptRow = async () => {
  const { rows } = await pool.query<{ wrapped: Buffer; answer: Buffer }>(
    "select wrapped, answer from idempotency_keys",
  );
  return rows[0];
};

test("an answer is sealed by a key of its own, and the table's key opens none", async () => {
  await once(request({ path: `/v1/${"x".repeat(1_990)}` }), effect);
  const secret = await tableKey(pool, keyring, "idempotency_keys");
  const keyHash = keyedHash(secret, "idempotency key", request().key ?? "").toString("hex");
  const row = await keptRow();
  if (!row) throw new Error("no answer was kept");
  const own = keyring.unwrap(row.wrapped, ["answer", keyHash]);
  expect([own.length, own.equals(secret), readBoxHeader(row.answer).keyVersion]).toEqual([32, false, 2]);
});

test("rolling upgrade: a version without own keys takes over the row of an expired answer, and its answer is given again", async () => {
  await once(request(), effect);
  const { actorId, method, path, key = "", body } = request();
  const secret = await tableKey(pool, keyring, "idempotency_keys");
  const keyHash = keyedHash(secret, "idempotency key", key);
  const parts = [actorId, method, path, keyHash, canonicalJson(body)];
  const bodyHash = keyedHash(secret, "idempotency request", ...parts);
  const typed = { actor_id: actorId, method, path, body_hash: bodyHash.toString("hex"), status: 201 };
  const sealed = sealBox(
    { key: secret, version: 1 },
    {
      ...{ service: "backup", table: "idempotency_keys", rowId: keyHash.toString("hex"), subjectId: actorId },
      ...{ rev: 1, typed: canonicalJson(typed), open: "{}" },
    },
    Buffer.from(JSON.stringify({ status: 201, body: { id: "of before" } })),
  );
  await pool.query("update idempotency_keys set answer = $1, status = 201", [sealed]);
  expect(await once(request(), effect)).toEqual({ status: 201, body: { id: "of before" }, replayed: true });
});

test("threat: an answer is kept under a version that was closed meanwhile, and is lost with it", async () => {
  await pool.query("insert into service_key_versions (version, state) values (1, 'retired')");
  try {
    await expect(once(request(), effect)).rejects.toMatchObject({ code: "40001" });
    expect([await count("subject_keys"), await count("idempotency_keys")]).toEqual([0, 0]);
  } finally {
    await pool.query("delete from service_key_versions");
  }
});
